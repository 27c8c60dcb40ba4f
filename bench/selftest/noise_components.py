"""What the spread of a log ratio is made of: rounds, processes, servers, minutes.

Pure functions of the trials' replicates.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench import stats
from bench.schema.records import undisturbed
from bench.selftest.trials import MeasuredTrial

MIN_REPLICATES = 20
"""With fewer there are too few pairs to speak of."""


@dataclass(frozen=True)
class Components:
    """Standard deviations of a log ratio; `None` where there are too few replicates."""

    round: float | None
    """Between rounds of a process."""
    process: float | None
    """What the rounds of a process share, and those of another do not."""
    turn: float | None
    """What replicates of different cases share that ran within the same turn, from one server."""
    trial: float | None
    """What replicates of a case share within a trial (minutes)."""


def components(measured: Sequence[MeasuredTrial], contrast: stats.Contrast) -> Components:
    """Return the components of the spread of a contrast.

    Each is the mean product of deviations of pairs that share it, less the next.
    """
    halves: list[tuple[float, float]] = []
    round_variances: list[float] = []
    by_turn: dict[tuple[int, int], list[float]] = defaultdict(list)
    by_trial: dict[tuple[int, str], list[float]] = defaultdict(list)
    for case_id in measured[0].cases:
        replicates = [
            (i, r) for i, m in enumerate(measured) for r in undisturbed(m.replicates[case_id])
        ]
        values = stats.log_ratios([r.rounds_s for _, r in replicates], contrast)
        center = float(np.mean(values)) if values else 0.0
        odds, evens = (
            stats.log_ratios([_half(r.rounds_s, start) for _, r in replicates], contrast)
            for start in (0, 1)
        )
        found = zip(replicates, values, odds, evens, strict=True)
        for (trial, replicate), value, odd, even in found:
            halves.append((odd - center, even - center))
            round_variances.append(_round_variance(replicate.rounds_s, contrast))
            by_turn[trial, replicate.server].append(value - center)
            by_trial[trial, case_id].append(value - center)
    if len(halves) < MIN_REPLICATES:
        return Components(None, None, None, None)
    turn = _shared(by_turn.values())
    process = float(np.mean([odd * even for odd, even in halves])) - max(0.0, turn)
    round_ = float(np.mean(round_variances))
    variances = (round_, process, turn, _shared(by_trial.values()))
    return Components(*(math.sqrt(max(0.0, variance)) for variance in variances))


def _half(rounds: stats.Rounds, start: int) -> stats.Rounds:
    """Return every other round."""
    return {arm: values[start::2] for arm, values in rounds.items()}


def _round_variance(rounds: stats.Rounds, contrast: stats.Contrast) -> float:
    count = len(next(iter(rounds.values())))
    each = [{arm: values[i : i + 1] for arm, values in rounds.items()} for i in range(count)]
    return float(np.var(stats.log_ratios(each, contrast), ddof=1))


def _shared(groups: Iterable[Sequence[float]]) -> float:
    """Return the mean product of two deviations of the same group."""
    products = [a * b for group in groups for a, b in itertools.combinations(group, 2)]
    return float(np.mean(products)) if products else 0.0
