"""The drawings of a report that have a row per case, or a line: cost and noise, slopes, memory.

Every trace carries in ``meta`` the keys of its points' cases, so that the page can hide what its
reader does not want to see.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bench.schema.axis import Axis
from bench.schema.case import AXES, FIELDS, case_name
from bench.schema.text import percent
from reports.analysis.names import ARM_NAMES, MIB
from reports.data.costs import SORTED
from reports.data.rows import case_names, rows_of
from reports.pages.drawing import COLORS, NOISE_COLOR, ROW_PX, bars, blank, log_axis, numbers, sized


def costs(table: pd.DataFrame) -> go.Figure:
    """Return what PANet adds to every case, beside what pure noise adds, with intervals.

    Args:
        table: of `reports.data.costs.cost`, rows with a ratio.
    """
    figure = blank()
    table = _runs_together(table)
    names, rows = _names(table), rows_of(table)
    for column, label, color, symbol in (
        ("aa_ratio", "the same network again (noise)", NOISE_COLOR, "line-ns-open"),
        ("ratio", "FPN + PANet over FPN", COLORS["panet"], "circle"),
    ):
        figure.add_scatter(
            x=numbers((table[column] - 1) * 100),
            y=names,
            error_x=bars(table, column, 100.0),
            mode="markers",
            marker={"color": color, "size": 9, "symbol": symbol},
            name=label,
            meta={"cases": list(table["key"])},
            customdata=[interval(row, column) for row in rows],
            hovertemplate="<b>%{y}</b><br>%{customdata}<extra>" + label + "</extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "color": NOISE_COLOR})
    figure.update_xaxes(title="more time, %")
    figure.update_yaxes(autorange="reversed")
    return sized(figure, height=130 + ROW_PX * len(names))


LINEAR_TIMES = 5
"""That the largest peak is of the smallest: of fewer a logarithmic axis has hardly a label."""

SLOPES = ("channels_last", "compile")
"""Axes that a reader switches: their first choice against the second."""


def slopes(table: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """Yield what an axis changes, for both arms: title and figure.

    Args:
        table: as for `costs`.
    """
    for axis in AXES:
        if axis.option not in SLOPES:
            continue
        figure = blank()
        before, after = names = _first_two(axis)
        for number, pair in enumerate(_pairs(table, axis)):
            _add_slopes(figure, pair, names, legend=number == 0)
        if figure.data:
            figure.update_yaxes(title=f"time, {before} = 1")
            yield f"{before} → {after}", sized(figure, height=380)


def _first_two(axis: Axis) -> list[str]:
    """Return what the first two choices of an axis are called."""
    (field,) = axis.fields
    rows = [{field: value} for value in list(axis.choices.values())[:2]]
    return [axis.label(row) or axis.tag(row) for row in rows]


def _pairs(table: pd.DataFrame, axis: Axis) -> Iterator[list[dict[Any, Any]]]:
    """Yield the cases that differ in an axis alone: in its first two choices."""
    others = ["run_id", *(field for field in FIELDS if field not in axis.fields)]
    found: dict[tuple[Any, ...], dict[Any, dict[Any, Any]]] = {}
    for row in rows_of(table):
        found.setdefault(tuple(row[other] for other in others), {})[axis.value(row)] = row
    first, second, *_ = axis.choices.values()
    for pair in found.values():
        if first in pair and second in pair:
            yield [pair[first], pair[second]]


def _add_slopes(
    figure: go.Figure, pair: Sequence[dict[Any, Any]], names: Sequence[str], *, legend: bool
) -> None:
    for arm, name in ARM_NAMES.items():
        seconds = [row[f"{arm}_s"] for row in pair]
        figure.add_scatter(
            x=names,
            y=[value / seconds[0] for value in seconds],
            mode="lines+markers",
            line={"color": COLORS[arm], "width": 1.5},
            name=name,
            legendgroup=arm,
            showlegend=legend,
            meta={"cases": [row["key"] for row in pair]},
            customdata=[f"{case_name(row)}: {row[f'{arm}_s'] * 1e3:.2f} ms" for row in pair],
            hovertemplate="%{customdata}<br>%{y:.3f}<extra>" + name + "</extra>",
        )


def memory(table: pd.DataFrame) -> go.Figure | None:
    """Return the peaks of tensor memory, FPN beside FPN + PANet; `None` where none is known.

    Args:
        table: as for `costs`.
    """
    known = table.dropna(subset=["fpn_peak_bytes", "panet_peak_bytes"])
    if not len(known):
        return None
    figure = blank()
    known = _runs_together(known)
    names = _names(known)
    # The ring is larger: where both peaks are equal, the point lies in it.
    for arm, symbol, size in (("fpn", "circle-open", 14), ("panet", "circle", 7)):
        figure.add_scatter(
            x=numbers(known[f"{arm}_peak_bytes"].astype(float) / MIB),
            y=names,
            mode="markers",
            marker={
                "color": COLORS[arm],
                "size": size,
                "symbol": symbol,
                "line": {"width": 2 * (arm == "fpn")},
            },
            name=ARM_NAMES[arm],
            meta={"cases": list(known["key"])},
            hovertemplate="<b>%{y}</b><br>%{x:.1f} MiB<extra>" + ARM_NAMES[arm] + "</extra>",
        )
    peaks = known["panet_peak_bytes"]
    apart = peaks.min() > 0 and peaks.max() / peaks.min() > LINEAR_TIMES
    figure.update_xaxes(**(log_axis("MiB") if apart else {"title": "MiB", "rangemode": "tozero"}))
    figure.update_yaxes(autorange="reversed")
    return sized(figure, height=130 + ROW_PX * len(names))


def stages(table: pd.DataFrame) -> go.Figure:
    """Return where the time of FPN + PANet goes, case by case: its stages, stacked.

    Args:
        table: of `reports.data.profile_frames.stages`.
    """
    own = table[(table["arm"] == "panet") & table["time_s"].notna()]
    figure = blank()
    for part in COLORS:
        rows = own[own["part"] == part]
        if len(rows):
            figure.add_bar(
                y=rows["case_id"],
                x=rows["time_s"] * 1e3,
                orientation="h",
                name=part,
                marker={"color": COLORS[part], "line": {"width": 0.5, "color": "white"}},
                customdata=rows["stage"],
                hovertemplate="<b>%{customdata}</b><br>%{x:.2f} ms<extra>%{y}</extra>",
            )
    figure.update_xaxes(title="ms")
    figure.update_yaxes(autorange="reversed")
    sized(figure, height=130 + ROW_PX * own["case_id"].nunique())
    return figure.update_layout(barmode="stack")


def _runs_together(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows so that those of one case stand together, run by run."""
    return table.sort_values([*SORTED, "run_id"], kind="stable")


def _names(table: pd.DataFrame) -> list[str]:
    """Name every row: the case, and the run where there are several."""
    names = case_names(table)
    if len(set(table["run_id"])) < 2:
        return names
    return [f"{name}, {run}" for name, run in zip(names, table["run_id"], strict=True)]


def interval(row: dict[Any, Any], column: str) -> str:
    """Return a ratio and its interval as percent more."""
    value, low, high = (row[f"{column}{bound}"] for bound in ("", "_low", "_high"))
    said = percent(value - 1, 2, signed=True)
    return said if pd.isna(low) else f"{said} ({(low - 1) * 100:+.2f} to {(high - 1) * 100:+.2f})"
