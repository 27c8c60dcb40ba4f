"""The price list: what each part of the paper costs beside the AP that the paper says it brings.

The bottom-up path's price is that of the cases ``neck``, the others' that of the cases ``heads``
(the further arms in ``heads.json``); eager and compiled cases that are alike otherwise share a row.

>>> prices([], frames.typed([], frames.COLUMNS), costs.cost(frames.typed([], frames.COLUMNS))).empty
True
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.case import FIELDS, Case
from bench.schema.files import HEADS
from bench.schema.paper_parts import PAPER_PARTS, PaperPart, added
from bench.stats.beside import Beside, besides
from reports.data import extra_arms, frames
from reports.data.extra_arms import ExtraCase
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of

Key = tuple[Any, ...]

Price = dict[str, Any]
"""Of a part: some of the columns."""

PLACE = tuple(name for name in FIELDS if name not in ("scope", "compile_mode", "boxes"))
"""The axes that a row of the list has: eager and compiled, neck and heads meet in it."""

TIMES = {"off": "eager_s", "default": "compiled_s"}
"""Of the axis ``compile_mode`` -> column."""

COUNTED = ("params", "macs", "peak_bytes")

PRICE_COLUMNS = {
    "run_id": frames.COLUMNS["run_id"],
    "case_id": ("string", "of the heads, eager: all axes in one name"),
    **{name: frames.COLUMNS[name] for name in PLACE},
    "boxes": ("Int64", "proposals per image; the neck's price does not depend on it"),
    "part": ("string", "of the paper"),
    "letter": ("string", "of the paper's figure 2"),
    "mask_ap": ("Float64", "points of mask AP that it brings, by the paper's table 3"),
    "box_ap": ("Float64", "points of box AP; missing: it is not told"),
    "table_rows": ("string", "the mask AP of the two rows of table 3 that these are between"),
    **frames.interval_types(
        {
            "eager_s": "seconds that it adds to a call",
            "compiled_s": "seconds that it adds to a compiled call",
        },
        "Float64",
    ),
    "params": ("Int64", "parameters that it adds"),
    "macs": ("Int64", "multiply-accumulates that it adds"),
    "peak_bytes": ("Int64", "bytes of tensor memory that it adds to the peak of an eager call"),
}
"""Of `prices`: name -> type, and meaning with unit. Missing values are `pandas.NA`."""


def prices(files: Iterable[ResultFile], frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per part, place and number of boxes; none where no heads were measured.

    Args:
        files: of the runs.
        frame: of `reports.data.frames.frame_of`.
        table: of `reports.data.costs.cost`.

    Returns:
        A frame with the columns `PRICE_COLUMNS`.

    Raises:
        ReportError: a file is damaged.
    """
    rows: list[dict[str, Any]] = []
    for file in files:
        run_id = str(file.run["run_id"])
        of_run = (every[every["run_id"] == run_id] for every in (frame, table))
        necks = _neck_prices(*of_run)
        for case, of_arms in _head_prices(extra_arms.load(file.path.parent, HEADS)).items():
            rows += _rows({"run_id": run_id}, case, of_arms, necks)
    return frames.typed(rows, PRICE_COLUMNS)


def _rows(
    of_run: Mapping[str, Any], case: Case, of_arms: Mapping[str, Price], necks: Mapping[Key, Price]
) -> Iterator[dict[str, Any]]:
    axes = case.to_json()
    for part in PAPER_PARTS:
        price = necks.get(_place(axes)) if part.scope == "neck" else of_arms.get(part.arm)
        yield {**of_run, **axes, "case_id": case.case_id, **_told(part), **(price or {})}


def _place(axes: Mapping[Any, Any]) -> Key:
    return tuple(axes[name] for name in PLACE)


def _told(part: PaperPart) -> dict[str, Any]:
    told = {"part": part.name, "letter": part.letter, "table_rows": part.rows}
    return told | {"mask_ap": part.mask_ap, "box_ap": part.box_ap}


def _head_prices(cases: Sequence[ExtraCase]) -> dict[Case, dict[str, Price]]:
    """Return for every case, as if eager, the price of every arm, eager and compiled in one."""
    calls = [[stats.Calls(rounds) for rounds in case.replicates] for case in cases]
    found = {arm: (before, besides(calls, arm, before)) for arm, before in added()}
    prices: dict[Case, dict[str, Price]] = {}
    for index, case in enumerate(cases):
        eager = replace(case.case, compile_mode="off")
        of_arms = prices.setdefault(eager, {})
        for arm, (before, of_cases) in found.items():
            price = of_arms.setdefault(arm, {})
            price |= _timed(case.case.compile_mode, of_cases[index])
            if case.case == eager:
                price |= _counted(case.facts.get(arm, {}), case.facts.get(before[0], {}))
    return prices


def _timed(compile_mode: str, found: Beside | None) -> Price:
    name = TIMES.get(compile_mode)
    return {} if found is None or name is None else frames.columns(name, found.difference_s)


def _counted(ours: Mapping[str, float | None], before: Mapping[str, float | None]) -> Price:
    """Return what an arm has more than the one before it, of what is known of both."""
    known = {name: (ours.get(name), before.get(name)) for name in COUNTED}
    return {
        name: with_part - without
        for name, (with_part, without) in known.items()
        if with_part is not None and without is not None
    }


def _neck_prices(frame: pd.DataFrame, table: pd.DataFrame) -> dict[Key, Price]:
    """Return for every place the price of the bottom-up path there, of one run."""
    prices: dict[Key, Price] = {}
    counted = {(row["case_id"], row["arm"]): row for row in rows_of(frame)}
    for row in rows_of(table[table["scope"] == "neck"]):
        name = TIMES.get(str(row["compile_mode"]))
        arms = [counted.get((row["case_id"], arm)) for arm in ("panet", "fpn")]
        if name is None or None in arms:
            continue
        price = prices.setdefault(_place(row), {})
        price |= {f"{name}{end}": row[f"difference_s{end}"] for end in ("", "_low", "_high")}
        if name == TIMES["off"]:
            price |= _counted(*({key: _known(arm[key]) for key in COUNTED} for arm in arms if arm))
    return prices


def _known(value: Any) -> int | None:  # noqa: ANN401 - of a frame
    return None if pd.isna(value) else int(value)
