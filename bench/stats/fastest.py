"""Which arm is fastest, and which of the others cannot be told from it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bench.stats.beside import Beside, besides
from bench.stats.intervals import Estimate
from bench.stats.readings import Timed


@dataclass(frozen=True)
class Fastest:
    """The arm that takes least of those that compute the same, and how sure that is."""

    arm: str
    not_told_apart: tuple[str, ...]
    """Other arms whose ratio over it has 1 in its interval, or no interval."""
    over_fastest: dict[str, Estimate]
    """Every other arm that computes the same over it, from whole calls that took turns."""
    rough_and_faster: dict[str, Estimate]
    """The arms that compute something else and surely take less, over it."""


def fastest(
    replicates: Sequence[Timed],
    found: dict[str, Beside],
    again: str,
    *,
    ended: Collection[str] = (),
    rough: Collection[str] = (),
) -> Fastest:
    """Return the fastest arm of a case.

    Args:
        replicates: of the case.
        found: every arm beside the base, as of `beside_base`.
        again: the A/A arm, which is the base once more and no candidate.
        ended: arms that failed meanwhile, no candidates either.
        rough: arms that do not compute the same; candidates only where there are no others.
    """
    alive = [arm for arm in found if arm != again and arm not in ended]
    candidates = [arm for arm in alive if arm not in rough] or alive
    best = min(candidates, key=lambda arm: found[arm].ratio.value)
    over: dict[str, Estimate] = {}
    for arm in alive:
        if arm != best:
            (beside,) = besides([replicates], arm, (best,))
            if beside is not None:
                over[arm] = beside.ratio
    same = {arm: ratio for arm, ratio in over.items() if arm in candidates}
    near = tuple(arm for arm, ratio in same.items() if ratio.low is None or ratio.low <= 1)
    faster = {
        arm: ratio
        for arm, ratio in over.items()
        if arm not in candidates and ratio.high is not None and ratio.high < 1
    }
    return Fastest(best, near, same, faster)
