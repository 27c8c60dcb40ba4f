"""The sections of the report on the machine: how quiet it was, and what it is."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bench.schema.case import case_name
from reports.analysis import disturbances
from reports.analysis.disturbances import Disturbance
from reports.analysis.readable import percent
from reports.data import loads
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.pages.page import Block, Section, Table

DISTURBED = (
    "Of the replicates of a case, those that were disturbed are contended and do not count. Shares "
    "of the time of all its replicates: what others took of one core, how long the threads of the "
    "case waited for a CPU, what the hypervisor gave to other machines, and the time without quota."
)

COLUMNS = ("case", "contended", "others, of a core", "waited", "stolen", "throttled", "why")


def quiet(files: Sequence[ResultFile], frame: pd.DataFrame) -> Iterator[Section]:
    """Yield how quiet the machine was during every run.

    Args:
        files: of the runs.
        frame: of `reports.data.frames.load`.
    """
    for file in files:
        run_id = str(file.run["run_id"])
        name = "How quiet the machine was" + (f", run {run_id}" if len(files) > 1 else "")
        hints = [f"When it began: {hint}." for hint in loads.hints(file)]
        try:
            rows = _rows(file, frame[frame["run_id"] == run_id])
        except ReportError as error:
            yield Section(f"quiet-{run_id}", name, hints, [str(error)], [])
            continue
        blocks = [Block("", DISTURBED, tables=[Table(COLUMNS, rows)])] if rows else []
        yield Section(f"quiet-{run_id}", name, hints, [], blocks)


def _rows(file: ResultFile, frame: pd.DataFrame) -> list[list[str]]:
    cases = {str(row["case_id"]): row for row in frame.to_dict("records")}
    threads = {case_id: int(row["threads"]) for case_id, row in cases.items()}
    cores = file.run["environment"].get("cores")
    known = cores if isinstance(cores, int) and cores > 0 else 1
    return [
        _row(case_name(cases[each.case_id]) if each.case_id in cases else each.case_id, each)
        for each in disturbances.of_cases(loads.load(file), threads, known)
    ]


def _row(name: str, found: Disturbance) -> list[str]:
    shares = (found.others, found.waited, found.stolen, found.throttled)
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
    return {
        "written": file.document.get("datetime"),
        **file.run["environment"],
        "pictures": "; ".join(images.unique()) or None,
    }


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)
