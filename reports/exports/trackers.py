"""Results in the formats of other trackers of benchmarks; smaller is better in all of them.

``github``: what github-action-benchmark takes as ``customSmallerIsBetter``. ``bencher``: Bencher
Metric Format. ``otava``: a CSV per machine for Apache Otava, a row per run, with the configuration
that names them. ``asv``: a results folder, as `asv publish` reads it. Sources: the projects' own
documentation of these files.

What we refuse to judge is not handed to others, who would: values of contended cases stay behind.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd

from bench.schema.records import Status
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.data.series import SECONDS, is_control
from reports.data.spreadsheet import inert

NANOSECONDS = 1e9

Rows = Sequence[Mapping[Any, Any]]

METRICS: dict[str, Callable[[Mapping[Any, Any]], bool]] = {
    "cost": lambda row: row["metric"] in ("cost", "inside", "residual", "mean"),
    "latency": lambda row: row["metric"] in ("latency", "time") and not is_control(row["arm"]),
    "control": lambda row: is_control(row["arm"]),
}
"""What can be exported: cost (and what others have stored), times of networks and parts, and those
of the control, which is one more series to raise false alarms."""

EXPORTED = ("", Status.OK, Status.TOO_WIDE)
"""Statuses whose values can be believed; none: others' files know no status."""


def chosen(table: pd.DataFrame, metrics: Collection[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return what is exported, and what is to be said of the rest.

    Args:
        table: of `reports.data.history.collect`: a row per run, case, metric and arm.
        metrics: of `METRICS`.

    Raises:
        ReportError: a metric is unknown, or nothing is left.
    """
    for name in metrics:
        if name not in METRICS:
            raise ReportError(f"--metrics {name!r}: choose from {', '.join(METRICS)}")
    wanted = [any(METRICS[m](row) for m in metrics) for row in rows_of(table)]
    rows = table[pd.Series(wanted, index=table.index) & table["value"].notna()]
    good = rows["status"].isin(EXPORTED)
    said = [
        f"left out: {len(of)} values of {of['case_id'].nunique()} {status} cases"
        for status, of in rows[~good].groupby("status")
    ]
    if not good.any():
        raise ReportError("; ".join(["nothing to export", *said]))
    return rows[good], said


def export(table: pd.DataFrame, name: str, out: Path) -> list[Path]:
    """Write runs in a format; return the files.

    Args:
        table: of `chosen`.
        name: of `FORMATS`.
        out: a file, or a folder for ``asv`` and ``otava``.

    Raises:
        ReportError: the format has room for one run, and there are several; or ``out`` cannot be
            written.
    """
    files = FORMATS[name](table)
    written = [out / inside if inside else out for inside in files]
    try:
        for path, text in zip(written, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{out}: {error.strerror}; name another with --out") from error
    return written


def _github(table: pd.DataFrame) -> dict[str, str]:
    entries: list[dict[str, Any]] = []
    for row in _one_run(table, "github"):
        scale, unit = (1e3, "ms") if row["metric"] in SECONDS else (1.0, "ratio")
        entry = {"name": _name(row), "unit": unit, "value": row["value"] * scale}
        if pd.notna(row["high"]):
            entry["range"] = f"± {(row['high'] - row['low']) / 2 * scale:.4g}"
        extra = [row["machine"], f"run {row['run_id']}", row["status"]]
        entries.append({**entry, "extra": "; ".join(filter(None, extra))})
    return {"": json.dumps(entries, indent=1)}


def _bencher(table: pd.DataFrame) -> dict[str, str]:
    found: dict[str, dict[str, Any]] = {}
    for row in _one_run(table, "bencher"):
        # Bencher's own measure ``latency`` is in nanoseconds.
        measure = "latency" if row["metric"] == "mean" else row["metric"]
        scale = NANOSECONDS if row["metric"] in SECONDS else 1.0
        value = {"value": row["value"] * scale}
        if pd.notna(row["high"]):
            value |= {"lower_value": row["low"] * scale, "upper_value": row["high"] * scale}
        name = " ".join(filter(None, (row["case_id"], row["arm"])))  # the measure says the rest
        found.setdefault(name, {})[measure] = value
    return {"": json.dumps(found, indent=1)}


def _otava(table: pd.DataFrame) -> dict[str, str]:
    rows = table.assign(name=[_name(row) for row in rows_of(table)])
    files: dict[str, str] = {}
    tests: dict[str, Any] = {}
    for fingerprint, of_machine in rows.groupby("fingerprint", sort=False):
        wide = of_machine.pivot_table(
            index=["date", "run_id", "commit"], columns="name", values="value", sort=False
        ).sort_index()
        names = list(wide.columns)
        wide = wide.reset_index().rename(columns={"date": "time", "run_id": "run"})
        wide["time"] = wide["time"].dt.strftime("%Y-%m-%d %H:%M:%S %z")
        file = f"{fingerprint}.csv"
        files[file] = inert(wide).to_csv(index=False)
        tests[str(fingerprint)] = {
            "type": "csv",
            "file": file,
            "time_column": "time",
            "attributes": ["run", "commit"],
            "metrics": {name: {"column": name, "direction": -1} for name in names},
        }
    return {**files, OTAVA_CONFIGURATION: json.dumps({"tests": tests}, indent=2)}


OTAVA_CONFIGURATION = "otava.yaml"
"""JSON is YAML."""

RESULT_COLUMNS = [
    *("result", "params", "version", "started_at", "duration"),
    *("stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number", "stats_repeat"),
    "samples",
]
"""Of asv's format 2, in its order."""

TO_99 = NormalDist().inv_cdf(0.995) / NormalDist().inv_cdf(0.975)
"""From half of our 95 % interval to half of the 99 % one that asv asks for."""


def _asv(table: pd.DataFrame) -> dict[str, str]:
    """Return a file per machine and commit: all runs of it are one result, with every value."""
    files: dict[str, str] = {}
    named = table[table["commit"] != ""]
    if not len(named):
        raise ReportError("no run has a commit, and asv files results by commit")
    rows = rows_of(named)
    for (fingerprint, commit), runs in named.groupby(["fingerprint", "commit"], sort=False):
        first = runs.iloc[0]
        files[f"{fingerprint}/machine.json"] = json.dumps(
            {"machine": str(fingerprint), "cpu": first["machine"], "version": 1}
        )
        of_series = runs.assign(name=[_name(row) for row in rows_of(runs)])
        document = {
            "commit_hash": commit,
            "env_name": "panet-bench",
            "date": int(first["date"].timestamp() * 1e3),
            "params": {"machine": str(fingerprint)},
            "python": "",
            "requirements": {},
            "env_vars": {},
            "result_columns": RESULT_COLUMNS,
            "results": {n: _asv_result(s) for n, s in of_series.groupby("name", sort=False)},
            "durations": {},
            "version": 2,
        }
        files[f"{fingerprint}/{str(commit)[:8]}-panet-bench.json"] = json.dumps(document)
    benchmarks = {_name(row): _asv_benchmark(row) for row in rows}
    files["benchmarks.json"] = json.dumps({**benchmarks, "version": 2})
    return files


def _asv_result(series: pd.DataFrame) -> list[Any]:
    """Return the runs of a commit: their median, and the widest of their intervals around it."""
    values = series["value"].astype(float)
    median = float(values.median())
    half = (series["high"] - series["low"]).astype(float).max() / 2 * TO_99
    interval = [[None], [None]] if pd.isna(half) else [[median - half], [median + half]]
    quartiles = [[float(values.quantile(q))] for q in (0.25, 0.75)]
    started = int(series["date"].min().timestamp() * 1e3)
    counts = [[1], [len(series)]]
    return [[median], [], VERSION, started, None, *interval, *quartiles, *counts, [list(values)]]


VERSION = "1"
"""Of a benchmark, for asv: results of another version are not compared with ours."""


def _asv_benchmark(row: Mapping[Any, Any]) -> dict[str, Any]:
    unit = "seconds" if row["metric"] in SECONDS else "ratio"
    return {
        "name": _name(row),
        "code": "",
        "param_names": [],
        "params": [],
        "type": "time" if unit == "seconds" else "track",
        "unit": unit,
        "version": VERSION,
    }


def _one_run(table: pd.DataFrame, name: str) -> Rows:
    runs = table["run_id"].unique()
    if len(runs) > 1:
        raise ReportError(f"{name} takes one run at a time, and these are {len(runs)}; name one")
    rows: Rows = rows_of(table)
    return rows


def _name(row: Mapping[Any, Any]) -> str:
    return " ".join(filter(None, (row["case_id"], row["metric"], row["arm"])))


FORMATS: dict[str, Callable[[pd.DataFrame], dict[str, str]]] = {
    "github": _github,
    "bencher": _bencher,
    "otava": _otava,
    "asv": _asv,
}
"""Format -> from the table to texts by file name; the empty name is the requested file."""
