"""Many runs over months: one long table, kept as Parquet.

A row is one number of one case of one run. The table is partitioned by machine (a fingerprint of
what has to be equal before times are compared, with the version of the case's runtime) and month,
in plain Parquet files: pandas, DuckDB and polars read the folder, on a disk or in an object store
(``s3://...``, by fsspec).
"""

import contextlib
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import pandas as pd

from bench import stats
from bench.schema.case import told_apart
from bench.schema.files import COST_SCHEMA, IN_EXTRA_INFO
from bench.schema.records import lasting
from bench.schema.text import printable
from reports.data import own_runs, own_series, result_files, run_series
from reports.data.errors import ReportError, damaged
from reports.data.series import RunSeries, Series

COLUMNS = {
    "fingerprint": "string",
    "month": "string",
    "machine": "string",
    "run_id": "string",
    "date": "datetime64[us, UTC]",
    "commit": "string",
    "message": "string",
    "case_id": "string",
    "name": "string",
    "metric": "string",
    "arm": "string",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "replicates": "Int64",
    "status": "string",
}
"""A row is a `reports.data.series.Series` of a case, with ``value`` in seconds or a ratio; lower is
better. ``name`` is the case's as people read it, and its id in others' files and in what was stored
without it. ``status`` is the case's, empty of others' files and of what was stored without it."""


PARTITIONS = ["fingerprint", "month"]

ONCE = ["run_id", "case_id", "metric", "arm"]
"""A store has each of these once."""

NEVER_MISSING = [*PARTITIONS, "machine", "date", "commit", "message", *ONCE]

LOCK = ".lock"
"""Beside the partitions of a store on a disk; readers of Parquet pass by hidden files."""


def collect(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the table of all runs below the paths, ours and pytest-benchmark's.

    Raises:
        ReportError: a file cannot be read, or there is none.
    """
    files = [file for path in paths for file in _files(path)]
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise ReportError("no run in there; name result files, folders of runs, or a store")
    once = [*ONCE, "date"]  # a run may also lie in the file of the test that asked for it
    return _typed(pd.DataFrame(rows)).drop_duplicates(once, ignore_index=True)


def names(table: pd.DataFrame) -> dict[str, str]:
    """Return case id -> what the case is called, which no other case of the table is."""
    known = table[["case_id", "name"]].drop_duplicates()
    without_first = known.assign(named=known["name"] != known["case_id"]).sort_values("named")
    return told_apart(dict(zip(without_first["case_id"], without_first["name"], strict=True)))


def add(table: pd.DataFrame, store: str) -> int:
    """Add the runs of a table to a store that it does not have yet; return how many.

    Args:
        table: of `collect`.
        store: a folder, or a URL that fsspec knows.

    Raises:
        ReportError: the store cannot be written.
    """
    try:
        with _alone(store):
            known = set(read(store)["run_id"]) if exists(store) else set()
            fresh = table[~table["run_id"].isin(known)]
            if len(fresh):
                name = f"part-{uuid.uuid4().hex}-{{i}}.parquet"
                fresh.to_parquet(
                    store, index=False, partition_cols=PARTITIONS, basename_template=name,
                    existing_data_behavior="overwrite_or_ignore",
                )  # fmt: skip
    except OSError as error:
        raise ReportError(f"{store}: {error}; name another with --store") from error
    return int(fresh["run_id"].nunique())


@contextlib.contextmanager
def _alone(store: str) -> Iterator[None]:
    """Wait for others that write to a store on a disk; an object store has no lock."""
    if "://" in store:
        yield
        return
    Path(store).mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(Path(store) / LOCK):
        yield


def exists(store: str) -> bool:
    """Return whether a store has anything in it."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(store)
    return bool(filesystem.exists(path) and filesystem.glob(f"{path}/**/*.parquet"))


def read(store: str) -> pd.DataFrame:
    """Return the table of a store; what two writers have both stored is there once.

    Raises:
        ReportError: it cannot be read.
    """
    try:
        table = _typed(pd.read_parquet(store))
        unknown = [name for name in NEVER_MISSING if table[name].isna().any()]
        if unknown:
            raise ValueError(f"rows without {', '.join(unknown)}")
        for name in (column for column, kind in COLUMNS.items() if kind == "string"):
            known = {said: printable(said) for said in table[name].dropna().unique()}
            table[name] = table[name].map(known).astype("string")
        return table.drop_duplicates(ONCE, ignore_index=True)
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ReportError(
            f"{store}: cannot be read ({error}); check its address, and whether you may read it"
        ) from error


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*.json") if _looks_like_a_run(p))
    return [path]


def _looks_like_a_run(path: Path) -> bool:
    """Whether a file below a folder is a result file: many other JSON files lie beside them."""
    head = result_files.beginning(path)
    return '"machine_info"' in head or own_runs.begins_as_own(head)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with damaged(path, "leave it out"):
        if own_runs.is_own(path):
            yield from _run_rows(run_series.read(path))
            return
        document = result_files.parse(path)
        if isinstance(document.get("panet"), dict):
            yield from _run_rows(run_series.of_file(result_files.checked(path, document)))
        else:
            yield from _imported_rows(path, document)


def _run_rows(run: RunSeries) -> Iterator[dict[str, Any]]:
    environment, known = run.environment, run.file.run
    of_machine = lasting(environment)
    about = {
        "machine": environment.get("accelerator") or f"{environment.get('cpu')}",
        "run_id": str(known["run_id"]),
        "commit": known.get("commit") or "",
        **_when(run.file.document),
    }
    for case_id, case in run.cases.items():
        others = {"runtime": case.runtime_version, "inputs": run.inputs}
        equal = of_machine | {name: what for name, what in others.items() if what}
        told = {"name": case.name, "status": case.status}
        of_case = about | {"fingerprint": _fingerprint(equal), **told}
        for each in case.series.values():
            if each.estimate is not None:
                yield _row(of_case, case_id, each)


def _imported_rows(path: Path, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what pytest-benchmark stored by itself: no replicates, so no interval.

    Where a test asked our fixture ``cost``, the file has all of what that measured.
    """
    machine = document.get("machine_info", {})
    cpu = machine.get("cpu", {})
    of_machine = {
        **{name: machine.get(name) for name in ("node", "machine", "system", "python_version")},
        **{name: cpu.get(name) for name in ("brand_raw", "count")},
    }
    about = {
        "fingerprint": _fingerprint(of_machine),
        "machine": str(cpu.get("brand_raw") or machine.get("machine")),
        "run_id": path.stem,
        "status": "",
        "commit": document.get("commit_info", {}).get("id") or "",
        **_when(document),
    }
    for entry in document["benchmarks"]:
        if stored := entry.get("extra_info", {}).get(IN_EXTRA_INFO):
            for each in stored:
                if each["schema"] != COST_SCHEMA:
                    raise ValueError(f"schema {each['schema']!r}, this version reads {COST_SCHEMA}")
                yield from _run_rows(own_series.of_run(own_runs.of_document(path, each)))
            continue
        mean = stats.Estimate(float(entry["stats"]["mean"]), None, None)
        of_case = about | {"name": str(entry["fullname"])}
        yield _row(of_case, str(entry["fullname"]), Series("mean", "", [], mean))


def _when(document: Mapping[str, Any]) -> dict[str, Any]:
    info = document.get("commit_info") or {}
    written = document.get("datetime") or info.get("time")
    if not written:
        raise ValueError("it does not say when it was written")
    date = dt.datetime.fromisoformat(written)
    if not pd.Timestamp.min.year < date.year < pd.Timestamp.max.year:
        raise ValueError(f"it was written in the year {date.year}")
    return {
        "date": date.isoformat(),
        "message": str(info.get("message") or ""),
    }


def _row(about: Mapping[str, Any], case_id: str, found: Series) -> dict[str, Any]:
    value = found.estimate or stats.Estimate(float("nan"), None, None)
    return {
        **about,
        "case_id": case_id,
        "metric": found.metric,
        "arm": found.arm,
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "replicates": len(found.logs),
    }


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    table = table.assign(date=pd.to_datetime(table["date"], utc=True, format="ISO8601"))
    table["month"] = table["date"].dt.strftime("%Y-%m")
    if "status" not in table:  # stored by an earlier version, as without a name
        table["status"] = ""
    table["name"] = table["name"].fillna(table["case_id"]) if "name" in table else table["case_id"]
    return table[list(COLUMNS)].astype(COLUMNS)


def _fingerprint(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
