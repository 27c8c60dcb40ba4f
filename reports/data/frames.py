"""Result files -> one row per arm and case, or per round.

Times are in seconds, memory in bytes; a value that is not known is missing, never 0.

>>> frame = load("reports/reference/results.json")
>>> sorted(frame["arm"].unique())
['fpn', 'fpn_again', 'panet']
>>> rounds("reports/reference").columns.tolist()
['run_id', 'case_id', 'arm', 'replicate', 'round', 'time_s']
"""

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from bench import stats
from bench.schema.case import AXES, Case
from bench.schema.records import FACTS, NOT_COUNTED, Status
from bench.schema.stored import RecordError
from reports.data.errors import ReportError, damaged
from reports.data.result_files import Paths, ResultFile, no_garbage, read_all

COLUMNS = {
    "run_id": ("string", "the run"),
    "requested_half_width_ratio": ("Float64", "how narrow the ratio's interval shall be, relative"),
    **{name: (axis.kind, says) for axis in AXES for name, says in axis.columns.items()},
    "case_id": ("string", "all axes in one name"),
    "status": ("string", "ok, too_wide, contended, skipped, oom, timeout, ..."),
    "reason": ("string", "of every status but ok"),
    "arm": ("category", "fpn, panet (FPN + PANet) or fpn_again; missing: nothing was measured"),
    "latency_s": ("Float64", "seconds of a call: median over rounds, mean over processes"),
    "latency_s_low": ("Float64", "lower end of its 95 % interval, seconds"),
    "latency_s_high": ("Float64", "upper end, seconds"),
    "images_per_s": ("Float64", "images per second"),
    "params": ("Int64", "number of parameters"),
    "macs": ("Int64", "multiply-accumulates of the forward pass of one call"),
    "flops": ("Int64", "twice that"),
    "peak_bytes": ("Int64", "bytes of tensor memory at the peak, without weights and inputs"),
    "compile_s": ("Float64", "seconds until the first call was back, with nothing compiled before"),
    "graphs": ("Int64", "number of graphs that the compiler made"),
    "graph_breaks": ("Int64", "number of times that it gave up in between"),
    "operators": ("Int64", "number of operators that one eager call executes"),
    "build_s": ("Float64", "seconds until the file was written that a runtime reads"),
    "load_s": ("Float64", "seconds from that file to what can be called"),
    "first_s": ("Float64", "seconds of the first call of it"),
    "file_bytes": ("Int64", "bytes of that file"),
    "read_back": ("object", "what the runtime says of itself: name -> text"),
    "quantised": ("boolean", "whether it computes in integers, and so something else"),
    "level_differences": (
        "object",
        "level -> largest difference from eager float32, relative to its largest value",
    ),
    "level_sqnr_db": ("object", "level -> its ratio of signal to noise in decibels, or None"),
    "warm_compile_s": ("Float64", "`compile_s` from full caches, or from the file; median"),
    "device_s": ("Float64", "seconds of a call by the device's own events, median"),
    "launch_share": ("Float64", "share of a call in which the host still launches work, median"),
    "images": ("string", "the pictures that the input is made of"),
    "replicates_s": ("object", "the rounds, in seconds: a list per process"),
    "spans_s": ("object", "stage -> its part of the rounds, in seconds: a list per process"),
    "more_spans_s": ("object", "the same of calls behind the rounds"),
}
"""Of `load`: name -> type, and meaning with unit. Missing values are `pandas.NA`."""

ROUND_COLUMNS = {
    "run_id": COLUMNS["run_id"],
    "case_id": COLUMNS["case_id"],
    "arm": ("category", "fpn, panet (FPN + PANet) or fpn_again"),
    "replicate": ("int64", "the process, from 0"),
    "round": ("int64", "within the process, from 0"),
    "time_s": ("float64", "seconds of the call"),
}
"""Of `rounds`: name -> type, and meaning with unit."""

NOT_REPLAYED = "measured, but its tests did not run: go on with --resume"
"""What a run that was stopped between measuring and writing says of a case."""


def load(paths: Paths) -> pd.DataFrame:
    """Return one row per arm and case of some runs, cases without rounds included.

    Args:
        paths: of one run, or a list of several: folders of runs, or their result files.

    Returns:
        A frame with the columns `COLUMNS`.

    Raises:
        ReportError: a file cannot be read.
    """
    return frame_of(read_all(paths))


def frame_of(files: Iterable[ResultFile]) -> pd.DataFrame:
    """Return what `load` returns, of files that were read already.

    Raises:
        ReportError: a file is damaged.
    """
    with no_garbage():
        return of_rows([row for file in files for row in _rows(file)])


def of_rows(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the frame of rows, with what is computed of their rounds; they are changed.

    Raises:
        ReportError: there are none, or they are damaged.
    """
    if not rows:
        raise ReportError("no case in the files; measure some")
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        runs.setdefault(spread_alike(row), []).append(row)
    for run in runs.values():
        latencies = stats.latencies_s([_all_calls(row) for row in run])
        for row, latency in zip(run, latencies, strict=True):
            if latency is not None:
                row.update(latency_columns(latency, row["batch_size"]))
    try:
        return typed(rows, COLUMNS)
    except (TypeError, ValueError) as error:
        raise ReportError(f"a result file is damaged ({error}); leave it out") from error


def spread_alike(row: Mapping[Any, Any]) -> tuple[str, bool]:
    """Return what cases have in common that tell each other how far replicates spread.

    It is their run; and those that are contended spread further than the others.
    """
    return row["run_id"], row["status"] == Status.CONTENDED


def latency_columns(latency: stats.Estimate, batch_size: int) -> dict[str, float | None]:
    """Return the columns that say how long a call takes."""
    return {**columns("latency_s", latency), "images_per_s": batch_size / latency.value}


def _all_calls(row: Mapping[str, Any]) -> list[list[float]]:
    """Return the seconds of every call of an arm: its rounds, and the calls behind them.

    A replicate without any is left out.
    """
    rounds = row["replicates_s"] or []
    more = [_sums(row.get("more_spans_s") or {}, i) for i in range(len(rounds))]
    return [calls for calls in map(list.__add__, rounds, more) if calls]


def _sums(spans_s: Mapping[str, Sequence[Sequence[float]]], replicate: int) -> list[float]:
    return [sum(call) for call in zip(*(of[replicate] for of in spans_s.values()), strict=True)]


def typed(rows: Sequence[Mapping[str, Any]], types: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return rows as a frame with these columns, all of them, in their order."""
    with np.errstate(invalid="ignore"):  # numbers that do not fit are refused, by pandas
        try:
            made = {n: _array([row.get(n) for row in rows], kind) for n, (kind, _) in types.items()}
        except OverflowError as error:
            raise ValueError(str(error)) from error
    return pd.DataFrame(made)


def _array(values: list[Any], kind: str) -> ExtensionArray:
    """Return what `pandas.array` returns; for the texts of a category in a fifth of its time."""
    known = set(values) - {None} if kind == "category" else ()
    if not known or not all(isinstance(each, str) for each in known):
        made: ExtensionArray = pd.array(values, dtype=kind)  # type: ignore[call-overload]  # any
        return made
    categories = _categories(tuple(sorted(known)))
    code_of = {None: -1, **{each: code for code, each in enumerate(categories.categories)}}
    return pd.Categorical.from_codes([code_of[each] for each in values], dtype=categories)


@functools.lru_cache
def _categories(known: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(known, dtype="str"))


def rounds(paths: Paths) -> pd.DataFrame:
    """Return the raw rounds, one row per run, case, arm, replicate and round: `ROUND_COLUMNS`.

    Raises:
        ReportError: a file cannot be read.
    """
    return rounds_of(load(paths))


def rounds_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the raw rounds of a frame of `load`."""
    measured = frame[frame["arm"].notna()]
    keys = ["run_id", "case_id", "arm"]
    long = measured[[*keys, "replicates_s"]].explode("replicates_s").reset_index(drop=True)
    long["replicate"] = long.groupby(keys, sort=False, observed=True).cumcount()
    long = long.explode("replicates_s").rename(columns={"replicates_s": "time_s"})
    long = long.dropna(subset="time_s")  # a replicate whose rounds were all disturbed
    by_process = long.groupby([*keys, "replicate"], sort=False, observed=True)
    long["round"] = by_process.cumcount()
    long = long.astype({"time_s": "float64"}).reset_index(drop=True)
    return long[list(ROUND_COLUMNS)]


def aligned(by_arm: Mapping[Any, Mapping[Any, Any]]) -> list[stats.Calls]:
    """Return the rounds of a case, all its arms, replicate by replicate, and what is known inside.

    Args:
        by_arm: arm -> its row of `load`.

    Raises:
        ReportError: the arms have not the same rounds.
    """
    per_arm = {arm: row["replicates_s"] for arm, row in by_arm.items()}
    if len({tuple(map(len, replicates)) for replicates in per_arm.values()}) > 1:
        raise ReportError(
            "damaged result file: the arms of a case have unequal rounds; leave it out"
        )
    count = len(next(iter(per_arm.values())))
    return [
        stats.Calls(
            {arm: replicates[i] for arm, replicates in per_arm.items()},
            _spans_of(by_arm, "spans_s", i),
            _spans_of(by_arm, "more_spans_s", i),
        )
        for i in range(count)
    ]


def whole_log_ratios(replicates: Sequence[stats.Calls]) -> list[float]:
    """Return the log ratio of whole calls of every replicate that has undisturbed rounds."""
    rounds = (replicate.rounds_s for replicate in replicates)
    return stats.log_ratios([each for each in rounds if all(each.values())])


def _spans_of(
    by_arm: Mapping[Any, Mapping[Any, Any]], column: str, replicate: int
) -> dict[str, dict[str, list[float]]]:
    return {
        arm: {stage: found[replicate] for stage, found in row[column].items()}
        for arm, row in by_arm.items()
        if row.get(column)
    }


def interval_types(
    meanings: Mapping[str, str], kind: str = "float64"
) -> dict[str, tuple[str, str]]:
    """Return types and meanings of what `columns` makes: a value and the ends of its interval."""
    ends = (("", ""), ("_low", ": 95 %, from"), ("_high", ": 95 %, to"))
    return {
        f"{name}{end}": (kind, f"{meaning}{of_the_end}")
        for name, meaning in meanings.items()
        for end, of_the_end in ends
    }


def columns(name: str, estimate: stats.Estimate) -> dict[str, float | None]:
    """Return an estimate as the columns ``name``, ``name_low`` and ``name_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _rows(file: ResultFile) -> list[dict[str, Any]]:
    named = _Cases(file)
    with damaged(file.path, "measure again"):
        rows = [_arm_row(named, entry) for entry in file.document["benchmarks"]]
        measured = {row["case_id"] for row in rows}
        return rows + [
            row
            for entry in file.run["outcomes"]
            if (row := _outcome_row(named, entry))["case_id"] not in measured
        ]


class _Cases:
    """The columns of every case of a run: its arms have them in common."""

    def __init__(self, file: ResultFile) -> None:
        self._of_run = {
            "run_id": str(file.run["run_id"]),
            "requested_half_width_ratio": file.run["half_width"],
        }
        self._known: dict[str, tuple[Mapping[str, Any], dict[str, Any]]] = {}

    def columns(self, case_id: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of a case, by the axes that are stored of it."""
        known = self._known.get(case_id)
        if known is not None and known[0] == stored:
            return known[1]
        case = Case.from_json(stored)
        columns = {**self._of_run, **case.to_json(), "case_id": case.case_id}
        self._known[case_id] = (stored, columns)
        return columns


def _arm_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    info = entry["extra_info"]
    row = _case_row(named, info)
    for fact in FACTS:
        row[fact] = info.get(fact)
    row["arm"], row["images"] = info["arm"], info.get("images")
    for known in NOT_COUNTED:
        row[known] = info.get(known) or None
    row["warm_compile_s"] = _median(info.get("warm_compile_s"))
    row["device_s"] = _median(info.get("device_rounds_s"))
    launch_s = _median(info.get("launch_rounds_s"))
    if launch_s is not None:  # of a device that works on after the call came back
        row["launch_share"] = launch_s / statistics.median(entry["stats"]["data"])
    row["replicates_s"] = _split(entry["stats"]["data"], info["replicates"])
    for spans, calls in (("spans_s", "replicates"), ("more_spans_s", "more_calls")):
        row[spans] = {s: _cut(seconds, info[calls]) for s, seconds in info.get(spans, {}).items()}
    return row


def runtime_version(rows: Iterable[Mapping[Any, Any]]) -> str:
    """Return which version of its runtime ran the arms of a case; empty of torch, and of before.

    torch's own is among the libraries of the environment.
    """
    said = (row["read_back"] for row in rows)
    return next((str(of["version"]) for of in said if of and "version" in of), "")


def _case_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **named.columns(entry["case_id"], entry["case"]),
        "status": str(Status(entry["status"])),  # older files have other words
        "reason": entry["reason"],
        "arm": None,
        "replicates_s": None,
    }


def _outcome_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    return _case_row(named, {**entry, "reason": entry["reason"] or NOT_REPLAYED})


def _median(values: Sequence[float] | None) -> float | None:
    return statistics.median(values) if values else None


def _split(rounds: list[float], counts: Sequence[int]) -> list[list[float]]:
    """Cut the rounds of an arm into its replicates."""
    if not (rounds and min(rounds) > 0 and math.isfinite(sum(rounds))):
        raise RecordError("a round has no positive duration")
    return _cut(rounds, counts)


def _cut(rounds: list[float], counts: Sequence[int]) -> list[list[float]]:
    if not any(counts):  # every round was disturbed, and none counts
        return [[] for _ in counts]
    bounds = list(accumulate(counts, initial=0))
    if bounds[-1] != len(rounds):
        raise RecordError(f"{len(rounds)} rounds do not divide into replicates of {list(counts)}")
    return [rounds[start:end] for start, end in pairwise(bounds)]
