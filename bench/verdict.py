"""Has one side become slower than the other? The verdicts of a comparison, case by case.

Pure functions: numpy and scipy, no torch. How much evidence a verdict needs is `bench.gate`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench import stats
from bench.gate import (
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
    """Not measured to the end, because the suite had moved to the same side, surely."""


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
    def p_value(self) -> float | None:
        return float(self.confirmed.p_value[0]) if self.confirmed.used[0] else None


def missing(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> dict[str, int]:
    """Return how many replicates every case lacks until its next look; 0 where all is said.

    Args:
        log_ratios: of each case, candidate over baseline, one per calm replicate, in the order of
            measuring.
        gate: how much evidence is enough.
    """
    cases, suite = _follow(log_ratios, gate)
    unscreened = {i: int(f.screened.more[0]) for i, f in cases.items()}
    if any(unscreened.values()):
        return unscreened
    if suite is not None and suite.more:
        shortest = min(_fresh(log_ratios[i], f) for i, f in cases.items())
        return {
            i: max(0, shortest + suite.more - _fresh(log_ratios[i], f)) for i, f in cases.items()
        }
    said = _said(suite, len(_flagged(cases, suite)), gate)
    return {i: 0 if f.side == said else f.more for i, f in cases.items()}


def judge(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> Judged:
    """Return the verdict of every case, and of all together.

    Args:
        log_ratios: as in `missing`.
        gate: how much evidence is enough.
    """
    cases, suite = _follow(log_ratios, gate)
    flagged = _flagged(cases, suite)
    corrected = holm({i: f.p_value for i, f in flagged.items() if f.p_value is not None})
    said = _said(suite, len(flagged), gate)
    changes = {
        i: _change(log_ratios[i], followed, corrected.get(i), said, gate)
        for i, followed in cases.items()
    }
    if suite is None:
        return Judged(changes, None)
    return Judged(changes, _suite_change(log_ratios, cases, suite, corrected.get(SUITE), gate))


def _follow(
    log_ratios: Mapping[str, Sequence[float]], gate: Gate
) -> tuple[dict[str, _Followed], _Followed | None]:
    rows = {case_id: np.asarray([values], float) for case_id, values in log_ratios.items()}
    screened = {case_id: screen(row, gate) for case_id, row in rows.items()}
    suite = screen_suite(_together(list(rows.values())), gate) if len(rows) > 1 else None
    flagged = sum(
        bool(found.side[0]) for found in (*screened.values(), *([suite] if suite else []))
    )
    fresh = {case_id: row[:, screened[case_id].used[0] :] for case_id, row in rows.items()}
    cases = {
        case_id: _Followed(found, confirm(fresh[case_id], found.side, flagged, gate))
        for case_id, found in screened.items()
    }
    if suite is None:
        return cases, None
    together = _together(list(fresh.values()))
    return cases, _Followed(suite, confirm_suite(together, suite.side, flagged, gate))


def _together(rows: Sequence[Floats]) -> Floats:
    """Return (cases, 1, replicates), as many as every case has."""
    shortest = min(row.shape[1] for row in rows)
    return np.stack([row[:, :shortest] for row in rows])


def _fresh(values: Sequence[float], followed: _Followed) -> int:
    return len(values) - int(followed.screened.used[0])


def _flagged(cases: Mapping[str, _Followed], suite: _Followed | None) -> dict[str, _Followed]:
    every = {**cases, **({SUITE: suite} if suite is not None else {})}
    return {name: followed for name, followed in every.items() if followed.side}


def _said(suite: _Followed | None, flagged: int, gate: Gate) -> int | None:
    """Return the side to which the suite has surely moved, whatever the cases still show."""
    if suite is None or suite.p_value is None or suite.p_value * flagged >= gate.alarm_p:
        return None
    return suite.side


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
    values: Sequence[float],
    followed: _Followed,
    p_value: float | None,
    said: int | None,
    gate: Gate,
) -> Change:
    screened, fresh = int(followed.screened.used[0]), int(followed.confirmed.used[0])
    seen = values[:screened] or values
    used = values[screened : screened + fresh] or seen
    return Change(
        _verdict(followed, p_value, gate),
        stats.ratio_interval(used, first_stage=len(used)) if used else None,
        bool(followed.side),
        p_value,
        detectable_ratio(seen, gate),
        screened + fresh,
        settled=bool(followed.more) and followed.side == said,
    )


def _suite_change(
    log_ratios: Mapping[str, Sequence[float]],
    cases: Mapping[str, _Followed],
    suite: _Followed,
    p_value: float | None,
    gate: Gate,
) -> Change:
    fresh = int(suite.confirmed.used[0])
    starts = {i: int(followed.screened.used[0]) if fresh else 0 for i, followed in cases.items()}
    used = [
        values[starts[i] : starts[i] + fresh if fresh else None] for i, values in log_ratios.items()
    ]
    return Change(
        _verdict(suite, p_value, gate),
        stats.mean_ratio(used),
        bool(suite.side),
        p_value,
        None,
        int(suite.screened.used[0]) + fresh,
    )


def _verdict(followed: _Followed, p_value: float | None, gate: Gate) -> Verdict:
    if p_value is not None and p_value < gate.alarm_p:
        return Verdict.REGRESSED if followed.side == 1 else Verdict.IMPROVED
    return Verdict.UNDECIDED if followed.more else Verdict.WITHIN_NOISE
