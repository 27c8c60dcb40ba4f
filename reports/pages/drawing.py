"""What every drawing of ours has in common: colours, background, intervals, tool bar."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from reports.pages import page

GRID = "rgba(128,128,128,0.3)"

COLORS = {"backbone": "#7f7f7f", "fpn": "#0072b2", "panet": "#d55e00"}
"""Of Okabe and Ito: the colour-blind tell them apart."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of the same, for what has no colour of its own."""

NOISE_COLOR = "#7f7f7f"

LAYOUT = {
    "margin": {"l": 10, "r": 10, "t": 10, "b": 40},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    "font": {"family": "system-ui, sans-serif"},
    "barmode": "group",
}
"""Of a figure that does not say otherwise."""

AXIS = {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True}

NO_TEMPLATE = {"data": {"scatter": [{"type": "scatter"}]}}
"""plotly's own ``none``; the one that it takes by default is 7 KB a figure."""

MOST_TIMES = 500
"""That an axis spans with three labels per decade."""

MOST_PLAIN = 50_000
"""Characters of a figure that are in the page as they are; more are packed, to a tenth."""

ROW_PX = 26
"""Height of a case in a drawing that has a row per case."""


def blank() -> go.Figure:
    """Return a figure with nothing in it, not even plotly's template: that is copied every time."""
    return go.Figure(layout={"template": NO_TEMPLATE})


def html(figure: go.Figure) -> str:
    """Return a figure as part of a page, which draws it when it comes near.

    What all drawings have in common is added here, in one go: plotly checks every property that a
    figure is given, which took longer than all the rest of it.
    """
    drawn = figure.to_dict()
    drawn["layout"] = _plain(drawn["layout"])
    data, kind = to_json_plotly(drawn), ""
    if len(data) > MOST_PLAIN:
        data, kind = page.packed(data), " data-packed"
    data = data.replace("<", "\\u003c")  # which nothing in it can close
    return (
        f'<div class="drawing" style="min-height: {figure.layout.height}px">'
        f'<script type="application/json"{kind}>{data}</script></div>'
    )


def _plain(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layout that leaves the background to the page, which may be dark."""
    axes = {"xaxis", "yaxis"} | {name for name in layout if re.fullmatch(r"[xy]axis\d+", name)}
    of_axes = {name: AXIS | layout.get(name, {}) for name in axes}
    return LAYOUT | {**layout, **of_axes, "template": NO_TEMPLATE}


def color_of(name: str, rank: int = 0) -> str:
    """Return the colour of a part or an arm; of what has none the one of its rank."""
    return COLORS.get(name, PALETTE[rank % len(PALETTE)])


def sized(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure its height in pixels; its width is that of the page."""
    figure.layout.height = height
    return figure


def log_axis(title: str, times: float = 1.0) -> dict[str, Any]:
    """Return a logarithmic axis with 1, 2 and 5 of every decade, written out: 5, 10, 20.

    Args:
        title: of the axis.
        times: how often the largest value is the smallest; of many decades a phone has room for
            their first numbers alone.
    """
    step: str | int = 1 if times > MOST_TIMES else "D2"
    return {"title": title, "type": "log", "dtick": step, "tickformat": "~g"}


def bars(rows: pd.DataFrame, column: str, scale: float) -> dict[str, Any]:
    """Return the intervals of a column as error bars; nothing where there are none."""
    if f"{column}_high" not in rows:
        return {"visible": False}
    high = (rows[f"{column}_high"] - rows[column]).astype(float).fillna(0.0)
    low = (rows[column] - rows[f"{column}_low"]).astype(float).fillna(0.0)
    return {
        "type": "data",
        "array": numbers(high * scale),
        "arrayminus": numbers(low * scale),
        "thickness": 1.5,
    }


def numbers(values: "pd.Series[float]") -> list[float]:
    """Return plain numbers, which the page's script can choose from; arrays would be packed."""
    return [float(value) for value in values]
