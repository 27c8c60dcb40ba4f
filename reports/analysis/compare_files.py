"""Two stored runs: has it become slower? ``python -m reports compare BASE.json HEAD.json``.

Times are compared only where environments and versions of the runtimes are equal; across different
ones, only what carries over: the in-run ratio of FPN + PANet over FPN, multiply-accumulates and
parameters. Runs that did not take turns differ by what the machine did meanwhile, so a time has to
be slower by more than a threshold, surely; and where most cases move together, it was the machine.
"""

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.schema.records import MEASURED, Status, differences
from bench.stats.multiplicity import holm
from bench.stats.verdict import Verdict
from reports.analysis.metrics import ARMS, METRICS, Metric, Thresholds
from reports.data import frames
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of

TOGETHER_CASES = 4
"""From so many cases on, most of them moving in one direction is told from chance."""


def compare(
    base: ResultFile,
    head: ResultFile,
    thresholds: Thresholds,
    metrics: Sequence[str] = tuple(METRICS),
    pattern: str = "*",
) -> pd.DataFrame:
    """Return one row per case, metric and arm.

    Columns: ``case_id``, ``metric``, ``arm``, ``base``, ``head``, ``ratio`` (head over base, with
    ``_low`` and ``_high``), ``threshold``, ``p_value`` (corrected), ``verdict``, ``reason``.

    Args:
        base: what is compared with.
        head: what is compared.
        thresholds: of times.
        metrics: names of `METRICS`.
        pattern: that the ids of the cases match.

    Raises:
        ReportError: a file is damaged, or no case matches.
    """
    sides = [_Side(file) for file in (base, head)]
    unequal = differences(sides[0].environment, sides[1].environment)
    case_ids = _case_ids(sides)
    chosen = fnmatch.filter(case_ids, pattern)
    if not chosen:
        raise ReportError(f"--case {pattern}: matches none of {', '.join(case_ids)}")
    rows = [row for case_id in chosen for row in _rows(sides, case_id, metrics)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["threshold"] = [_threshold(row, thresholds) for row in rows_of(table)]
    names = {
        case_id: ", ".join([*unequal, *_versions_differ(sides, case_id)]) for case_id in chosen
    }
    return _judged(table, names)


def _versions_differ(sides: Sequence["_Side"], case_id: str) -> list[str]:
    """Name the version of a case's runtime where both sides know theirs, and they differ."""
    base, head = (side.runtime_version(case_id) for side in sides)
    return [f"versions of its runtime ({base}, {head})"] if base and head and base != head else []


def _threshold(row: Mapping[Any, Any], thresholds: Thresholds) -> float | None:
    metric = METRICS.get(row["metric"])
    return None if metric is None or metric.exact else thresholds.of(row["case_id"])


COLUMNS = [
    *("case_id", "metric", "arm", "base", "head", "ratio", "ratio_low", "ratio_high"),
    *("base_values", "head_values", "threshold", "p_value", "verdict", "reason"),
]


class _Side:
    """One file."""

    def __init__(self, file: ResultFile) -> None:
        self.environment: Mapping[str, Any] = file.run["environment"]
        self.arms: dict[tuple[str, str | None], Mapping[Any, Any]] = {
            (row["case_id"], None if pd.isna(row["arm"]) else row["arm"]): row
            for row in rows_of(frames.frame_of([file]))
        }
        self.status = {
            case_id: (row["status"], row["reason"]) for (case_id, _), row in self.arms.items()
        }

    def runtime_version(self, case_id: str) -> str:
        """Return which version of its runtime ran a case; empty where that is torch."""
        return frames.runtime_version(row for (i, _), row in self.arms.items() if i == case_id)

    def rounds(self, case_id: str) -> list[stats.Calls]:
        """Return the rounds of all arms of a case, replicate by replicate."""
        own = {a: row for (i, a), row in self.arms.items() if i == case_id and a is not None}
        return frames.aligned(own) if {"fpn", "panet", "fpn_again"} <= set(own) else []


def _case_ids(sides: Sequence[_Side]) -> list[str]:
    return list(dict.fromkeys(case_id for side in sides for case_id in side.status))


def _rows(sides: Sequence[_Side], case_id: str, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    base, head = (side.status.get(case_id) for side in sides)
    if base is None:
        return  # new: nothing to compare with, and nothing lost
    if head is None:
        yield _lost(case_id, "missing in the head: renamed, or not measured")
        return
    if base[0] in MEASURED and head[0] not in MEASURED:
        yield _lost(case_id, f"{base[0]} became {head[0]}: {head[1]}")
        return
    if base[0] not in MEASURED:
        return  # it did not run before: whatever it is now is not worse
    for name in metrics:
        yield from _metric_rows(sides, case_id, METRICS[name])


def _lost(case_id: str, reason: str) -> dict[str, Any]:
    return {"case_id": case_id, "metric": "status", "verdict": Verdict.MISSING, "reason": reason}


def _metric_rows(sides: Sequence[_Side], case_id: str, metric: Metric) -> Iterator[dict[str, Any]]:
    common = {"case_id": case_id, "metric": metric.name}
    contended = [s.status[case_id][0] == Status.CONTENDED for s in sides]
    if metric.name == "cost":
        values = _costs([side.rounds(case_id) for side in sides])
        yield {**common, **_measured(values, contended)}
        return
    for arm in ARMS:
        rows = [side.arms.get((case_id, arm)) for side in sides]
        if any(row is None for row in rows):
            continue
        pair = [row[metric.column] for row in rows if row is not None]
        if not metric.exact:
            logs = [
                [math.log(float(np.median(rounds))) for rounds in replicates if rounds]
                for replicates in pair  # one whose rounds were all disturbed has other calls
            ]
            yield {**common, "arm": arm, **_measured(logs, contended)}
        elif not any(pd.isna(value) for value in pair):
            yield {**common, "arm": arm, **_counted(*map(float, pair))}


def _costs(sides: Sequence[Sequence[stats.Calls]]) -> list[list[float]]:
    """Return the log ratios of both sides: inside the calls, unless one was not split."""
    if all(side and stats.is_split(side) for side in sides):
        return [stats.inside_log_ratios(side) for side in sides]
    return [frames.whole_log_ratios(side) for side in sides]


def _measured(values: Sequence[Sequence[float]], contended: Sequence[bool]) -> dict[str, Any]:
    base, head = (math.exp(float(np.mean(side))) if side else None for side in values)
    if any(contended) or min(map(len, values)) < stats.MIN_FOR_INTERVAL:
        which = "contended" if any(contended) else "too few replicates for an interval"
        return {"verdict": Verdict.UNDECIDED, "reason": which, "base": base, "head": head}
    ratio = stats.ratio_between(*values)
    return {
        "base": base,
        "head": head,
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "base_values": list(values[0]),
        "head_values": list(values[1]),
    }


def _counted(base: float, head: float) -> dict[str, Any]:
    return {"base": base, "head": head, "ratio": head / base if base else None}


def _judged(table: pd.DataFrame, unequal: Mapping[str, str]) -> pd.DataFrame:
    """Fill in the verdicts.

    Args:
        table: a row per case, metric and arm.
        unequal: case -> what differs between the sides that must not; empty where all is equal.
    """
    p_values: dict[str, float] = {}
    for index, row in table.iterrows():
        if isinstance(row["base_values"], list):
            p_values[str(index)] = stats.beyond_p(
                row["base_values"], row["head_values"], row["threshold"]
            )
    corrected = holm(p_values)
    table["p_value"] = [corrected.get(str(index)) for index in table.index]
    equal = table[[not unequal[case_id] for case_id in table["case_id"]]]
    moved = _moved_together(equal)
    verdicts = [_verdict(row, unequal[row["case_id"]], moved) for row in rows_of(table)]
    table["verdict"] = [each for each, _ in verdicts]
    table["reason"] = [reason for _, reason in verdicts]
    return table.drop(columns=["base_values", "head_values"])


def _verdict(row: Mapping[Any, Any], unequal: str, moved: str | None) -> tuple[Verdict, str]:
    if not pd.isna(row["verdict"]):
        return row["verdict"], row["reason"]
    metric = METRICS[row["metric"]]
    if unequal and not metric.carries_over:
        return Verdict.INCOMPARABLE, f"measured elsewhere: {unequal} differ"
    if metric.exact:
        differs = row["head"] != row["base"]
        if unequal and not metric.gates_elsewhere:
            return (
                Verdict.WITHIN_NOISE,
                f"reported, not judged: {unequal} differ" if differs else "",
            )
    elif moved and metric.name == "latency":
        return Verdict.UNDECIDED, moved
    else:
        differs = row["p_value"] is not None and row["p_value"] < ALARM_P
    if not differs:
        return Verdict.WITHIN_NOISE, ""
    return (Verdict.REGRESSED if row["head"] > row["base"] else Verdict.IMPROVED), ""


ALARM_P = 0.01
"""Of a change beyond the threshold, corrected for the number of cases and metrics."""


def _moved_together(table: pd.DataFrame) -> str | None:
    """Return what to say if most latencies moved in one direction: then it was the machine."""
    rows = table[(table["metric"] == "latency") & table["ratio"].notna()]
    cases = rows.groupby("case_id")[["ratio", "threshold"]].median()
    if len(cases) < TOGETHER_CASES:
        return None
    change = cases["ratio"] - 1
    for beyond, word in (
        (change > cases["threshold"], "slower"),
        (change < -cases["threshold"], "faster"),
    ):
        if beyond.mean() > 0.5:
            return (
                f"{int(beyond.sum())} of {len(cases)} cases became {word} together: between runs "
                "that did not take turns that is the machine as well as the code; use "
                "`python -m bench compare`"
            )
    return None
