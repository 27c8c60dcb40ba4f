"""A run of `pytest bench` or of `panet-bench cost` as numbers of its cases, whichever it is."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.case import case_name, told_apart
from reports.data import frames, own_runs, own_series, result_files
from reports.data.errors import damaged
from reports.data.result_files import OnePath, ResultFile
from reports.data.rows import rows_of
from reports.data.series import CaseSeries, RunSeries, Series, by_key, latencies

COMMAND = "pytest bench"

TURNS = frozenset({"fpn", "panet", "fpn_again"})
"""Arms without which a case says nothing of the cost."""


def read(path: OnePath) -> RunSeries:
    """Return a run, which is named by its folder or its file.

    Raises:
        ReportError: it cannot be read.
    """
    if own_runs.is_own(path):
        return own_series.of_run(own_runs.read(path))
    return of_file(result_files.read(path))


def of_file(file: ResultFile, frame: pd.DataFrame | None = None) -> RunSeries:
    """Return what a result file of `pytest bench` says.

    Args:
        file: of one run.
        frame: its rows of `reports.data.frames.load`, if they are known.

    Raises:
        ReportError: it is damaged.
    """
    by_case: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows_of(frames.frame_of([file]) if frame is None else frame):
        by_case.setdefault(row["case_id"], []).append(row)
    with damaged(file.path, "measure again"):
        cases = {case_id: _case(rows) for case_id, rows in by_case.items()}
        return RunSeries(file, COMMAND, cases)


def names(runs: Iterable[RunSeries]) -> dict[str, str]:
    """Return case id -> what the case is called, which no other case of the runs is."""
    return told_apart({i: case.name for run in runs for i, case in run.cases.items()})


def _case(rows: list[Mapping[Any, Any]]) -> CaseSeries:
    by_arm = {row["arm"]: row for row in rows if isinstance(row["arm"], str)}
    return CaseSeries(
        case_name(rows[0]),
        rows[0]["status"],
        rows[0]["reason"],
        by_key(_series(by_arm) if by_arm else ()),
        by_arm,
        frames.runtime_version(by_arm.values()),
    )


def _series(by_arm: Mapping[str, Mapping[Any, Any]]) -> Iterator[Series]:
    yield from latencies(by_arm)
    calls = frames.aligned(by_arm) if set(by_arm) >= TURNS else []
    logs = frames.whole_log_ratios(calls)
    yield Series("cost", "", logs, stats.stein_ratio(logs) if logs else None)
    if calls and stats.is_split(calls):
        logs = stats.inside_log_ratios(calls)
        yield Series("inside", "", logs, stats.stein_ratio(logs))
