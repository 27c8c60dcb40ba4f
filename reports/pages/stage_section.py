"""The section on the stages of every call: how long each takes, read inside the calls."""

from collections.abc import Iterator

import pandas as pd
import plotly.graph_objects as go

from bench.schema.case import case_name
from reports.analysis.readable import plus_minus
from reports.pages import drawing
from reports.pages.drawing import COLORS, NOISE_COLOR, ROW_PX, numbers
from reports.pages.page import Block, Section, Table

HOW = (
    "Time of each stage of FPN + PANet, between two readings of the clock inside the call: median "
    "over calls, mean over processes, with its 95 % interval. No profiler was running."
)


def section(found: pd.DataFrame, table: pd.DataFrame) -> Section:
    """Return what the stages of FPN + PANet take; empty where no call was split.

    Args:
        found: of `reports.data.stages.stages`, of FPN + PANet.
        table: the cost table, with keys.
    """
    found = found.merge(table, on=["run_id", "case_id"])
    blocks = [*_blocks(found)] if len(found) else []
    return Section("stages", "Where the time goes", [], [], blocks)


def _blocks(found: pd.DataFrame) -> Iterator[Block]:
    yield Block("Share of a call, by stage", HOW, drawing.html(_shares(found)))
    tables = [_table(rows) for _, rows in found.groupby("key", sort=False)]
    yield Block("Milliseconds, by stage", "", tables=tables)


def _table(rows: pd.DataFrame) -> Table:
    records = rows.to_dict("records")
    return Table(
        ("stage", "ms", "share of the call"),
        [
            [
                str(row["stage"]),
                plus_minus(row, "time_s", 1e3, 2),
                plus_minus(row, "share", 1e2, 1) + " %",
            ]
            for row in records
        ],
        case_name(records[0]),
    )


def _shares(found: pd.DataFrame) -> go.Figure:
    """Return a bar per case, cut into stages, which are coloured by their part."""
    figure = go.Figure()
    keys = list(dict.fromkeys(found["key"]))
    for stage, rows in found.groupby("stage", sort=False):
        figure.add_bar(
            x=numbers(rows["share"] * 100),
            y=[case_name(row) for row in rows.to_dict("records")],
            orientation="h",
            name=str(stage),
            marker={
                "color": COLORS.get(str(stage).partition(" ")[0], NOISE_COLOR),
                "line": {"width": 1, "color": "rgba(255,255,255,0.7)"},
            },
            meta={"cases": list(rows["key"])},
            customdata=[plus_minus(row, "time_s", 1e3, 2) for row in rows.to_dict("records")],
            hovertemplate="<b>%{y}</b><br>%{x:.1f} % of the call, %{customdata} ms"
            f"<extra>{stage}</extra>",
            showlegend=False,
        )
    figure.update_xaxes(title="of the call, %", range=[0, 100])
    figure.update_yaxes(autorange="reversed")
    return drawing.plain(figure, height=90 + ROW_PX * len(keys)).update_layout(barmode="stack")
