"""What PANet costs: the frame of all arms -> one row per run and case, FPN beside FPN + PANet.

The statistics are computed from the rounds, not read from the file.

>>> table = cost(frames.load("reports/reference/results.json"))
>>> necks = table[table["scope"] == "neck"]
>>> bool((necks["ratio_low"] > 1).all())  # PANet is never free
True
"""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.case import FIELDS
from bench.schema.records import Status
from reports.data import frames
from reports.data.frames import COLUMNS
from reports.data.rows import rows_of

SHARED = ("run_id", "requested_half_width_ratio", "case_id", *FIELDS, "status", "reason")
"""What all arms of a case have in common."""

SORTED = sorted(FIELDS, key=lambda field: COLUMNS[field][0] != "category")
"""In the order in which tables are sorted: what is chosen before what is counted."""

PER_ARM = {
    "s": ("latency_s", "float64", "seconds of a call"),
    "s_low": ("latency_s_low", "float64", "lower end of its 95 % interval, seconds"),
    "s_high": ("latency_s_high", "float64", "upper end, seconds"),
    "peak_bytes": ("peak_bytes", "Int64", "bytes of tensor memory at the peak"),
    "images_per_s": ("images_per_s", "float64", "images per second"),
    "launch_share": (
        *("launch_share", "float64"),
        "share of a call in which the host still launches work",
    ),
}
"""Of FPN, over both its turns, and of FPN + PANet: name -> column of the arm's row, type,
meaning."""

COST_COLUMNS = {
    **{name: COLUMNS[name] for name in SHARED},
    **{
        f"{arm}_{name}": (kind, f"{label}: {meaning}")
        for arm, label in (("fpn", "FPN"), ("panet", "FPN + PANet"))
        for name, (_, kind, meaning) in PER_ARM.items()
    },
    **frames.interval_types(
        {
            "ratio": "FPN + PANet over FPN: inside the calls, where they are split",
            "difference_s": "seconds that PANet adds, read in the same way",
            "whole_ratio": "FPN + PANet over FPN, whole calls that take turns",
            "residual": "what is around PANet, beside it over without it",
            "aa_ratio": "the same FPN network over itself: noise",
        }
    ),
    "inside": ("boolean", "whether the cost is read inside the calls"),
    "half_width_ratio": ("float64", "half of the ratio's interval, relative"),
    "detectable_ratio": ("float64", "smallest relative change that two such runs tell apart"),
    "outliers": ("Int64", "processes far from the others, which count as they"),
    "replicates": ("Int64", "processes that count"),
    "replicates_needed": ("Int64", "for the requested half-width"),
    "rounds": ("Int64", "rounds that count"),
    "macs_ratio": ("float64", "multiply-accumulates, FPN + PANet over FPN"),
    "peak_difference_bytes": ("Int64", "bytes that PANet adds to the peak"),
}
"""Of `cost`: name -> type, and meaning with unit. Missing values are NaN or `pandas.NA`."""


def cost(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and case: FPN, FPN + PANet, their difference and ratio, and A/A.

    Args:
        frame: of `reports.data.frames.load`.

    Returns:
        A frame with the columns `COST_COLUMNS`.
    """
    by_case: dict[tuple[str, str], dict[Hashable, dict[Hashable, Any]]] = {}
    for row in rows_of(frame.astype(object).where(frame.notna(), None)):
        by_case.setdefault((row["run_id"], row["case_id"]), {})[row["arm"]] = row
    runs: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for key, by_arm in by_case.items():
        runs.setdefault(frames.spread_alike(_first(by_arm)), []).append(key)
    found: dict[tuple[str, str], stats.Cost | None] = {}
    for keys in runs.values():
        half_width = _first(by_case[keys[0]])["requested_half_width_ratio"]
        costs = stats.costs([_calls(by_case[key]) for key in keys], half_width)
        found.update(zip(keys, costs, strict=True))
        latencies = stats.latencies_s([_both_turns(by_case[key]) for key in keys])
        for key, latency in zip(keys, latencies, strict=True):
            if latency is not None:
                fpn = by_case[key]["fpn"]
                fpn.update(frames.latency_columns(latency, fpn["batch_size"]))
    rows = [_cost_row(by_arm, found[key]) for key, by_arm in by_case.items()]
    table = frames.typed(rows, COST_COLUMNS)
    return table.sort_values(["run_id", *SORTED], kind="stable").reset_index(drop=True)


def trusted(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cases with a cost: too wide is an interval that is right, contended have none."""
    return table[table["ratio"].notna() & table["status"].isin([Status.OK, Status.TOO_WIDE])]


def _first(by_arm: Mapping[Hashable, Mapping[Hashable, Any]]) -> Mapping[Hashable, Any]:
    return next(iter(by_arm.values()))


def _calls(by_arm: Mapping[Hashable, Mapping[Hashable, Any]]) -> list[stats.Calls]:
    """Return the replicates of a case; none where an arm is missing."""
    return frames.aligned(by_arm) if {"fpn", "panet", "fpn_again"} <= set(by_arm) else []


def _both_turns(by_arm: Mapping[Hashable, Mapping[Hashable, Any]]) -> list[list[float]]:
    """Return the rounds of FPN and of FPN again, replicate by replicate: the same network."""
    if not {"fpn", "fpn_again"} <= set(by_arm):
        return []
    turns = (by_arm[arm]["replicates_s"] for arm in ("fpn", "fpn_again"))
    return [one + other for one, other in zip(*turns, strict=False) if one]


def _cost_row(
    by_arm: Mapping[Hashable, Mapping[Hashable, Any]], result: stats.Cost | None
) -> dict[str, Any]:
    first = _first(by_arm)
    row = {name: first[name] for name in SHARED}
    if result is not None:
        return row | _measured(by_arm, result)
    if not row["reason"]:
        row["reason"] = f"only {', '.join(map(str, by_arm))} in the file: measure whole cases"
    return row


def _measured(
    by_arm: Mapping[Hashable, Mapping[Hashable, Any]], result: stats.Cost
) -> dict[str, Any]:
    fpn, panet = by_arm["fpn"], by_arm["panet"]
    return {
        **{
            f"{arm}_{name}": row[column]
            for arm, row in (("fpn", fpn), ("panet", panet))
            for name, (column, *_) in PER_ARM.items()
        },
        **frames.columns("ratio", result.ratio),
        **frames.columns("difference_s", result.difference_s),
        **_columns("whole_ratio", result.whole_ratio),
        **_columns("residual", result.residual),
        **_columns("aa_ratio", result.aa_ratio),
        "inside": result.inside,
        "half_width_ratio": result.half_width_ratio,
        "detectable_ratio": result.detectable_ratio,
        "outliers": len(result.outliers),
        "replicates": result.replicates,
        "replicates_needed": result.replicates_needed,
        "rounds": result.rounds,
        **_arithmetic(fpn, panet),
    }


def _columns(name: str, estimate: stats.Estimate | None) -> dict[str, float | None]:
    return {} if estimate is None else frames.columns(name, estimate)


def _arithmetic(fpn: Mapping[Hashable, Any], panet: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return what is counted, not timed, as far as both arms know it."""
    counts: dict[str, Any] = {}
    if fpn["macs"] and panet["macs"]:
        counts["macs_ratio"] = panet["macs"] / fpn["macs"]
    if fpn["peak_bytes"] is not None and panet["peak_bytes"] is not None:
        counts["peak_difference_bytes"] = panet["peak_bytes"] - fpn["peak_bytes"]
    return counts
