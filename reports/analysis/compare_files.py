"""Two stored runs: has it become slower? ``python -m reports compare BASE.json HEAD.json``.

Times are compared only where environments and versions of the runtimes are equal; across different
ones, only what carries over: ratios within a run (FPN + PANet over FPN, a call over the call
without a part), multiply-accumulates and parameters. Runs that did not take turns differ by what
the machine did meanwhile, so a time has to be slower by more than a threshold, surely; and where
most cases move together, it was the machine. What a part adds moves from run to run, too, by what
`bench.stats.between_runs` knows of.
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
from reports.analysis.metrics import METRICS, Metric, Thresholds
from reports.data import run_series
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.data.series import CaseSeries, RunSeries, Series, is_control

STATUS = "status"
"""In the place of a metric, of a case that one run lacks."""

TOGETHER_CASES = 4
"""From so many cases on, most of them moving in one direction is told from chance."""


def compare(
    base: RunSeries,
    head: RunSeries,
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
        ReportError: no case matches, or the runs are not of one kind.
    """
    sides = (base, head)
    if base.command != head.command:
        measured = " and ".join(f"{side.file.path} is of `{side.command}`" for side in sides)
        raise ReportError(f"{measured}: compare two runs of one kind")
    unequal = differences(base.environment, head.environment)
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
    return _judged(table, names, same_code=_same_code(sides))


def _same_code(sides: Sequence[RunSeries]) -> bool:
    """Return whether both runs are of the same code, which nobody knows of users' networks."""
    base, head = (side.file.run.get("code") for side in sides)
    return base is not None and base == head and sides[0].command == run_series.COMMAND


def _versions_differ(sides: Sequence[RunSeries], case_id: str) -> list[str]:
    """Name the version of a case's runtime where both sides know theirs, and they differ."""
    cases = (side.cases.get(case_id) for side in sides)
    base, head = ("" if case is None else case.runtime_version for case in cases)
    return [f"versions of its runtime ({base}, {head})"] if base and head and base != head else []


def _threshold(row: Mapping[Any, Any], thresholds: Thresholds) -> float | None:
    metric = METRICS.get(row["metric"])
    return None if metric is None or metric.exact else thresholds.of(row["case_id"])


COLUMNS = [
    *("case_id", "metric", "arm", "base", "head", "ratio", "ratio_low", "ratio_high"),
    *("base_values", "head_values", "apart", "threshold", "p_value", "verdict", "reason"),
]


def _case_ids(sides: Sequence[RunSeries]) -> list[str]:
    return list(dict.fromkeys(case_id for side in sides for case_id in side.cases))


def _rows(
    sides: Sequence[RunSeries], case_id: str, metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    base, head = (side.cases.get(case_id) for side in sides)
    if base is None:
        return  # new: nothing to compare with, and nothing lost
    if head is None:
        yield _lost(case_id, "missing in the head: renamed, or not measured")
        return
    if base.status in MEASURED and head.status not in MEASURED:
        yield _lost(case_id, f"{base.status} became {head.status}: {head.reason}")
        return
    if base.status not in MEASURED:
        return  # it did not run before: whatever it is now is not worse
    inputs = [", ".join(side.inputs) or "those of the factory" for side in sides]
    if inputs[0] != inputs[1]:
        reason = f"called with other inputs: {' and '.join(inputs)}"
        yield {**_lost(case_id, reason), "verdict": Verdict.INCOMPARABLE}
        return
    for arm in base.asked:
        if arm not in head.asked:
            yield {**_lost(case_id, "missing in the head: renamed, or not measured"), "arm": arm}
    for name in metrics:
        metric = METRICS[name]
        found = _counted(base, head, metric) if metric.exact else _measured(base, head, metric)
        for arm, row in found:
            yield {"case_id": case_id, "metric": name, "arm": arm or None, **row}


def _lost(case_id: str, reason: str) -> dict[str, Any]:
    return {"case_id": case_id, "metric": STATUS, "verdict": Verdict.MISSING, "reason": reason}


def _measured(
    base: CaseSeries, head: CaseSeries, metric: Metric
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of what takes time, of everything that both sides have but the control."""
    busy = Status.CONTENDED in (base.status, head.status)
    for arm in dict.fromkeys(arm for name, arm in base.series if name in metric.read):
        keys = [(name, arm) for name in metric.read]
        both = next((key for key in keys if key in base.series and key in head.series), None)
        if both is not None and not is_control(arm):
            yield arm, _between(base.series[both], head.series[both], busy=busy)


def _between(before: Series, after: Series, *, busy: bool) -> dict[str, Any]:
    base, head = before.logs, after.logs
    first, second = (math.exp(float(np.mean(side))) if side else None for side in (base, head))
    if busy or min(len(base), len(head)) < stats.MIN_FOR_INTERVAL:
        which = "contended" if busy else "too few replicates for an interval"
        return {"verdict": Verdict.UNDECIDED, "reason": which, "base": first, "head": second}
    apart = before.apart(after)
    ratio = stats.ratio_between(base, head, apart)
    return {
        "apart": apart,
        "base": first,
        "head": second,
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "base_values": list(base),
        "head_values": list(head),
    }


def _counted(
    base: CaseSeries, head: CaseSeries, metric: Metric
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of what is counted, as far as both sides know it."""
    for arm, counts in base.counted.items():
        before, after = (of.get(metric.name) for of in (counts, head.counted.get(arm, {})))
        if not (pd.isna(before) or pd.isna(after) or is_control(arm)):
            ratio = after / before if before else None
            yield arm, {"base": float(before), "head": float(after), "ratio": ratio}


def _judged(table: pd.DataFrame, unequal: Mapping[str, str], *, same_code: bool) -> pd.DataFrame:
    """Fill in the verdicts.

    Args:
        table: a row per case, metric and arm.
        unequal: case -> what differs between the sides that must not; empty where all is equal.
        same_code: whether nothing but the machine can have moved.
    """
    p_values: dict[str, float] = {}
    for index, row in table.iterrows():
        if isinstance(row["base_values"], list):
            p_values[str(index)] = stats.beyond_p(
                row["base_values"], row["head_values"], row["threshold"], row["apart"]
            )
    corrected = holm(p_values)
    table["p_value"] = [corrected.get(str(index)) for index in table.index]
    equal = table[[not unequal[case_id] for case_id in table["case_id"]]]
    moved = _moved_together(equal)
    verdicts = [_verdict(row, unequal[row["case_id"]], moved) for row in rows_of(table)]
    if same_code:
        verdicts = [_of_the_machine(each, why) for each, why in verdicts]
    table["verdict"] = [each for each, _ in verdicts]
    table["reason"] = [reason for _, reason in verdicts]
    return table.drop(columns=["base_values", "head_values", "apart"])


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
    elif moved and metric.timed:
        return Verdict.UNDECIDED, moved
    else:
        differs = row["p_value"] is not None and row["p_value"] < ALARM_P
    if not differs:
        return Verdict.WITHIN_NOISE, ""
    return (Verdict.REGRESSED if row["head"] > row["base"] else Verdict.IMPROVED), ""


def _of_the_machine(verdict: Verdict, reason: str) -> tuple[Verdict, str]:
    """Return a verdict on runs of the same code."""
    if verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
        return Verdict.UNDECIDED, SAME_CODE
    return verdict, reason


SAME_CODE = "both runs are of the same code: what moved is the machine"

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
