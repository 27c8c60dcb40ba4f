"""What the price of PANet could buy instead, as blocks of a page."""

from collections.abc import Iterator

import pandas as pd

from bench.schema.case import case_name
from bench.schema.text import percent
from reports.analysis import breakeven
from reports.analysis.breakeven import Limits
from reports.analysis.names import ARM_NAMES
from reports.data.rows import rows_of
from reports.pages.page import Block, Section, Table

BUYS = (
    "Interpolated between measured cases that differ in one axis alone, and never beyond them; "
    "intervals follow from those of the latencies."
)


def section(table: pd.DataFrame, limits: Limits) -> Section:
    """Return what the price of PANet could buy instead.

    Args:
        table: of `reports.data.costs.cost`, rows with a ratio, with pixels.
        limits: of the questions.
    """
    blocks = [*_largest(table, limits), *_larger_image(table), *_deeper_backbone(table)]
    return Section("buys", "What it could buy instead", [BUYS] if blocks else [], [], blocks)


def sentences(table: pd.DataFrame, limits: Limits) -> Iterator[str]:
    """Yield what fits within the limits, a line each; as for `section`, of all rows."""
    table = breakeven.with_pixels(table)
    rows = [row for along in breakeven.ALONG for row in _largest_rows(table, along, limits)]
    if not rows:
        yield "--within: no two cases differ in batch or resolution alone, so none is the largest."
    for question, name, fpn, panet in rows:
        yield f"{question}, {name}: FPN {fpn}; FPN + PANet {panet}"


def _largest(table: pd.DataFrame, limits: Limits) -> Iterator[Block]:
    rows = [row for along in breakeven.ALONG for row in _largest_rows(table, along, limits)]
    if rows:
        columns = ("question", "otherwise as", "FPN", "FPN + PANet")
        yield Block("Largest within a limit", tables=[Table(columns, rows)])


def _larger_image(table: pd.DataFrame) -> Iterator[Block]:
    rows = [
        [case_name(row), _share(growth)]
        for _, group in breakeven.groups(table, "pixels")
        for row in rows_of(group)
        if (growth := breakeven.equal_resolution(group, row)) is not None
    ]
    if rows:
        note = "Side of the image by which FPN alone could grow for the price of PANet."
        tables = [Table(("case", "larger by"), rows)]
        yield Block("PANet, or a larger image", note, tables=tables, wide=False)


def _deeper_backbone(table: pd.DataFrame) -> Iterator[Block]:
    rows = [
        [case_name(row), backbone, _share(share)]
        for row, backbone, share in breakeven.deeper(table)
    ]
    if rows:
        note = "What PANet costs, as a share of what the next dearer backbone would, with FPN."
        tables = [Table(("case", "instead", "of its price"), rows)]
        yield Block("PANet, or a deeper backbone", note, tables=tables, wide=False)


def _share(shares: tuple[float, float, float]) -> str:
    value, low, high = shares
    return f"{percent(value, 0)} ({percent(low, 0)} to {percent(high, 0)})"


def _largest_rows(table: pd.DataFrame, along: str, limits: Limits) -> Iterator[list[str]]:
    questions = (
        ("s", limits.seconds, f"within {limits.seconds * 1e3:.3g} ms"),
        ("peak_bytes", limits.nbytes, f"within {limits.nbytes / 2**30:.3g} GiB"),
    )
    for _, rows in breakeven.groups(table, along):
        for column, limit, words_of_limit in questions:
            if rows[[f"{arm}_{column}" for arm in ARM_NAMES]].isna().any(axis=None):
                continue
            found = breakeven.largest(rows, along, column, limit)
            question = f"largest {breakeven.ALONG[along]} {words_of_limit}"
            name = case_name(rows.iloc[0].to_dict())
            yield [question, name, *map(_how_large, found)]


def _how_large(found: breakeven.Largest) -> str:
    if found.value is None:
        return "none that was measured"
    text = _one_size(found.along, found.value)
    if found.beyond:
        return f"{text} or more"
    if found.low is None or found.high is None:
        return text
    return f"{text} ({_one_size(found.along, found.low)} to {_one_size(found.along, found.high)})"


def _one_size(along: str, value: float) -> str:
    return f"{int(value)}" if along == "batch_size" else "{0}x{0}".format(int(value**0.5))
