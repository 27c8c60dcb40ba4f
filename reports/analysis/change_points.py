"""When in a history did something change, and by how much?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from scipy import stats as distributions

from bench.schema.records import Status
from bench.stats import Floats, beyond_p

SERIES = ["fingerprint", "case_id", "metric", "arm"]

MIN_RUNS = 8
"""In a series: with fewer there is no before and after."""
MIN_SEGMENT = 3
"""Runs on each side of a change."""
PENALTY = 4.0
"""Times log(n), in units of the variance of a run: with 2 (the usual BIC) one quiet series of 60
runs in ten has a change, with 4 one in several hundred (simulated, see the tests)."""
CONFIDENCE = 0.999
"""That both sides of a change differ (Welch)."""
CONSTANT = 1e-9
"""Standard deviation of a logarithm below which values do not vary but are rounded."""
MIN_CHANGE = 0.01
"""Relative: smaller ones are true and of no interest."""


@dataclass(frozen=True)
class ChangePoint:
    """Between two runs something changed."""

    fingerprint: str
    case_id: str
    metric: str
    arm: str
    position: int
    """Of the first run after it, in the series without contended ones."""
    run_id: str
    commit: str
    message: str
    date: pd.Timestamp
    change: float
    """Relative: 0.03 is 3 % more from here on."""
    confidence: float


def judged(table: pd.DataFrame) -> tuple[int, int]:
    """Return how many series have enough quiet runs to be judged, and how many there are."""
    quiet, every = (
        rows.groupby(SERIES, sort=False, dropna=False).size() for rows in (_quiet(table), table)
    )
    return int((quiet >= MIN_RUNS).sum()), len(every)


def find(table: pd.DataFrame) -> list[ChangePoint]:
    """Return where the values of a series changed for good, the largest first.

    Every series (a machine, a case, a metric, an arm) is cut into pieces of equal mean (PELT,
    Killick 2012, of the logarithms), and a cut counts if its two sides differ surely and by enough.
    What was measured beside other programs (`contended`) may be off, and is passed by.
    """
    found = []
    ordered = _quiet(table).sort_values("date", kind="stable")
    for series, rows in ordered.groupby(SERIES, sort=False, dropna=False):
        values = rows["value"].to_numpy(float)
        if len(values) < MIN_RUNS or not (np.isfinite(values) & (values > 0)).all():
            continue
        for position, change, confidence in _changes(np.log(values)):
            row = rows.iloc[position]
            found.append(
                ChangePoint(
                    **dict(zip(SERIES, map(str, series), strict=True)),
                    position=position,
                    run_id=str(row["run_id"]),
                    commit=str(row["commit"]),
                    message=str(row["message"]),
                    date=row["date"],
                    change=change,
                    confidence=confidence,
                )
            )
    return sorted(found, key=lambda point: -abs(point.change))


def frame_of(changes: Sequence[ChangePoint]) -> pd.DataFrame:
    """Return the changes as a frame, a row each."""
    names = [column.name for column in fields(ChangePoint)]
    return pd.DataFrame([asdict(change) for change in changes], columns=names)


def _quiet(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] != Status.CONTENDED]


def _changes(logs: Floats) -> Iterator[tuple[int, float, float]]:
    import ruptures

    scaled = (logs / _spread(logs)).reshape(-1, 1)
    search = ruptures.KernelCPD(kernel="linear", min_size=MIN_SEGMENT).fit(scaled)
    cuts = [0, *search.predict(pen=PENALTY * np.log(len(logs)))]
    for start, cut, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
        before, after = logs[start:cut], logs[cut:end]
        change = float(np.expm1(after.mean() - before.mean()))
        p_value = _p_value(before, after)
        if 1 - p_value >= CONFIDENCE and abs(change) >= MIN_CHANGE:
            yield int(cut), change, 1 - p_value


def _p_value(before: Floats, after: Floats) -> float:
    """Return Welch's p-value of the difference; 0 where both sides are constant."""
    if max(before.std(), after.std()) < CONSTANT:
        return 0.0
    return beyond_p(before.tolist(), after.tolist(), threshold=0.0)


def _spread(logs: Floats) -> float:
    """Return the standard deviation of a run, from neighbours: few of them straddle a change.

    Of counts and peaks of memory most neighbours are equal, so that their median says nothing:
    then all but the largest tenth of the differences do.
    """
    steps = np.sort(np.abs(np.diff(logs)))
    robust = distributions.median_abs_deviation(np.diff(logs), scale="normal")
    trimmed = np.sqrt(np.mean(steps[: math.ceil(0.9 * len(steps))] ** 2))
    return float(max(robust or trimmed, CONSTANT) / np.sqrt(2))
