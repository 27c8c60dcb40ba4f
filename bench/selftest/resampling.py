"""Error rates of the gate from comparisons that are drawn from recorded replicates.

Pure functions of the trials' replicates.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench import stats
from bench.schema.records import Replicate, undisturbed
from bench.selftest import trials
from bench.selftest.trials import MeasuredTrial
from bench.stats import Floats
from bench.stats import sequential as gates
from bench.stats.multiplicity import level
from bench.stats.sequential import Gate, Ints
from bench.stats.stages import CaseStages, stages_between

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


def resampled(
    measured: Sequence[MeasuredTrial], gate: Gate, count: int = COMPARISONS
) -> Resampled | None:
    """Return rates of comparisons drawn, with replacement, from all undisturbed replicates.

    The two sides of identical code are interchangeable, so every drawn log ratio gets a sign by
    chance: what the few recorded ones have in common by luck is not taken for a difference. The
    stages of a replicate go with its whole call.

    Returns:
        `None` with too few replicates.
    """
    pools = _pools(measured)
    fewest = min((pool.whole.size for pool in pools.values()), default=0)
    if fewest < MIN_REPLICATES:
        return None
    generator = np.random.default_rng(0)
    draws = [_Draws(pool, gate, count, generator) for pool in pools.values()]
    return Resampled(fewest, _false_alarm_rate(draws, gate))


@dataclass(frozen=True, eq=False)
class _Pool:
    """All log ratios of identical code of a case."""

    whole: Floats
    """(replicates,), of whole calls."""
    stages: CaseStages
    """Of the same replicates; none where some calls were not split."""


def _pools(measured: Sequence[MeasuredTrial]) -> dict[str, _Pool]:
    """Return all log ratios of identical code, by case."""
    replicates: dict[str, list[Replicate]] = defaultdict(list)
    for each in measured:
        for case_id in each.cases:
            replicates[case_id] += undisturbed(each.replicates.get(case_id, ()))
    return {case_id: _pool(of_case) for case_id, of_case in replicates.items()}


def _pool(replicates: Sequence[Replicate]) -> _Pool:
    whole = [stats.log_ratio(replicate.rounds_s, trials.IDENTICAL) for replicate in replicates]
    return _Pool(np.asarray(whole), stages_between(replicates, trials.IDENTICAL))


class _Draws:
    """Comparisons of one case drawn from its recorded replicates."""

    def __init__(self, pool: _Pool, gate: Gate, count: int, generator: np.random.Generator) -> None:
        def draw(replicates: int) -> tuple[Ints, Floats]:
            chosen = generator.choice(pool.whole.size, (count, replicates))
            return chosen, generator.choice((-1.0, 1.0), chosen.shape)

        self._gate = gate
        self._pool = pool
        self._screened, self._fresh = draw(gate.screen_looks[-1]), draw(gate.confirm_looks[-1])
        self.screened, self.fresh = (
            pool.whole[chosen] * signs for chosen, signs in (self._screened, self._fresh)
        )
        self._stages = self._stage_directions()

    def _stage_directions(self) -> Ints:
        """Return (stages, comparisons) in which direction each stage is flagged, 0: it is not."""
        chosen, signs = self._screened
        count = len(self.stage_names)
        return np.array(
            [
                gates.screen(s[chosen] * signs, self._gate, count).direction
                for s in self._pool.stages.log_ratios
            ],
            np.int64,
        ).reshape(count, len(chosen))

    @property
    def flagged_stages(self) -> Ints:
        """How many stages of the case are flagged in every comparison."""
        return np.asarray(np.count_nonzero(self._stages, axis=0))

    def stages_p_value(self, flagged: Ints) -> Floats:
        """Return the smallest of the flagged stages in every comparison; infinity: there are none.

        Args:
            flagged: how much of every comparison is.
        """
        stage, comparison = np.nonzero(self._stages)
        chosen, signs = self._fresh
        rows = self._pool.stages.log_ratios[stage[:, None], chosen[comparison]] * signs[comparison]
        directions, tests = self._stages[stage, comparison], self.flagged_stages[comparison]
        smallest = np.full(len(chosen), np.inf)
        if stage.size:
            p_value = gates.confirm(
                rows, directions, flagged[comparison], self._gate, tests
            ).p_value
            np.minimum.at(smallest, comparison, p_value)
        return smallest

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Of the stages, in the order of a call."""
        return self._pool.stages.names

    def of_stage(self, name: str) -> Floats:
        """Return (comparisons, replicates) log ratios of a stage: the screen's, then fresh ones."""
        values = self._pool.stages.log_ratios[self.stage_names.index(name)]
        return np.hstack(
            [values[chosen] * signs for chosen, signs in (self._screened, self._fresh)]
        )

    def direction(self) -> Ints:
        """Return in which direction the case is flagged in every comparison, 0: it is not."""
        return gates.screen(self.screened, self._gate).direction

    def p_value(self, direction: Ints, flagged: Ints) -> Floats:
        """Return what the fresh replicates say; infinity where the case was not flagged."""
        return gates.confirm(self.fresh, direction, flagged, self._gate).p_value


def _false_alarm_rate(draws: Sequence[_Draws], gate: Gate) -> float:
    directions = [drawn.direction() for drawn in draws]
    together = np.stack([np.hstack([drawn.screened, drawn.fresh]) for drawn in draws])
    overall = gates.screen_overall(together, gate)
    of_stages = [drawn.flagged_stages for drawn in draws]
    of_all = _StagesOfAll(draws, gate)
    flagged = np.count_nonzero(
        [*directions, *of_stages, overall.direction, of_all.flagged_stages], axis=0
    )
    p_values = [
        drawn.p_value(direction, flagged)
        for drawn, direction in zip(draws, directions, strict=True)
    ]
    p_values += [drawn.stages_p_value(flagged) for drawn in draws]
    p_values.append(gates.confirm_overall(together, overall, flagged, gate).p_value)
    p_values.append(of_all.p_value(flagged))
    return float(np.mean(np.min(p_values, axis=0) < level(gate.alarm_p, flagged)))


class _StagesOfAll:
    """The stages that all cases have, of all of them together, in comparisons that were drawn."""

    def __init__(self, draws: Sequence[_Draws], gate: Gate) -> None:
        self._draws, self._gate = draws, gate
        first, *others = draws
        self._names = [
            n for n in first.stage_names if others and all(n in d.stage_names for d in others)
        ]
        self._first = [
            gates.screen_overall(self._rows(name), gate, len(self._names)) for name in self._names
        ]

    def _rows(self, name: str) -> Floats:
        return np.stack([drawn.of_stage(name) for drawn in self._draws])

    @property
    def flagged_stages(self) -> Ints:
        """How many are flagged in every comparison."""
        none = np.zeros(len(self._draws[0].screened), np.int64)
        return np.asarray(sum((first.direction != 0 for first in self._first), none))

    def p_value(self, flagged: Ints) -> Floats:
        """Return the smallest in every comparison; infinity: none is flagged."""
        tests = np.maximum(1, self.flagged_stages)
        p_values = [
            gates.confirm_overall(self._rows(name), first, flagged, self._gate, tests).p_value
            for name, first in zip(self._names, self._first, strict=True)
        ]
        return np.asarray(np.min([np.full(len(tests), np.inf), *p_values], axis=0))
