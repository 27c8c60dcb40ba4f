"""Where a comparison stands: each case, and all of them together, on the way through the gate.

The rules are `bench.stats.sequential`'s, on arrays with one row here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from bench.stats.multiplicity import level
from bench.stats.sequential import (
    Gate,
    Ints,
    StepResult,
    confirm,
    confirm_overall,
    screen,
    screen_overall,
)

OVERALL = "overall"
"""The name of all cases together, among those of the cases."""


@dataclass(frozen=True)
class State:
    """How far the gate is with a case, or with all of them together."""

    screened: int
    """Replicates that the screen has looked at."""
    confirmed: int
    """Fresh replicates that were looked at."""
    direction: int
    """Towards which it was flagged: 1 slower, -1 faster; 0 if it was not."""
    p_value: float | None
    """Of the fresh replicates, corrected for the looks; `None` before the first."""
    lacking: int
    """Replicates until the next look."""


class Screening(State):
    """It is not clear yet whether there is anything to confirm."""


class Confirming(State):
    """It was flagged; only fresh replicates can say more."""


class Decided(State):
    """Nothing more is looked at."""


@dataclass(frozen=True)
class SequentialTest:
    """The gate's two steps, of a case or of all of them together."""

    screen: StepResult
    confirm: Callable[[int], StepResult]
    """How many of the comparison are flagged -> what the fresh replicates say."""

    @classmethod
    def of_case(cls, log_ratios: Sequence[float], gate: Gate) -> Self:
        """Test one case, from its replicates in the order of measuring."""
        row = np.asarray([log_ratios], float)
        first = screen(row, gate)
        fresh = row[:, _only(first.used) :]
        return cls(first, lambda flagged: confirm(fresh, first.direction, flagged, gate))

    @classmethod
    def of_all(cls, log_ratios: Sequence[Sequence[float]], gate: Gate) -> Self:
        """Test all cases together, as far as the one with the fewest replicates."""
        shortest = min(map(len, log_ratios))
        rows = np.asarray([[values[:shortest]] for values in log_ratios], float)
        first = screen_overall(rows, gate)
        return cls(first, lambda flagged: confirm_overall(rows, first, flagged, gate))

    @property
    def flagged(self) -> bool:
        """Whether there is something to confirm."""
        return _only(self.screen.direction) != 0

    def state(self, flagged: int) -> Screening | Confirming | Decided:
        """Return how far it is, where so many of the comparison are flagged."""
        first, fresh = self.screen, self.confirm(flagged)
        unscreened, unconfirmed = _only(first.lacking), _only(fresh.lacking)
        kind = Screening if unscreened else Confirming if unconfirmed else Decided
        confirmed = _only(fresh.used)
        return kind(
            screened=_only(first.used),
            confirmed=confirmed,
            direction=_only(first.direction),
            p_value=float(fresh.p_value.item()) if confirmed else None,
            lacking=unscreened or unconfirmed,
        )


@dataclass(frozen=True)
class Standing:
    """A comparison as far as the gate has followed it."""

    cases: dict[str, State]
    overall: State | None
    """Of `members` together; `None` of fewer than two."""
    members: list[str]
    """The cases that were measured as far as any."""
    gate: Gate

    @property
    def flagged(self) -> dict[str, State]:
        """What has something to confirm."""
        return {name: state for name, state in self._by_name.items() if state.direction}

    @property
    def _by_name(self) -> dict[str, State]:
        return self.cases if self.overall is None else {**self.cases, OVERALL: self.overall}

    def left_to_overall(self, case_id: str) -> bool:
        """Whether a case needs no verdict of its own: all together have one, and it agrees."""
        state = self.cases[case_id]
        sure = self._sure_direction
        return bool(state.lacking) and sure is not None and state.direction in (0, sure)

    @property
    def _sure_direction(self) -> int | None:
        """The direction in which all together have surely changed, whatever the cases still say."""
        if self.overall is None or self.overall.p_value is None:
            return None
        surely = self.overall.p_value < level(self.gate.alarm_p, len(self.flagged))
        return self.overall.direction if surely else None


def follow(log_ratios: Mapping[str, Sequence[float]], gate: Gate) -> Standing:
    """Return where a comparison stands.

    Args:
        log_ratios: of each case, head over base, one per undisturbed replicate, in the order of
            measuring.
        gate: how much evidence is enough.
    """
    tests = {i: SequentialTest.of_case(values, gate) for i, values in log_ratios.items()}
    members = _furthest(log_ratios, gate)
    overall = None
    if len(members) > 1:
        overall = SequentialTest.of_all([log_ratios[i] for i in members], gate)
    every = [*tests.values(), *([] if overall is None else [overall])]
    flagged = sum(test.flagged for test in every)
    states: dict[str, State] = {i: test.state(flagged) for i, test in tests.items()}
    return Standing(states, None if overall is None else overall.state(flagged), members, gate)


def _furthest(log_ratios: Mapping[str, Sequence[float]], gate: Gate) -> list[str]:
    """Return the cases with enough replicates for any look at all that one of them is at.

    What cannot be measured (the machine stays busy) is no part of it.
    """
    looks = (0, *(look for look, _ in gate.overall_screens))
    at = max((look for look in looks for v in log_ratios.values() if look <= len(v)), default=0)
    return [case_id for case_id, values in log_ratios.items() if len(values) >= at]


def _only(row: Ints) -> int:
    """Return the entry of the only row, a whole number."""
    return int(row.item())
