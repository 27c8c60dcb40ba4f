"""The sections of the report that the cost table is made into, and what others report."""

from collections.abc import Iterator, Sequence

import pandas as pd

from reports.analysis import closeness, compilation
from reports.analysis.names import ARM_NAMES, Row
from reports.data import published
from reports.data.rows import rows_of
from reports.pages import cost_cases, cost_plots, drawing, size_plots
from reports.pages.page import Block, Section, Table

OTHERS = (
    "Published figures of others, on other machines and in other networks; none of them is ours."
)


def cost(table: pd.DataFrame) -> Section:
    """Return the drawings of the cost.

    Args:
        table: of `reports.data.costs.cost`, rows with a ratio, with keys and pixels.
    """
    blocks = [*_blocks(table)] if len(table) else []
    return Section("cost", "What it costs", [], [], blocks)


def _blocks(table: pd.DataFrame) -> Iterator[Block]:
    yield Block(
        "Cost and noise",
        "A difference is worth believing when its interval is clear of 0 and of the noise.",
        drawing.html(cost_plots.costs(table)),
    )
    for title, figure in size_plots.heat_maps(table):
        yield Block(f"Over resolution and batch: {title}", "", drawing.html(figure), wide=False)
    timed = cost_cases.timed(table)
    for title, says, figure in size_plots.latency_lines(timed):
        yield Block(f"Latency over pixels: {title}", says, drawing.html(figure), wide=False)
    for title, figure in cost_plots.slopes(timed):
        yield Block(f"From {title}", "", drawing.html(figure), wide=False)
    peaks = cost_plots.memory(table)
    if peaks is not None:
        note = "Of one call, without weights and inputs."
        yield Block("Peak of tensor memory", note, drawing.html(peaks))


def compiling(frame: pd.DataFrame) -> Section:
    """Return what compiling and exporting cost, of `reports.data.frames.load`."""
    found = compilation.table(frame)
    sentences = list(compilation.sentences(found))
    close = [row for row in rows_of(found) if row["level_differences"]]
    blocks = [_close(close)] if close else []
    return Section("compiling", "What compiling and exporting cost", sentences, [], blocks)


def _close(rows: Sequence[Row]) -> Block:
    """Return how close every arm is to eager float32, a line each."""
    heads, cells = closeness.levels(rows)
    named = ([row["name"], ARM_NAMES[row["arm"]]] for row in rows)
    lines = [[*names, *off] for names, off in zip(named, cells, strict=True)]
    table = Table(("case", "network", *heads), lines, closeness.CAPTION)
    return Block("The same work", tables=[table])


def others() -> Section:
    """Return what others report."""
    rows = [[f.what, f.fpn, f.panet, f.gain, f.source] for f in published.figures()]
    table = Table(("what", "FPN", "with PANet", "difference", "source"), rows)
    return Section("others", "What others report", [OTHERS], [], [Block("", tables=[table])])
