"""Which arm is fastest, and which of the others cannot be told from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.stats.beside import Beside, besides
from bench.stats.intervals import Estimate
from bench.stats.readings import Timed


@dataclass(frozen=True)
class Fastest:
    """The arm that takes least, and how sure that is."""

    arm: str
    not_told_apart: tuple[str, ...]
    """Other arms whose ratio over it has 1 in its interval, or no interval."""
    over_fastest: dict[str, Estimate]
    """Every other arm over it, from whole calls that took turns."""


def fastest(replicates: Sequence[Timed], found: dict[str, Beside], again: str) -> Fastest:
    """Return the fastest arm of a case.

    Args:
        replicates: of the case.
        found: every arm beside the base, as of `beside_base`.
        again: the A/A arm, which is the base once more and no candidate.
    """
    candidates = [arm for arm in found if arm != again]
    best = min(candidates, key=lambda arm: found[arm].ratio.value)
    over: dict[str, Estimate] = {}
    for arm in candidates:
        if arm != best:
            (beside,) = besides([replicates], arm, (best,))
            if beside is not None:
                over[arm] = beside.ratio
    near = tuple(arm for arm, ratio in over.items() if ratio.low is None or ratio.low <= 1)
    return Fastest(best, near, over)
