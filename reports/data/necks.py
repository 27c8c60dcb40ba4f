"""The necks that took turns beside FPN (``--necks``): a row per neck and case.

>>> necks("reports/reference").empty  # that run had none
True
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.case import AXES
from bench.schema.files import NECKS
from bench.schema.recipe import NECK_AGAIN, NECK_BASE
from bench.stats.beside import Beside, beside_base
from reports.data import extra_arms, frames
from reports.data.errors import ReportError
from reports.data.extra_arms import ExtraCase
from reports.data.result_files import Paths, ResultFile, read_all

NECK_COLUMNS = {
    "run_id": frames.COLUMNS["run_id"],
    **{name: (axis.kind, says) for axis in AXES for name, says in axis.columns.items()},
    "case_id": frames.COLUMNS["case_id"],
    "neck": ("string", "a name of `panet.necks`; fpn_again is FPN once more: the noise"),
    "call_s": ("Float64", "seconds of a call: median over rounds, mean over processes"),
    "call_s_low": ("Float64", "lower end of its 95 % interval, seconds"),
    "call_s_high": ("Float64", "upper end, seconds"),
    "ratio": ("Float64", "of whole calls that took turns, over those of FPN"),
    "ratio_low": ("Float64", "lower end of its 95 % interval"),
    "ratio_high": ("Float64", "upper end"),
    "params": ("Int64", "number of parameters"),
    "macs": ("Int64", "multiply-accumulates of the forward pass of one call"),
    "macs_ratio": ("Float64", "over those of FPN: what arithmetic alone would predict"),
    "macs_per_s": ("Float64", "multiply-accumulates a second; of inference alone"),
    "peak_bytes": ("Int64", "bytes of tensor memory at the peak, without weights and inputs"),
    "replicates": ("Int64", "the processes that count"),
    "reason": ("string", "why there is none"),
}
"""Of `necks`: name -> type, and meaning with unit. Missing values are `pandas.NA`."""


def necks(paths: Paths) -> pd.DataFrame:
    """Return one row per neck and case of some runs; none of runs without ``--necks``.

    Args:
        paths: of one run, or a list of several: folders of runs, or their result files.

    Returns:
        A frame with the columns `NECK_COLUMNS`.

    Raises:
        ReportError: a file cannot be read.
    """
    rows = [row for file in read_all(paths) for row in _rows(file)]
    return frames.typed(rows, NECK_COLUMNS)


def of_files(files: Iterable[ResultFile]) -> tuple[pd.DataFrame, list[str]]:
    """Return what `necks` returns, of files that were read already, and what is damaged of it."""
    rows, damaged = list[dict[str, Any]](), list[str]()
    for file in files:
        try:
            rows += _rows(file)
        except ReportError as error:
            damaged.append(str(error))
    return frames.typed(rows, NECK_COLUMNS), damaged


def _rows(file: ResultFile) -> Iterator[dict[str, Any]]:
    path = file.path.parent / NECKS
    cases = extra_arms.load(path.parent, NECKS)
    of_run = {"run_id": str(file.run["run_id"])}
    try:
        calls = [[stats.Calls(rounds) for rounds in case.replicates] for case in cases]
        for case, found in zip(cases, beside_base(calls, NECK_BASE, NECK_AGAIN), strict=True):
            of_case = {**of_run, **case.case.to_json(), "case_id": case.case.case_id}
            of_case |= {"replicates": len(case.replicates), "reason": case.reason}
            for neck in case.facts:
                yield of_case | {"neck": neck} | _neck_row(case, neck, found.get(neck))
            for neck, why in case.left_out.items():
                said = {"replicates": 0, "reason": f"{why.status}: {why.reason}"}
                yield of_case | {"neck": neck} | said
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error


def _neck_row(case: ExtraCase, neck: str, found: Beside | None) -> dict[str, Any]:
    facts, base_macs = case.facts[neck], case.facts[NECK_BASE]["macs"]
    macs = facts["macs"]
    row: dict[str, Any] = {**facts}
    if macs and base_macs:
        row["macs_ratio"] = macs / base_macs
    if found is None:
        return row
    if macs and case.case.pass_name == "inference":  # a training step executes more than these
        row["macs_per_s"] = macs / found.call_s.value
    return row | frames.columns("call_s", found.call_s) | frames.columns("ratio", found.ratio)
