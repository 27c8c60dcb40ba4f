"""Where a comparison stands: cases, their stages, and all cases, on the way through the gate.

The rules are `bench.stats.sequential`'s, on arrays with few rows here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.stats.multiplicity import holm
from bench.stats.rows import SequentialTest, State
from bench.stats.sequential import Gate
from bench.stats.stages import NO_STAGES, CaseStages, stages_of_all

OVERALL = "overall"
"""The name of all cases together, among those of the cases."""

WHOLE = ""
"""The name of the whole call, among those of the stages of a case."""

Row = tuple[str, str]
"""Case and stage."""

ALL_CASES: Row = (OVERALL, WHOLE)


@dataclass(frozen=True)
class Standing:
    """A comparison as far as the gate has followed it."""

    rows: dict[Row, State]
    members: list[str]
    """The cases that were measured as far as any: they are looked at together."""
    gate: Gate

    @property
    def cases(self) -> dict[str, State]:
        """Of the whole calls."""
        whole = {case_id: state for (case_id, stage), state in self.rows.items() if not stage}
        return {case_id: state for case_id, state in whole.items() if case_id != OVERALL}

    @property
    def overall(self) -> State | None:
        """Of `members` together; `None` of fewer than two."""
        return self.rows.get(ALL_CASES)

    def stages(self, case_id: str) -> dict[str, State]:
        """Return how far the gate is with the stages of a case, or of all together."""
        return {s: state for (name, s), state in self.rows.items() if name == case_id and s}

    @cached_property
    def p_values(self) -> dict[Row, float]:
        """Of the rows with fresh replicates, corrected for everything that was flagged."""
        known = {row: s.p_value for row, s in self.rows.items() if s.p_value is not None}
        return holm(known, {row: 1 / self.rows[row].tests for row in known})

    def is_sure(self, row: Row) -> bool:
        """Whether a row has surely changed."""
        return self.p_values.get(row, math.inf) < self.gate.alarm_p

    def of_call(self, case_id: str) -> float | None:
        """Return what surely changed in a case, of a call (0.02: by 2 %); `None` if nothing did.

        If the whole call has surely changed, that is it. Otherwise it is the sum over its stages.
        """
        whole = (case_id, WHOLE)
        if self.is_sure(whole):
            return self.rows[whole].of_call
        stages = [
            s.of_call for name, s in self.stages(case_id).items() if self.is_sure((case_id, name))
        ]
        return sum(stages) if stages else None

    def alarm(self, case_id: str) -> int:
        """Return the direction of a sure change beyond the tolerance; 0: there is none."""
        of_call = self.of_call(case_id) or 0.0
        return int(math.copysign(abs(of_call) > self.gate.tolerance, of_call))

    def waits(self, row: Row) -> bool:
        """Whether a row needs further replicates.

        Not where what is known says enough: of its case, or of all cases together where the whole
        call of the case does not disagree.
        """
        case_id, stage = row
        state = self.rows[row]
        if not state.lacking or self._said_by_its_case(row) or self._said_by_all(row):
            return False
        if stage and case_id == self.followed:
            return True
        together = self.alarm(OVERALL)
        return not (together and (stage or state.direction in (0, together)))

    def _said_by_all(self, row: Row) -> bool:
        """Whether a stage surely changed in all cases, and costs no more than about the tolerance.

        An answer of its own would take minutes and change nothing.
        """
        case_id, stage = row
        together, own = self.rows.get((OVERALL, stage)), self.rows[row]
        if not stage or case_id == OVERALL or together is None:
            return False
        agrees = own.direction == together.direction and self.is_sure((OVERALL, stage))
        return agrees and abs(own.of_call) <= 2 * self.gate.tolerance

    def _said_by_its_case(self, row: Row) -> bool:
        """Whether the row's case has its verdict, and this row would only repeat it.

        A whole call does that for stages within the tolerance, and stages for a whole call.
        """
        case_id, stage = row
        alarm = self.alarm(case_id)
        if stage:
            return self.is_sure((case_id, WHOLE)) and not alarm
        return bool(alarm) and self.rows[row].direction in (0, alarm)

    def left_to_overall(self, case_id: str) -> bool:
        """Whether a case needs no verdict of its own: all together have one, and it agrees."""
        rows = [(case_id, WHOLE), *((case_id, stage) for stage in self.stages(case_id))]
        lacking = [row for row in rows if self.rows[row].lacking]
        said = self.alarm(OVERALL) or all(map(self._said_by_all, lacking))
        if not said or self.alarm(case_id):
            return False
        return bool(lacking) and not any(map(self.waits, lacking))

    @cached_property
    def followed(self) -> str | None:
        """The case whose flagged stages are measured although all cases together say enough.

        One of them is to have its name in the verdict: where most of a call may be in one.
        """
        direction = self.alarm(OVERALL)
        towards = {
            row: abs(state.of_call)
            for row, state in self.rows.items()
            if row[1] and state.direction and state.direction == direction
        }
        of_cases = [row for row in towards if row[0] != OVERALL]
        if not of_cases or any(map(self.is_sure, towards)):
            return None
        return max(of_cases, key=lambda row: towards[row])[0]


def follow(
    log_ratios: Mapping[str, Sequence[float]],
    gate: Gate,
    stages: Mapping[str, CaseStages] | None = None,
) -> Standing:
    """Return where a comparison stands.

    Args:
        log_ratios: of each case, head over base of whole calls, one per undisturbed replicate, in
            the order of measuring.
        gate: how much evidence is enough.
        stages: of the same replicates, of the cases whose calls are split.
    """
    tests: dict[Row, SequentialTest] = {}
    for case_id, values in log_ratios.items():
        tests[case_id, WHOLE] = SequentialTest.of_case(values, gate)
        split = (stages or {}).get(case_id, NO_STAGES)
        of_stages = SequentialTest.of_stages(split, gate)
        tests |= {(case_id, stage): test for stage, test in of_stages.items()}
    members = _furthest(log_ratios, gate)
    if len(members) > 1:
        tests[ALL_CASES] = SequentialTest.of_all([log_ratios[i] for i in members], gate)
        together = stages_of_all([(stages or {}).get(i, NO_STAGES) for i in members])
        of_stages = SequentialTest.of_all_stages(together, gate)
        tests |= {(OVERALL, stage): test for stage, test in of_stages.items()}
    flagged = len({(case_id, bool(s)) for (case_id, s), test in tests.items() if test.flagged})
    return Standing({row: test.state(flagged) for row, test in tests.items()}, members, gate)


def _furthest(log_ratios: Mapping[str, Sequence[float]], gate: Gate) -> list[str]:
    """Return the cases with enough replicates for any look at all that one of them is at.

    What cannot be measured (the machine stays busy) is no part of it.
    """
    looks = (0, *(look for look, _ in gate.overall_screens))
    at = max((look for look in looks for v in log_ratios.values() if look <= len(v)), default=0)
    return [case_id for case_id, values in log_ratios.items() if len(values) >= at]
