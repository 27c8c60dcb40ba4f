"""A row of a comparison on the way through the gate: a whole call, a stage, or all cases together.

The rules are `bench.stats.sequential`'s, on arrays with one row here.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bench.stats.intervals import Floats
from bench.stats.sequential import (
    Gate,
    Ints,
    StepResult,
    confirm,
    confirm_overall,
    screen,
    screen_overall,
)
from bench.stats.stages import CaseStages, StagesOfAll


@dataclass(frozen=True)
class State:
    """How far the gate is with a row."""

    screened: int
    """Replicates that the screen has looked at."""
    confirmed: int
    """Fresh replicates that were looked at."""
    direction: int
    """Towards which it was flagged: 1 slower, -1 faster; 0 if it was not."""
    p_value: float | None
    """Of the fresh replicates, corrected for the looks and among `tests`; `None` before the first
    look."""
    lacking: int
    """Replicates until the next look."""
    of_call: float
    """Its change as a share of a call, in the replicates that are `used`; 0 without any."""
    tests: int
    """Flagged stages of the same case, of a flagged stage; otherwise 1."""

    @property
    def used(self) -> slice:
        """The replicates that its estimate is from."""
        return used(self.screened, self.confirmed)


class Screening(State):
    """It is not clear yet whether there is anything to confirm."""


class Confirming(State):
    """It was flagged; only fresh replicates can say more."""


class Decided(State):
    """Nothing more is looked at."""


@dataclass(frozen=True)
class SequentialTest:
    """The gate's two steps, of a row."""

    screen: StepResult
    confirm: Callable[[int], StepResult]
    """How many of the comparison are flagged -> what the fresh replicates say."""
    of_call: Callable[[slice], float]
    """Some of the replicates -> the change in them, as a share of a call."""
    tests: int = 1

    @classmethod
    def of_case(cls, log_ratios: Sequence[float], gate: Gate) -> Self:
        """Test the whole calls of a case, from its replicates in the order of measuring."""
        row = np.asarray([log_ratios], float)
        return cls._of_row(row, screen(row, gate), gate, functools.partial(_from_logs, row))

    @classmethod
    def of_stages(cls, stages: CaseStages, gate: Gate) -> dict[str, Self]:
        """Test the stages of a case."""
        if not stages.names:
            return {}
        first = screen(stages.log_ratios, gate, len(stages.names))
        flagged = max(1, int(np.count_nonzero(first.direction)))
        return {
            name: cls._of_row(
                stages.log_ratios[at : at + 1],
                first.row(at),
                gate,
                functools.partial(_mean, stages.of_call[at]),
                flagged,
            )
            for at, name in enumerate(stages.names)
        }

    @classmethod
    def of_all(cls, log_ratios: Sequence[Sequence[float]], gate: Gate) -> Self:
        """Test all cases together, as far as the one with the fewest replicates."""
        shortest = min(map(len, log_ratios))
        rows = np.asarray([[values[:shortest]] for values in log_ratios], float)
        first = screen_overall(rows, gate)
        return cls(
            first,
            lambda flagged: confirm_overall(rows, first, flagged, gate),
            functools.partial(_from_logs, rows),
        )

    @classmethod
    def of_all_stages(cls, stages: StagesOfAll, gate: Gate) -> dict[str, Self]:
        """Test the stages of all cases together."""
        if not stages.names:
            return {}
        first = screen_overall(stages.log_ratios, gate, len(stages.names))
        flagged = max(1, int(np.count_nonzero(first.direction)))
        return {
            name: cls._of_stage_of_all(stages, at, first.row(at), gate, flagged)
            for at, name in enumerate(stages.names)
        }

    @classmethod
    def _of_stage_of_all(
        cls, stages: StagesOfAll, at: int, first: StepResult, gate: Gate, tests: int
    ) -> Self:
        rows = stages.log_ratios[:, at : at + 1]
        return cls(
            first,
            lambda flagged: confirm_overall(rows, first, flagged, gate, tests),
            functools.partial(_mean, stages.of_call[:, at].mean(axis=0)),
            tests if _only(first.direction) else 1,
        )

    @classmethod
    def _of_row(
        cls,
        row: Floats,
        first: StepResult,
        gate: Gate,
        of_call: Callable[[slice], float],
        tests: int = 1,
    ) -> Self:
        fresh = row[:, _only(first.used) :]

        def confirmed(flagged: int) -> StepResult:
            return confirm(fresh, first.direction, flagged, gate, tests)

        return cls(first, confirmed, of_call, tests if _only(first.direction) else 1)

    @property
    def flagged(self) -> bool:
        """Whether there is something to confirm."""
        return _only(self.screen.direction) != 0

    def state(self, flagged: int) -> Screening | Confirming | Decided:
        """Return how far it is, where so much of the comparison is flagged."""
        first, fresh = self.screen, self.confirm(flagged)
        unscreened, unconfirmed = _only(first.lacking), _only(fresh.lacking)
        kind = Screening if unscreened else Confirming if unconfirmed else Decided
        screened, confirmed = _only(first.used), _only(fresh.used)
        return kind(
            screened=screened,
            confirmed=confirmed,
            direction=_only(first.direction),
            p_value=float(fresh.p_value.item()) if confirmed else None,
            lacking=unscreened or unconfirmed,
            of_call=self.of_call(used(screened, confirmed)),
            tests=self.tests,
        )


def used(screened: int, confirmed: int) -> slice:
    """Return which replicates an estimate is from: where there are any, fresh ones alone.

    Those that raised the flag exaggerate.
    """
    return slice(screened, screened + confirmed) if confirmed else slice(screened or None)


def _from_logs(rows: Floats, used: slice) -> float:
    """Return the change in some replicates of (..., replicates) log ratios."""
    chosen = rows[..., used]
    return float(np.expm1(chosen.mean())) if chosen.size else 0.0


def _mean(row: Floats, used: slice) -> float:
    return float(row[used].mean()) if row[used].size else 0.0


def _only(row: Ints) -> int:
    """Return the entry of the only row, a whole number."""
    return int(row.item())
