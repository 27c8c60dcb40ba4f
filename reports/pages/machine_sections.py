"""The sections of the report on the machine: how quiet it was, and what it is."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bench.schema.case import case_name
from bench.schema.text import percent
from reports.analysis import disturbances
from reports.analysis.disturbances import Disturbance
from reports.data import loads
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of
from reports.pages.page import Block, Section, Table

DISTURBED = (
    "Rounds whose calls had to wait for a CPU are left out. Replicates with too few others are "
    "contended, and count only where the whole case is. Shares of the time of all replicates of a "
    "case: what others took of one core, how long its threads waited for a CPU, what the "
    "hypervisor gave to other machines, and the time without quota."
)

GIB = 2**30

COLUMNS = (
    *("case", "contended", "rounds left out", "others, of a core", "waited", "stolen"),
    *("throttled", "why"),
)


def quiet(files: Sequence[ResultFile], table: pd.DataFrame) -> Iterator[Section]:
    """Yield how quiet the machine was during every run.

    Args:
        files: of the runs.
        table: of `reports.data.costs.cost`.
    """
    for file in files:
        run_id = str(file.run["run_id"])
        name = "How quiet the machine was" + (f", run {run_id}" if len(files) > 1 else "")
        hints = [f"When it began: {hint}." for hint in loads.hints(file)]
        try:
            rows = _rows(file, table[table["run_id"] == run_id])
        except ReportError as error:
            yield Section(f"quiet-{run_id}", name, hints, [str(error)], [])
            continue
        blocks = [Block("", DISTURBED, tables=[Table(COLUMNS, rows)])] if rows else []
        yield Section(f"quiet-{run_id}", name, hints, [], blocks)


def _rows(file: ResultFile, table: pd.DataFrame) -> list[list[str]]:
    """Return the cases in the order of the cost table."""
    cases = rows_of(table)
    threads = {str(row["case_id"]): int(row["threads"]) for row in cases}
    cores = file.run["environment"].get("cores")
    known = cores if isinstance(cores, int) and cores > 0 else 1
    by_case = {
        each.case_id: each for each in disturbances.of_cases(loads.load(file), threads, known)
    }
    return [
        _row(case_name(row), by_case[row["case_id"]]) for row in cases if row["case_id"] in by_case
    ]


def _row(name: str, found: Disturbance) -> list[str]:
    shares = (found.left_out, found.others, found.waited, found.stolen, found.throttled)
    counts = f"{found.contended} of {found.replicates}"
    return [name, counts, *map(percent, shares), found.why or "-"]


def environment(files: Sequence[ResultFile], frame: pd.DataFrame) -> Section:
    """Return where and on which pictures the runs were measured, a column per run."""
    columns = [_column(file, frame) for file in files]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(_plain(column.get(name)) for column in columns)] for name in names]
    table = Table(("", *(str(file.run["run_id"]) for file in files)), rows)
    return Section("environment", "Where it was measured", [], [], [Block("", tables=[table])])


def _column(file: ResultFile, frame: pd.DataFrame) -> dict[str, object]:
    images = frame.loc[frame["run_id"] == str(file.run["run_id"]), "images"].dropna()
    known = dict(file.run["environment"])
    if isinstance(nbytes := known.pop("memory_bytes", None), int):
        known["memory"] = f"{nbytes / GIB:.1f} GiB"
    return {
        "written": file.document.get("datetime"),
        **known,
        "pictures": "; ".join(images.unique()) or None,
    }


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)
