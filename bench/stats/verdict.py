"""Has one side become slower than the other? The verdicts of a comparison, case by case.

Pure functions: numpy and scipy, no torch. How much evidence a verdict needs is
`bench.stats.sequential`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats as distributions

from bench import stats
from bench.stats.sequential import (
    GATE,
    Floats,
    Gate,
    Looked,
    confirm,
    confirm_suite,
    detectable_ratio,
    screen,
    screen_suite,
)


class Verdict(StrEnum):
    """Outcome of a comparison, for a case or for all of them."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    WITHIN_NOISE = "within_noise"
    UNDECIDED = "undecided"
    INCOMPARABLE = "incomparable"
    MISSING = "missing"


FINE, REGRESSED, NOTHING_SAID = 0, 1, 3

EXIT_CODES = {
    Verdict.REGRESSED: REGRESSED,
    Verdict.IMPROVED: FINE,
    Verdict.WITHIN_NOISE: FINE,
    Verdict.UNDECIDED: NOTHING_SAID,
    Verdict.INCOMPARABLE: NOTHING_SAID,
    Verdict.MISSING: REGRESSED,
}
"""For a shell, of every command that ends in a verdict; 2 is wrong use."""


@dataclass(frozen=True)
class Change:
    """What a comparison found out about a case."""

    verdict: Verdict
    ratio: stats.Estimate | None
    """Candidate over baseline; `None` if nothing calm was measured. Of a flagged case from the
    fresh replicates, because those that raised the flag exaggerate."""
    flagged: bool
    p_value: float | None
    """Of the fresh replicates, corrected; `None` where none were looked at."""
    detectable_ratio: float | None
    """The smallest change that the gate would have found 19 times of 20."""
    replicates: int
    """That the verdict rests on, those of the screen included."""
    settled: bool = False
    """Not measured to the end, because the suite had moved, surely, and the case not the other
    way."""


SUITE = "suite"
"""Its name among the cases."""


@dataclass(frozen=True)
class Judged:
    """What a comparison found out."""

    cases: dict[str, Change]
    suite: Change | None
    """All cases together, their geometric mean; `None` of a single case."""

    @property
    def changes(self) -> dict[str, Change]:
        """Of the cases and, by its name, of the suite."""
        return self.cases if self.suite is None else {**self.cases, SUITE: self.suite}

    def slowest(self) -> str | None:
        """Return the case that became slowest, of those that were flagged or moved together."""
        together = self.suite is not None and self.suite.flagged
        ratios = {
            i: c.ratio.value for i, c in self.cases.items() if c.ratio and (c.flagged or together)
        }
        return max(ratios, key=lambda i: ratios[i], default=None)

    @property
    def verdict(self) -> Verdict:
        """The one for a gate: an alarm outranks what could not be said.

        Cases that were on the way to what the suite then said are not measured any further.
        """
        found = {change.verdict for change in self.changes.values() if not change.settled}
        ranking = (Verdict.REGRESSED, Verdict.UNDECIDED, Verdict.IMPROVED, Verdict.WITHIN_NOISE)
        return next((verdict for verdict in ranking if verdict in found), Verdict.UNDECIDED)


@dataclass(frozen=True)
class _Followed:
    """A case, or the suite, as far as the gate has followed it."""

    screened: Looked
    confirmed: Looked

    @property
    def side(self) -> int:
        return int(self.screened.side[0])

    @property
    def more(self) -> int:
        return int(self.screened.more[0] or self.confirmed.more[0])

    @property
    def screens(self) -> int:
        """Replicates that the screen looked at."""
        return int(self.screened.used[0])

    @property
    def confirms(self) -> int:
        """Fresh replicates that were looked at."""
        return int(self.confirmed.used[0])

    @property
    def p_value(self) -> float | None:
        return float(self.confirmed.p_value[0]) if self.confirms else None


@dataclass(frozen=True)
class _Course:
    """A comparison as far as the gate has followed it."""

    cases: dict[str, _Followed]
    suite: _Followed | None
    """Of its members together; `None` of fewer than two."""
    members: list[str]
    """The cases that were measured as far as any."""
    gate: Gate

    @property
    def flagged(self) -> dict[str, _Followed]:
        every = self.cases if self.suite is None else {**self.cases, SUITE: self.suite}
        return {name: followed for name, followed in every.items() if followed.side}

    @property
    def said(self) -> int | None:
        """The side to which the suite has surely moved, whatever the cases still show."""
        if self.suite is None or self.suite.p_value is None:
            return None
        surely = self.suite.p_value * len(self.flagged) < self.gate.alarm_p
        return self.suite.side if surely else None

    def settled(self, case: _Followed) -> bool:
        """Whether the case needs no verdict of its own beside the suite's."""
        return bool(case.more) and self.said is not None and case.side in (0, self.said)


def missing(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> dict[str, int]:
    """Return how many replicates every case lacks until its next look; 0 where all is said.

    Args:
        log_ratios: of each case, candidate over baseline, one per calm replicate, in the order of
            measuring.
        gate: how much evidence is enough.
    """
    course = _follow(log_ratios, gate)
    if course.suite is not None and course.suite.more:
        look = min(len(log_ratios[i]) for i in course.members) + course.suite.more
        return {i: max(0, look - len(values)) for i, values in log_ratios.items()}
    open_ones = {i: f for i, f in course.cases.items() if not course.settled(f)}
    unscreened = {i: int(f.screened.more[0]) for i, f in open_ones.items()}
    lacking = unscreened if any(unscreened.values()) else {i: f.more for i, f in open_ones.items()}
    return dict.fromkeys(log_ratios, 0) | lacking


def judge(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> Judged:
    """Return the verdict of every case, and of all together.

    Args:
        log_ratios: as in `missing`.
        gate: how much evidence is enough.
    """
    course = _follow(log_ratios, gate)
    corrected = holm({i: f.p_value for i, f in course.flagged.items() if f.p_value is not None})
    return Judged(
        {i: _change(log_ratios[i], course, i, corrected.get(i)) for i in course.cases},
        _suite_change(log_ratios, course, corrected.get(SUITE)),
    )


def _follow(log_ratios: Mapping[str, Sequence[float]], gate: Gate) -> _Course:
    rows = {case_id: np.asarray([values], float) for case_id, values in log_ratios.items()}
    screened = {case_id: screen(row, gate) for case_id, row in rows.items()}
    furthest = _furthest(log_ratios, gate)
    together = _together([rows[case_id] for case_id in furthest])
    suite = screen_suite(together, gate) if len(furthest) > 1 else None
    every = [*screened.values(), suite] if suite is not None else [*screened.values()]
    flagged = sum(bool(found.side[0]) for found in every)
    fresh = {case_id: row[:, screened[case_id].used[0] :] for case_id, row in rows.items()}
    cases = {
        case_id: _Followed(found, confirm(fresh[case_id], found.side, flagged, gate))
        for case_id, found in screened.items()
    }
    if suite is None:
        return _Course(cases, None, furthest, gate)
    confirmed = confirm_suite(together, suite, flagged, gate)
    return _Course(cases, _Followed(suite, confirmed), furthest, gate)


def _furthest(log_ratios: Mapping[str, Sequence[float]], gate: Gate) -> list[str]:
    """Return the cases with enough replicates for any look at the suite that one of them is at.

    What cannot be measured (the machine does not calm down) is no part of it.
    """
    looks = (0, *(look for look, _ in gate.suite_screens))
    at = max((look for look in looks for v in log_ratios.values() if look <= len(v)), default=0)
    return [case_id for case_id, values in log_ratios.items() if len(values) >= at]


def _together(rows: Sequence[Floats]) -> Floats:
    """Return (cases, 1, replicates), as many as every case has."""
    shortest = min((row.shape[1] for row in rows), default=0)
    return np.asarray([row[:, :shortest] for row in rows])


def moved(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> bool:
    """Return whether a control surely moved: what should be equal in every case is not in one.

    Args:
        log_ratios: of each case, one per calm replicate; all of them are looked at, once.
        gate: how much evidence is enough.
    """
    samples = {i: np.asarray(v, float) for i, v in log_ratios.items()}
    p_values = {
        i: float(distributions.ttest_1samp(sample, 0.0).pvalue)
        for i, sample in samples.items()
        if sample.size >= stats.MIN_FOR_INTERVAL and sample.std() > 0
    }
    return min(holm(p_values).values(), default=1.0) < gate.alarm_p


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm, 1979)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    ranked = sorted(p_values, key=lambda name: p_values[name])
    for rank, name in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p_values[name]))
        corrected[name] = largest
    return corrected


def _change(
    values: Sequence[float], course: _Course, case_id: str, p_value: float | None
) -> Change:
    followed = course.cases[case_id]
    screens = followed.screens
    seen = values[:screens] or values
    used = values[screens : screens + followed.confirms] or seen
    return Change(
        _verdict(followed, p_value, course.gate),
        stats.t_ratio(used) if used else None,
        bool(followed.side),
        p_value,
        detectable_ratio(seen, course.gate),
        screens + followed.confirms,
        settled=course.settled(followed),
    )


def _suite_change(
    log_ratios: Mapping[str, Sequence[float]], course: _Course, p_value: float | None
) -> Change | None:
    suite = course.suite
    if suite is None:
        return None
    fresh = slice(suite.screens, suite.screens + suite.confirms) if suite.confirms else slice(None)
    used = [log_ratios[case_id][fresh] for case_id in course.members]
    return Change(
        _verdict(suite, p_value, course.gate),
        stats.mean_ratio(used),
        bool(suite.side),
        p_value,
        None,
        suite.screens + suite.confirms,
    )


def _verdict(followed: _Followed, p_value: float | None, gate: Gate) -> Verdict:
    if p_value is not None and p_value < gate.alarm_p:
        return Verdict.REGRESSED if followed.side == 1 else Verdict.IMPROVED
    return Verdict.UNDECIDED if followed.more else Verdict.WITHIN_NOISE
