"""The section on the stages of every call: how long each takes, read inside the calls."""

from collections.abc import Iterator, Sequence

import pandas as pd
import plotly.graph_objects as go

from bench.schema.case import case_name
from reports.analysis.names import Row
from reports.analysis.readable import plus_minus
from reports.data.rows import rows_of
from reports.pages import drawing
from reports.pages.drawing import COLORS, NOISE_COLOR, ROW_PX
from reports.pages.page import Block, Section, Table

HOW = (
    "Time of each stage of FPN + PANet, between two readings of the clock inside the call: median "
    "over calls, mean over processes, with its 95 % interval. No profiler was running."
)

MOST_ON_PAPER = 60
"""Cases: of more, a bar on a sheet is thinner than the lines between its stages."""


def section(found: pd.DataFrame, table: pd.DataFrame) -> Section:
    """Return what the stages of FPN + PANet take; empty where no call was split.

    Args:
        found: of `reports.data.stages.stages`, of FPN + PANet.
        table: the cost table, with keys.
    """
    rows = rows_of(found.merge(table, on=["run_id", "case_id"]))
    blocks = [*_blocks(rows)] if rows else []
    return Section("stages", "Where the time goes", [], [], blocks)


def _blocks(rows: Sequence[Row]) -> Iterator[Block]:
    cases = _grouped(rows, "key").values()
    few = len(cases) <= MOST_ON_PAPER
    yield Block("Share of a call, by stage", HOW, drawing.html(_shares(rows)), paper=few)
    tables = [_table(of_case) for of_case in cases]
    yield Block("Milliseconds, by stage", "", tables=tables)


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row[column]), []).append(row)
    return found


def _table(rows: Sequence[Row]) -> Table:
    return Table(
        ("stage", "ms", "share of the call"),
        [
            [
                str(row["stage"]),
                plus_minus(row, "time_s", 1e3, 2),
                plus_minus(row, "share", 1e2, 1) + " %",
            ]
            for row in rows
        ],
        case_name(rows[0]),
    )


def _shares(rows: Sequence[Row]) -> go.Figure:
    """Return a bar per case, cut into stages, which are coloured by their part."""
    figure = drawing.blank()
    for stage, of_stage in _grouped(rows, "stage").items():
        figure.add_bar(
            x=[row["share"] * 100 for row in of_stage],
            y=[case_name(row) for row in of_stage],
            orientation="h",
            name=stage,
            marker={
                "color": COLORS.get(stage.partition(" ")[0], NOISE_COLOR),
                "line": {"width": 1, "color": "rgba(255,255,255,0.7)"},
            },
            meta={"cases": [row["key"] for row in of_stage]},
            customdata=[plus_minus(row, "time_s", 1e3, 2) for row in of_stage],
            hovertemplate="<b>%{y}</b><br>%{x:.1f} % of the call, %{customdata} ms"
            f"<extra>{stage}</extra>",
            showlegend=False,
        )
    figure.update_xaxes(title="of the call, %", range=[0, 100])
    figure.update_yaxes(autorange="reversed")
    return drawing.sized(figure, height=90 + ROW_PX * len(_grouped(rows, "key"))).update_layout(
        barmode="stack"
    )
