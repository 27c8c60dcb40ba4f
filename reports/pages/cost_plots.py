"""The drawings of a report: cost and noise, heat maps, latency over pixels, slopes.

Every trace carries in ``meta`` the keys of its points' cases, so that the page can hide what its
reader does not want to see.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis import breakeven
from reports.analysis.names import ARM_NAMES, MIB, case_name
from reports.data.frames import AXES
from reports.pages.page import COLORS, plain

NOISE_COLOR = "#7f7f7f"

ROW_PX = 26
"""Height of a case in the drawing of costs."""

MEGAPIXEL = breakeven.MEGAPIXEL


def costs(table: pd.DataFrame) -> go.Figure:
    """Return what PANet adds to every case, beside what pure noise adds, with intervals.

    Args:
        table: of `reports.data.costs.cost`, rows with a ratio.
    """
    figure = go.Figure()
    table = _runs_together(table)
    names = _names(table)
    for column, label, color, symbol in (
        ("aa_ratio", "the same network again (noise)", NOISE_COLOR, "line-ns-open"),
        ("ratio", "FPN + PANet over FPN", COLORS["panet"], "circle"),
    ):
        figure.add_scatter(
            x=_list((table[column] - 1) * 100),
            y=names,
            error_x=_bars(table, column, 100.0),
            mode="markers",
            marker={"color": color, "size": 9, "symbol": symbol},
            name=label,
            meta={"cases": list(table["key"])},
            customdata=[_interval(row, column) for row in table.to_dict("records")],
            hovertemplate="<b>%{y}</b><br>%{customdata}<extra>" + label + "</extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "color": NOISE_COLOR})
    figure.update_xaxes(title="more time, %")
    figure.update_yaxes(autorange="reversed")
    return plain(figure, height=130 + ROW_PX * len(names))


def heat_maps(table: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """Yield the cost over resolution and batch, a title and a figure for every other axis value.

    Args:
        table: as for `costs`, with pixels.
    """
    fixed = [axis for axis in AXES if axis not in ("batch_size", "height_px", "width_px")]
    top = float((table["ratio"] - 1).max()) * 100 if len(table) else 0.0
    for _, rows in table.groupby(["run_id", *fixed], sort=False, observed=True):
        if len(rows) > 2 and (rows["batch_size"].nunique(), rows["pixels"].nunique()) != (1, 1):
            yield _title(rows.iloc[0].to_dict(), table), _heat_map(rows, top)


def _heat_map(rows: pd.DataFrame, top: float) -> go.Figure:
    """Return the map of one group; all maps of a page have one scale, from 0 to ``top`` percent."""
    ordered = rows.sort_values(["pixels", "batch_size"])
    sizes = list(dict.fromkeys(map(_size, ordered.to_dict("records"))))
    batches = sorted(set(rows["batch_size"]))
    cells = {(_size(row), row["batch_size"]): row for row in ordered.to_dict("records")}
    grid = [[cells.get((size, batch)) for size in sizes] for batch in batches]
    figure = go.Figure(
        go.Heatmap(
            x=sizes,
            y=[f"batch {batch}" for batch in batches],
            z=[
                [None if cell is None else (cell["ratio"] - 1) * 100 for cell in row]
                for row in grid
            ],
            text=[
                ["" if c is None else f"+{(c['ratio'] - 1) * 100:.1f} %" for c in row]
                for row in grid
            ],
            texttemplate="%{text}",
            customdata=[
                [None if c is None else _interval(c, "ratio") for c in row] for row in grid
            ],
            hovertemplate="%{x}, %{y}<br>%{customdata}<extra></extra>",
            colorscale="Cividis",
            zmin=0,
            zmax=max(top, 1.0),
            colorbar={"title": "adds, %"},
            meta={"cases": [[None if c is None else c["key"] for c in row] for row in grid]},
        )
    )
    return plain(figure, height=120 + 46 * len(batches))


def latency_lines(table: pd.DataFrame) -> Iterator[tuple[str, str, go.Figure]]:
    """Yield latency against the pixels of a call: title, what the lines say, figure.

    Args:
        table: as for `heat_maps`.
    """
    for _, rows in breakeven.groups(table, "pixels"):
        figure, said = go.Figure(), []
        pixels = rows["pixels"] * rows["batch_size"] / MEGAPIXEL
        for arm, name in ARM_NAMES.items():
            figure.add_scatter(
                x=_list(pixels),
                y=_list(rows[f"{arm}_s"] * 1e3),
                error_y=_bars(rows, f"{arm}_s", 1e3),
                mode="markers",
                marker={"color": COLORS[arm], "size": 9},
                name=name,
                meta={"cases": list(rows["key"])},
                customdata=[case_name(row) for row in rows.to_dict("records")],
                hovertemplate="%{customdata}<br><b>%{y:.3f} ms</b><extra>" + name + "</extra>",
            )
            found = breakeven.line(rows, arm)
            if found is not None:
                ends = np.array([pixels.min(), pixels.max()])
                figure.add_scatter(
                    x=ends,
                    y=(found.fixed_s + found.per_megapixel_s * ends) * 1e3,
                    mode="lines",
                    line={"color": COLORS[arm], "width": 1, "dash": "dot"},
                    showlegend=False,
                    hoverinfo="skip",
                )
                said.append(
                    f"{name}: {found.fixed_s * 1e3:.2f} ms a call and "
                    f"{found.per_megapixel_s * 1e3:.1f} ms a megapixel"
                )
        figure.update_xaxes(title="megapixels of a call", rangemode="tozero")
        figure.update_yaxes(title="ms", rangemode="tozero")
        first = rows.iloc[0].to_dict()
        title = f"{_title(first, table)}, batch {first['batch_size']}"
        yield title, "; ".join(said), plain(figure, height=340)


SLOPES = {
    "channels_last": (False, True, "contiguous", "channels-last"),
    "compile_mode": ("off", "default", "eager", "compiled"),
}
"""Axis -> two of its values, and what they are called."""


def slopes(table: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """Yield what an axis changes, for both arms: title and figure.

    Args:
        table: as for `costs`.
    """
    for axis, (before, after, *names) in SLOPES.items():
        others = ["run_id", *(other for other in AXES if other != axis)]
        figure = go.Figure()
        pairs: dict[tuple[Any, ...], dict[Any, dict[Any, Any]]] = {}
        for row in table.to_dict("records"):
            pairs.setdefault(tuple(row[other] for other in others), {})[row[axis]] = row
        for pair in pairs.values():
            if before in pair and after in pair:
                _add_slopes(figure, [pair[before], pair[after]], names)
        if figure.data:
            figure.update_yaxes(title=f"time, {names[0]} = 1")
            yield f"{names[0]} → {names[1]}", plain(figure, height=380)


def _add_slopes(figure: go.Figure, pair: Sequence[dict[Any, Any]], names: Sequence[str]) -> None:
    for arm, name in ARM_NAMES.items():
        seconds = [row[f"{arm}_s"] for row in pair]
        figure.add_scatter(
            x=names,
            y=[value / seconds[0] for value in seconds],
            mode="lines+markers",
            line={"color": COLORS[arm], "width": 1.5},
            name=name,
            legendgroup=arm,
            showlegend=not any(trace.legendgroup == arm for trace in figure.data),
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
    figure = go.Figure()
    known = _runs_together(known)
    names = _names(known)
    # The ring is larger: where both peaks are equal, the point lies in it.
    for arm, symbol, size in (("fpn", "circle-open", 14), ("panet", "circle", 7)):
        figure.add_scatter(
            x=_list(known[f"{arm}_peak_bytes"].astype(float) / MIB),
            y=names,
            mode="markers",
            marker={"color": COLORS[arm], "size": size, "symbol": symbol},
            name=ARM_NAMES[arm],
            meta={"cases": list(known["key"])},
            hovertemplate="<b>%{y}</b><br>%{x:.1f} MiB<extra>" + ARM_NAMES[arm] + "</extra>",
        )
    figure.update_xaxes(title="MiB", type="log", dtick="D2")
    figure.update_yaxes(autorange="reversed")
    return plain(figure, height=130 + ROW_PX * len(names))


def stages(table: pd.DataFrame) -> go.Figure:
    """Return where the time of FPN + PANet goes, case by case: its stages, stacked.

    Args:
        table: of `reports.data.profile_frames.stages`.
    """
    own = table[(table["arm"] == "panet") & table["time_s"].notna()]
    figure = go.Figure()
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
    plain(figure, height=130 + ROW_PX * own["case_id"].nunique())
    return figure.update_layout(barmode="stack")


def _bars(rows: pd.DataFrame, column: str, scale: float) -> dict[str, Any]:
    """Return the intervals of a column as error bars; nothing where there are none."""
    if f"{column}_high" not in rows:
        return {"visible": False}
    high = (rows[f"{column}_high"] - rows[column]).astype(float).fillna(0.0)
    low = (rows[column] - rows[f"{column}_low"]).astype(float).fillna(0.0)
    return {
        "type": "data",
        "array": _list(high * scale),
        "arrayminus": _list(low * scale),
        "thickness": 1.5,
    }


def _list(values: "pd.Series[float]") -> list[float]:
    """Return plain numbers, which the page's script can choose from; arrays would be packed."""
    return [float(value) for value in values]


def _interval(row: dict[Any, Any], column: str) -> str:
    value, low, high = (row[f"{column}{bound}"] for bound in ("", "_low", "_high"))
    text = f"{(value - 1) * 100:+.2f} %"
    return text if pd.isna(low) else f"{text} ({(low - 1) * 100:+.2f} to {(high - 1) * 100:+.2f})"


def _size(row: dict[Any, Any]) -> str:
    return f"{row['height_px']}x{row['width_px']}"


def _runs_together(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows so that those of one case stand together, run by run."""
    return table.sort_values([*AXES, "run_id"], kind="stable")


def _names(table: pd.DataFrame) -> list[str]:
    """Name every row: the case, and the run where there are several."""
    several = len(set(table["run_id"])) > 1
    return [
        f"{case_name(row)}, {row['run_id']}" if several else case_name(row)
        for row in table.to_dict("records")
    ]


def _title(row: dict[Any, Any], table: pd.DataFrame) -> str:
    """Name a group of cases by one of them, and the run where there are several."""
    run = f", {row['run_id']}" if len(set(table["run_id"])) > 1 else ""
    return _without_size(row) + run


def _without_size(row: dict[Any, Any]) -> str:
    """Name a group of cases that differ in batch and resolution alone."""
    sized = f" b{row['batch_size']} "
    name = case_name(row)
    head, _, tail = name.partition(sized)
    return f"{head} {tail.partition(' ')[2]}"
