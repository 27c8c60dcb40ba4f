"""The section of the report on where and in what company a run was measured."""

from collections.abc import Mapping, Sequence

from reports.data.result_files import ResultFile
from reports.pages.page import Block, Section, Table


def environment(files: Sequence[ResultFile]) -> Section:
    """Return where the runs were measured, a column per run."""
    columns = [_column(file) for file in files]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(_plain(column.get(name)) for column in columns)] for name in names]
    table = Table(("", *(str(file.run["run_id"]) for file in files)), rows)
    return Section("environment", "Where it was measured", [], [], [Block("", tables=[table])])


def _column(file: ResultFile) -> dict[str, object]:
    return {"written": file.document.get("datetime"), **file.run["environment"]}


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)
