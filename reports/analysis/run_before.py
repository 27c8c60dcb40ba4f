"""A run against the one before it: what of the cost moves from run to run on this machine.

The intervals of ratios have in them what calm runs differ by; this machine may move by more.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bench.schema.case import case_name
from bench.schema.files import RESULTS
from bench.schema.records import Status, differences
from bench.schema.text import percent
from reports.data import frames, result_files
from reports.data.costs import cost
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of

LOOKED_AT = 5
"""Of the runs before it in its folder; those of other cases or code are passed by."""


def sentences(file: ResultFile, table: pd.DataFrame) -> Iterator[str]:
    """Yield how the costs of a run differ from those of the run before it, if there is one.

    Args:
        file: of the run. Others are looked for beside its folder: of the same machine and code.
        table: its rows of `reports.data.costs.cost`.
    """
    own = _sure(table)
    for before in _before(file):
        earlier = _sure(cost(frames.frame_of([before])))
        moved = (own["ratio"] / earlier["ratio"]).dropna() - 1
        if not len(moved):
            continue
        (most,) = rows_of(own[own.index == moved.abs().idxmax()])
        range_ = " to ".join(
            percent(end, signed=True) for end in dict.fromkeys((moved.min(), moved.max()))
        )
        yield (
            f"Against the run before it, {before.run['run_id']}, the ratios moved by {range_} "
            f"(cases: {len(moved)}); most: {case_name(most)}."
        )
        return


def _sure(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] == Status.OK].set_index("case_id")


def _before(file: ResultFile) -> Iterator[ResultFile]:
    """Yield the runs before one in its folder, the newest first, of the same machine and code."""
    folder = file.path.resolve().parent
    if folder.name != file.run["run_id"]:
        return  # a file by itself: what lies around it is not its own
    earlier = sorted(path for path in _runs(folder.parent) if path.parent.name < folder.name)
    for path in earlier[: -LOOKED_AT - 1 : -1]:
        try:
            before = result_files.read(path)
        except ReportError:
            continue
        same_machine = not differences(before.run["environment"], file.run["environment"])
        if same_machine and before.run.get("code") == file.run.get("code"):
            yield before


def _runs(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"*/{RESULTS}") if not path.parent.is_symlink())
