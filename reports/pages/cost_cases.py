"""What the script of the report needs of every case: filters, rounds, command, traces."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.case import AXES, repeat
from bench.schema.files import TRACES
from reports.analysis.names import ARM_NAMES
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of
from reports.pages.drawing import COLORS, NOISE_COLOR

MICROSECONDS = 1e6

NOISE_ARM = "fpn_again"


def keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table with a key per row: the case, and the run where there are several."""
    several = len(set(table["run_id"])) > 1
    keys = table["run_id"] + "/" + table["case_id"] if several else table["case_id"]
    return table.assign(key=keys)


def filters(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the axes that differ, by what they are called, with their values."""
    values: dict[str, list[str]] = {}
    for row in rows_of(table):
        for name, value in _axes(row).items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    return {name: found for name, found in values.items() if len(found) > 1}


def _axes(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the run and the axes of a case, in the words of the options."""
    texts = {axis.option.replace("_", " "): axis.text(row) for axis in AXES}
    return {**texts, "run": str(row["run_id"])}


def timed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cases whose whole calls were timed: where every round was disturbed, none were."""
    return table.dropna(subset=["fpn_s", "panet_s"])


def data(
    files: Sequence[ResultFile],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    folder: Path,
    *,
    with_rounds: bool,
) -> dict[str, Any]:
    """Return what the page's script needs of every case.

    Args:
        files: of the runs.
        frame: of `reports.data.frames.load`.
        table: the cost table, `keyed`.
        folder: of the page.
        with_rounds: whether every round goes into the page.
    """
    traces = {file.run["run_id"]: _traces(file, folder) for file in files}
    rounds = _rounds(frame) if with_rounds else {}
    cases = {
        row["key"]: {
            "axes": _axes(row),
            "command": repeat(row),
            "traces": traces[row["run_id"]].get(row["case_id"], ""),
            "rounds": rounds.get((row["run_id"], row["case_id"]), {}),
        }
        for row in rows_of(table)
    }
    arms = {**ARM_NAMES, NOISE_ARM: "FPN again"}
    colors = {arm: COLORS.get(arm, NOISE_COLOR) for arm in arms}
    return {"cases": cases, "arms": arms, "colors": colors}


def _traces(file: ResultFile, folder: Path) -> dict[str, str]:
    """Return where the traces of a run's cases are, as seen from the folder of the page."""
    found = sorted((file.path.parent / TRACES).glob("*/"))
    return {path.name: Path(os.path.relpath(path, folder)).as_posix() for path in found}


def _rounds(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, list[list[float]]]]:
    """Return the rounds by run and case, and by arm: microseconds, a list per process."""
    found: dict[tuple[str, str], dict[str, list[list[float]]]] = {}
    for row in rows_of(frame[frame["latency_s"].notna()]):
        # Tenths of microseconds: far below what a clock tells.
        micro = [[round(x * MICROSECONDS, 1) for x in r] for r in row["replicates_s"]]
        found.setdefault((row["run_id"], row["case_id"]), {})[row["arm"]] = micro
    return found
