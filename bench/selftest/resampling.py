"""Error rates of the gate from comparisons that are drawn from recorded replicates.

Pure functions of the trials' replicates.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench import stats
from bench.schema.records import undisturbed
from bench.selftest import trials
from bench.selftest.trials import MeasuredTrial
from bench.stats import Floats
from bench.stats import sequential as gates
from bench.stats.multiplicity import level
from bench.stats.sequential import Gate, Ints

COMPARISONS = 20_000
"""Drawn: a rate of 0.2 % is known to 0.03 %."""

MIN_REPLICATES = 20
"""With fewer recorded replicates a case has too few different draws to speak of."""


@dataclass(frozen=True)
class Resampled:
    """What the gate said of the comparisons that were drawn."""

    replicates_per_case: int
    """Of the case that has fewest."""
    false_alarm_rate: float
    detection_rate: dict[float, dict[str, float]]
    """Size of the slow-down -> case that alone has it -> how often it was found."""


def resampled(
    measured: Sequence[MeasuredTrial], gate: Gate, count: int = COMPARISONS
) -> Resampled | None:
    """Return rates of comparisons drawn, with replacement, from all undisturbed replicates.

    The two sides of identical code are interchangeable, so every drawn log ratio gets a sign by
    chance: what the few recorded ones have in common by luck is not taken for a difference.

    Returns:
        `None` with too few replicates.
    """
    pools = _pools(measured)
    fewest = min((pool.size for pool in pools.values()), default=0)
    if fewest < MIN_REPLICATES:
        return None
    generator = np.random.default_rng(0)
    draws = {case_id: _Draws(pool, gate, count, generator) for case_id, pool in pools.items()}
    sizes = sorted({s.slowing.requested for m in measured for s in m.trial.slowed.values()})
    return Resampled(
        fewest,
        _false_alarm_rate(list(draws.values()), gate),
        {
            size: {case_id: drawn.detection_rate(size) for case_id, drawn in draws.items()}
            for size in sizes
        },
    )


def _pools(measured: Sequence[MeasuredTrial]) -> dict[str, Floats]:
    """Return all log ratios of identical code, by case."""
    pools: dict[str, list[float]] = defaultdict(list)
    for each in measured:
        for case_id in each.cases:
            pools[case_id] += [
                stats.log_ratio(replicate.rounds_s, trials.IDENTICAL)
                for replicate in undisturbed(each.replicates.get(case_id, ()))
            ]
    return {case_id: np.asarray(values) for case_id, values in pools.items()}


class _Draws:
    """Comparisons of one case drawn from its recorded replicates."""

    def __init__(
        self, pool: Floats, gate: Gate, count: int, generator: np.random.Generator
    ) -> None:
        def draw(replicates: int) -> Floats:
            chosen = generator.choice(pool, (count, replicates))
            return np.asarray(chosen * generator.choice((-1.0, 1.0), chosen.shape))

        self._gate = gate
        self.screened, self.fresh = draw(gate.screen_looks[-1]), draw(gate.confirm_looks[-1])

    def direction(self, change: float = 0.0) -> Ints:
        """Return in which direction the case is flagged in every comparison, 0: it is not."""
        return gates.screen(self.screened + change, self._gate).direction

    def p_value(self, direction: Ints, flagged: Ints | int, change: float = 0.0) -> Floats:
        """Return what the fresh replicates say; infinity where the case was not flagged."""
        return gates.confirm(self.fresh + change, direction, flagged, self._gate).p_value

    def detection_rate(self, size: float) -> float:
        """Return how often a change of ``size`` in this case alone raises an alarm."""
        change = math.log1p(size)
        direction = self.direction(change)
        p_value = self.p_value(direction, 1, change)
        return float(np.mean((direction > 0) & (p_value < self._gate.alarm_p)))


def _false_alarm_rate(draws: Sequence[_Draws], gate: Gate) -> float:
    directions = [drawn.direction() for drawn in draws]
    together = np.stack([np.hstack([drawn.screened, drawn.fresh]) for drawn in draws])
    overall = gates.screen_overall(together, gate)
    flagged = np.count_nonzero([*directions, overall.direction], axis=0)
    p_values = [
        drawn.p_value(direction, flagged)
        for drawn, direction in zip(draws, directions, strict=True)
    ]
    p_values.append(gates.confirm_overall(together, overall, flagged, gate).p_value)
    return float(np.mean(np.min(p_values, axis=0) < level(gate.alarm_p, flagged)))
