"""Networks beside a base, from whole calls that took turns, and what an exchanged part changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.stats.intervals import Estimate, relative_intervals, stein_ratios
from bench.stats.parts import part_in_rounds, rest_of
from bench.stats.readings import Contrast, Timed, centre, difference_s, log_ratios


@dataclass(frozen=True)
class Beside:
    """Another arm beside the baselines, from whole calls that took turns."""

    call_s: Estimate
    ratio: Estimate
    """Over the baselines."""
    difference_s: Estimate


@dataclass(frozen=True)
class Exchange:
    """What another module in the place of a part changes."""

    difference_s: Estimate
    """The new part less the old one, inside the calls."""
    residual: Estimate
    """The rest beside the new part, over the rest beside the old one."""


def besides(
    cases: Sequence[Sequence[Timed]], arm: str, baselines: Sequence[str]
) -> list[Beside | None]:
    """Return an arm beside the baselines, case by case; `None` without rounds of both.

    An arm that has failed meanwhile is in some replicates only.
    """
    contrast = Contrast((arm,), tuple(baselines))
    turns = [[one.rounds_s for one in case if len(one.rounds_s.get(arm, ()))] for case in cases]
    calls = [[centre(np.asarray(rounds[arm], float)) for rounds in case] for case in turns]
    scales = [float(np.mean(of)) if of else 1.0 for of in calls]
    columns = zip(
        relative_intervals(calls, scales),
        stein_ratios([log_ratios(case, contrast) for case in turns]),
        relative_intervals([[difference_s(r, contrast) for r in case] for case in turns], scales),
        strict=True,
    )
    return [Beside(c, r, d) if c and r and d else None for c, r, d in columns]


def beside_base(cases: Sequence[Sequence[Timed]], base: str, again: str) -> list[dict[str, Beside]]:
    """Return every arm beside the base, case by case, the base itself first among them.

    Args:
        cases: the replicates of each, which have the same arms.
        base: an arm.
        again: the same network once more: both are its turns.
    """
    arms = dict.fromkeys(arm for case in cases for one in case for arm in one.rounds_s)
    alone = {base: (base,), again: (base,)}
    found = {arm: besides(cases, arm, alone.get(arm, (base, again))) for arm in arms}
    return [
        {arm: one for arm, of in found.items() if (one := of[place]) is not None}
        for place in range(len(cases))
    ]


def exchanges(
    cases: Sequence[Sequence[Timed]], part: str, arm: str, baselines: Sequence[str]
) -> list[Exchange | None]:
    """Return what the exchange of a part changes, case by case; `None` without rounds of both.

    Args:
        cases: the replicates of each.
        part: that is another one in ``arm``.
        arm: with the exchange.
        baselines: turns of the network as it was.
    """
    turns = [[one for one in case if len(one.rounds_s[arm])] for case in cases]
    changes = [[_exchange(one, part, arm, baselines) for one in case] for case in turns]
    scales = [
        float(np.mean([centre(part_in_rounds(one, arm)[0]) for one in case])) if case else 1.0
        for case in turns
    ]
    columns = zip(
        relative_intervals([[change for change, _ in case] for case in changes], scales),
        stein_ratios([[log for _, log in case] for case in changes]),
        strict=True,
    )
    return [Exchange(d, residual) if d and residual else None for d, residual in columns]


def residual_logs(
    replicates: Sequence[Timed], part: str, arm: str, baselines: Sequence[str]
) -> list[float]:
    """Return the logarithm of `Exchange.residual` per replicate that has rounds.

    Args:
        replicates: of one case; the others as for `exchanges`.
        part: that is another one in ``arm``.
        arm: with the exchange.
        baselines: turns of the network as it was.
    """
    turns = [one for one in replicates if len(one.rounds_s[arm])]
    return [_exchange(one, part, arm, baselines)[1] for one in turns]


def _exchange(
    replicate: Timed, part: str, arm: str, baselines: Sequence[str]
) -> tuple[float, float]:
    """Return the difference in seconds and the log of the residual, medians over rounds."""
    call_s, new_s = part_in_rounds(replicate, arm, part)
    changes, logs = [], []
    for baseline in baselines:
        base_s, old_s = part_in_rounds(replicate, baseline, part)
        changes.append(new_s - old_s)
        logs.append(np.log(rest_of(call_s, new_s) / rest_of(base_s, old_s)))
    return centre(np.concatenate(changes)), centre(np.concatenate(logs))
