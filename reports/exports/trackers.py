"""Results in the formats of other trackers of benchmarks; smaller is better in all of them.

``github``: what github-action-benchmark takes as ``customSmallerIsBetter``. ``bencher``: Bencher
Metric Format. ``otava``: CSV for Apache Otava, a row per run. ``asv``: a results folder, as `asv
publish` reads it. Sources: the projects' own documentation of these files.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.data.errors import ReportError

NANOSECONDS = 1e9

Rows = Sequence[Mapping[Any, Any]]


def export(table: pd.DataFrame, name: str, out: Path) -> list[Path]:
    """Write runs in a format; return the files.

    Args:
        table: of `reports.data.history.collect`: a row per run, case, metric and arm.
        name: of `FORMATS`.
        out: a file, or a folder for ``asv``.

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
        scale, unit = (1.0, "ratio") if row["metric"] == "cost" else (1e3, "ms")
        entry = {"name": _name(row), "unit": unit, "value": row["value"] * scale}
        if pd.notna(row["high"]):
            entry["range"] = f"± {(row['high'] - row['low']) / 2 * scale:.4g}"
        entries.append({**entry, "extra": f"{row['machine']}; run {row['run_id']}"})
    return {"": json.dumps(entries, indent=1)}


def _bencher(table: pd.DataFrame) -> dict[str, str]:
    found: dict[str, dict[str, Any]] = {}
    for row in _one_run(table, "bencher"):
        # Bencher's own measure ``latency`` is in nanoseconds.
        measure, scale = ("cost", 1.0) if row["metric"] == "cost" else ("latency", NANOSECONDS)
        value = {"value": row["value"] * scale}
        if pd.notna(row["high"]):
            value |= {"lower_value": row["low"] * scale, "upper_value": row["high"] * scale}
        found.setdefault(_name(row), {})[measure] = value
    return {"": json.dumps(found, indent=1)}


def _otava(table: pd.DataFrame) -> dict[str, str]:
    rows = table.assign(name=[_name(row) for row in table.to_dict("records")])
    wide = rows.pivot_table(index=["date", "run_id", "commit"], columns="name", values="value")
    wide = wide.reset_index().rename(columns={"date": "time", "run_id": "run"})
    wide["time"] = wide["time"].dt.strftime("%Y-%m-%d %H:%M:%S %z")
    return {"": wide.to_csv(index=False)}


RESULT_COLUMNS = ["result", "params", "version", "stats_ci_99_a", "stats_ci_99_b"]
"""Of asv's format 2; it knows more, and all but the first may be absent."""


def _asv(table: pd.DataFrame) -> dict[str, str]:
    files: dict[str, str] = {}
    benchmarks: dict[str, Any] = {}
    for (fingerprint, run_id), run in table.groupby(["fingerprint", "run_id"], sort=False):
        rows = run.to_dict("records")
        first = rows[0]
        if not first["commit"]:
            raise ReportError(f"run {run_id} has no commit, and asv files results by commit")
        files[f"{fingerprint}/machine.json"] = json.dumps(
            {"machine": str(fingerprint), "cpu": first["machine"], "version": 1}
        )
        results = {_name(row): [[row["value"]], [], VERSION] for row in rows}
        document = {
            "commit_hash": first["commit"],
            "env_name": "panet-bench",
            "date": int(first["date"].timestamp() * 1e3),
            "params": {"machine": str(fingerprint)},
            "python": "",
            "requirements": {},
            "env_vars": {},
            "result_columns": RESULT_COLUMNS[:3],
            "results": results,
            "durations": {},
            "version": 2,
        }
        files[f"{fingerprint}/{first['commit'][:8]}-panet-bench.json"] = json.dumps(document)
        benchmarks |= {_name(row): _asv_benchmark(row) for row in rows}
    files["benchmarks.json"] = json.dumps({**benchmarks, "version": 2})
    return files


VERSION = "1"
"""Of a benchmark, for asv: results of another version are not compared with ours."""


def _asv_benchmark(row: Mapping[Any, Any]) -> dict[str, Any]:
    unit = "ratio" if row["metric"] == "cost" else "seconds"
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
    rows: Rows = table[table["value"].notna()].to_dict("records")
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
