"""The drawings of a profile: time per stage, the roofline, memory over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bench.schema.text import percent
from reports.analysis.names import MIB, arm_name
from reports.data.profile_frames import DISTURBED
from reports.data.rows import rows_of
from reports.pages.drawing import blank, color_of, log_axis, sized


def stage_bars(stages: pd.DataFrame) -> go.Figure:
    """Return the time of every stage, FPN beside FPN + PANet.

    Args:
        stages: of `reports.data.profile_frames.stages`, one case.
    """
    figure = blank()
    for rank, arm in enumerate(reversed(_arms(stages))):  # bars are drawn from below
        rows = stages[stages["arm"] == arm]
        figure.add_bar(
            y=rows["stage"],
            x=rows["time_s"] * 1e3,
            orientation="h",
            name=arm_name(arm),
            marker_color=[
                GREY if source == DISTURBED else color_of(arm, rank) for source in rows["time_from"]
            ],
            legendrank=-rank,
            customdata=_hover(rows),
            hovertemplate=STAGE_HOVER,
        )
    order = list(dict.fromkeys(stages["stage"]))
    figure.update_yaxes(categoryorder="array", categoryarray=order[::-1])
    figure.update_xaxes(title="ms")
    return sized(figure, height=130 + 26 * len(order))


GREY = "#bbbbbb"
"""Of what is from a disturbed profile."""

STAGE_HOVER = (
    "<b>%{y}</b><br>%{x:.3f} ms, %{customdata[0]} of the arm"
    "<br>%{customdata[1]} MACs, %{customdata[2]} MiB"
    "<br>%{customdata[3]} GFLOP/s, %{customdata[4]} of the ceiling (%{customdata[5]})"
    "<extra></extra>"
)


def _arms(stages: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(map(str, stages["arm"])))


def roofline(
    stages: pd.DataFrame, ceilings: Mapping[str, Any], network: str = "panet"
) -> go.Figure:
    """Return the stages of a network below the ceilings of the machine.

    Args:
        stages: of `reports.data.profile_frames.stages`, one case.
        ceilings: with ``flops_per_s`` and ``bytes_per_s``.
        network: the arm whose stages are drawn; FPN + PANet if none is named.
    """
    stages = stages[stages["time_from"] != DISTURBED]
    rows = stages[(stages["arm"] == network) & stages["flops_per_s"].gt(0)].dropna(
        subset=["intensity", "flops_per_s"]
    )
    top, slope = ceilings["flops_per_s"], ceilings["bytes_per_s"]
    ridge = top / slope
    lowest = min([ridge / 30, *(rows["intensity"] * 0.7)])
    highest = max([ridge * 30, *(rows["intensity"] * 1.4)])
    figure = blank()
    figure.add_scatter(
        x=[lowest, ridge, highest],
        y=[lowest * slope / 1e9, top / 1e9, top / 1e9],
        mode="lines",
        name=f"ceiling: {top / 1e9:.0f} GFLOP/s, {slope / 1e9:.1f} GB/s",
        line_color="#999999",
        hoverinfo="skip",
    )
    for rank, arm in enumerate(_arms(stages)):
        whole = stages[stages["arm"] == arm]
        flops, moved = 2 * float(whole["macs"].sum()), float(whole["bytes"].sum())
        seconds = float(whole["time_s"].sum())
        if moved and seconds:
            figure.add_scatter(
                x=[flops / moved],
                y=[flops / seconds / 1e9],
                mode="markers",
                name=arm_name(arm),
                marker={"size": 15, "symbol": "star", "color": color_of(arm, rank)},
                hovertemplate="%{y:.1f} GFLOP/s at %{x:.1f} FLOP/byte",
            )
    for part, found in rows.groupby("part", sort=False):
        figure.add_scatter(
            x=found["intensity"],
            y=found["flops_per_s"] / 1e9,
            text=found["stage"],
            mode="markers",
            name=str(part) or "its stages",
            marker={"size": 10, "color": color_of(str(part))},
            customdata=_hover(found),
            hovertemplate="<b>%{text}</b><br>%{y:.1f} GFLOP/s at %{x:.1f} FLOP/byte"
            "<br>%{customdata[4]} of the ceiling (%{customdata[5]})<extra></extra>",
        )
    figure.update_xaxes(**log_axis("FLOP per byte that has to move", highest / lowest))
    figure.update_yaxes(**log_axis("GFLOP/s"))
    return sized(figure, height=420)


def memory_curves(curves: Mapping[str, Sequence[Sequence[float]]]) -> go.Figure:
    """Return tensor memory over one call.

    Args:
        curves: arm -> pairs of seconds and bytes.
    """
    figure = blank()
    for rank, (arm, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=[1e3 * seconds for seconds, _ in curve],
            y=[nbytes / MIB for _, nbytes in curve],
            mode="lines",
            line={"shape": "hv", "color": color_of(arm, rank)},
            name=arm_name(arm),
            hovertemplate="%{x:.2f} ms: %{y:.2f} MiB<extra></extra>",
        )
    figure.update_xaxes(title="ms in the profile")
    figure.update_yaxes(title="MiB", rangemode="tozero")
    return sized(figure, height=320)


def _hover(rows: pd.DataFrame) -> list[list[str]]:
    return [
        [
            percent(row["share"]),
            _text(row["macs"], 1e-6, "{:.1f} M"),
            _text(row["bytes"], 1 / MIB, "{:.2f}"),
            _text(row["flops_per_s"], 1e-9, "{:.0f}"),
            percent(row["ceiling_share"], 0),
            "-" if pd.isna(row["bound_by"]) else str(row["bound_by"]),
        ]
        for row in rows_of(rows)
    ]


def _text(value: Any, factor: float, form: str) -> str:  # noqa: ANN401 - of a frame
    return "-" if pd.isna(value) else form.format(value * factor)
