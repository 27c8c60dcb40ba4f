"""The drawings over batch and resolution: heat maps of the cost, latency over pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bench.schema.case import FIELDS, case_name
from bench.schema.text import change
from reports.analysis import breakeven
from reports.analysis.names import ARM_NAMES
from reports.data.rows import case_names, rows_of
from reports.pages.cost_plots import interval
from reports.pages.drawing import COLORS, bars, blank, numbers, sized

SIZE = {"batch_size", "height_px", "width_px"}
"""Axes that the drawings run over."""

MEGAPIXEL = breakeven.MEGAPIXEL


def heat_maps(table: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """Yield the cost over resolution and batch, a title and a figure for every other axis value.

    Args:
        table: as for `costs`, with pixels.
    """
    fixed = [field for field in FIELDS if field not in SIZE]
    top = float((table["ratio"] - 1).max()) * 100 if len(table) else 0.0
    for _, rows in table.groupby(["run_id", *fixed], sort=False, observed=True):
        if len(rows) > 2 and (rows["batch_size"].nunique(), rows["pixels"].nunique()) != (1, 1):
            yield _title(rows.iloc[0].to_dict(), table), _heat_map(rows, top)


def _heat_map(rows: pd.DataFrame, top: float) -> go.Figure:
    """Return the map of one group; all maps of a page have one scale, from 0 to ``top`` percent."""
    ordered = rows_of(rows.sort_values(["pixels", "batch_size"]))
    sizes = list(dict.fromkeys(map(_size, ordered)))
    batches = sorted(set(rows["batch_size"]))
    cells = {(_size(row), row["batch_size"]): row for row in ordered}
    grid = [[cells.get((size, batch)) for size in sizes] for batch in batches]
    figure = go.Figure(
        go.Heatmap(
            x=sizes,
            y=[f"batch {batch}" for batch in batches],
            z=[
                [None if cell is None else (cell["ratio"] - 1) * 100 for cell in row]
                for row in grid
            ],
            text=[["" if c is None else change(c["ratio"]) for c in row] for row in grid],
            texttemplate="%{text}",
            customdata=[[None if c is None else interval(c, "ratio") for c in row] for row in grid],
            hovertemplate="%{x}, %{y}<br>%{customdata}<extra></extra>",
            colorscale="Cividis",
            zmin=0,
            zmax=max(top, 1.0),
            colorbar={"title": "adds, %"},
            meta={"cases": [[None if c is None else c["key"] for c in row] for row in grid]},
        )
    )
    return sized(figure, height=120 + 46 * len(batches))


TOO_FEW = "A third size would tell the fixed cost of a call: two are always on a line."


def latency_lines(table: pd.DataFrame) -> Iterator[tuple[str, str, go.Figure]]:
    """Yield latency against the pixels of a call: title, what the lines say, figure.

    Args:
        table: as for `heat_maps`.
    """
    for _, rows in breakeven.groups(table, "pixels"):
        figure, says, names = blank(), list[str](), case_names(rows)
        pixels = rows["pixels"] * rows["batch_size"] / MEGAPIXEL
        for arm, name in ARM_NAMES.items():
            figure.add_scatter(
                x=numbers(pixels),
                y=numbers(rows[f"{arm}_s"] * 1e3),
                error_y=bars(rows, f"{arm}_s", 1e3),
                mode="markers",
                marker={"color": COLORS[arm], "size": 9},
                name=name,
                meta={"cases": list(rows["key"])},
                customdata=names,
                hovertemplate="%{customdata}<br><b>%{y:.3f} ms</b><extra>" + name + "</extra>",
            )
            line = breakeven.line(rows, arm)
            if line is not None:
                ends = np.array([pixels.min(), pixels.max()])
                figure.add_scatter(
                    x=ends,
                    y=(line.fixed_s + line.per_megapixel_s * ends) * 1e3,
                    mode="lines",
                    line={"color": COLORS[arm], "width": 1, "dash": "dot"},
                    showlegend=False,
                    hoverinfo="skip",
                )
                says.append(f"{name}: {line}")
        figure.update_xaxes(title="megapixels of a call", rangemode="tozero")
        figure.update_yaxes(title="ms", rangemode="tozero")
        first = rows.iloc[0].to_dict()
        title = f"{_title(first, table)}, batch {first['batch_size']}"
        yield title, "; ".join(says) or TOO_FEW, sized(figure, height=340)


def _size(row: dict[Any, Any]) -> str:
    return f"{row['height_px']}x{row['width_px']}"


def _title(row: dict[Any, Any], table: pd.DataFrame) -> str:
    """Name a group of cases by one of them, and the run where there are several."""
    run = f", {row['run_id']}" if len(set(table["run_id"])) > 1 else ""
    return case_name(row, SIZE) + run
