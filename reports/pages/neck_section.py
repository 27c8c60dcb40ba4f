"""The section on the necks that took turns beside FPN: milliseconds against MACs, neck by neck."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from bench.schema.case import case_name
from bench.schema.recipe import NECK_AGAIN as AGAIN
from bench.schema.recipe import NECK_BASE as BASE
from reports.analysis.names import Row
from reports.analysis.readable import plus_minus, ratio
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.data.spreadsheet import inert
from reports.pages import drawing
from reports.pages.drawing import COLORS, NOISE_COLOR, bars, log_axis, numbers, sized
from reports.pages.page import Block, Section, Table

CSV = "necks.csv"

TITLE = "Which neck is worth its MACs"

HOW = (
    "All necks got the same maps, took turns in the same processes, and have 256 channels. On the "
    "dotted line a neck gets as many multiply-accumulates done in a second as FPN; above it fewer."
)

OTHER_COLOR = "#009e73"
"""Of a neck that is in no other drawing; of Okabe and Ito, as the others."""

HEADS = ("neck", "ms", "over fpn", "MACs over fpn", "GMACs", "M parameters", "GMAC/s", "peak MiB")

ROOM = (0.8, 2.0)
"""Left of the leftmost point and right of the rightmost one, whose name stands there."""


def section(
    table: pd.DataFrame, damaged: Sequence[str], keys: Mapping[tuple[str, str], str]
) -> Section:
    """Return a block per case; empty where no run had other necks.

    Args:
        table: of `reports.data.necks.necks`.
        damaged: what could not be read.
        keys: run and case -> by what the page's script knows them.
    """
    several = len(set(table["run_id"])) > 1
    blocks = [
        _block(rows, keys.get((str(run_id), str(case_id)), ""), several=several)
        for (run_id, case_id), rows in table.groupby(["run_id", "case_id"], sort=False)
    ]
    return Section("necks", TITLE, [], list(damaged), blocks)


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Yield for every case what each neck takes beside FPN, and why nothing is known of one."""
    for (_, case_id), rows in table.groupby(["run_id", "case_id"], sort=False):
        records = rows_of(rows)
        name = f"{case_name(records[0])}, time and MACs over {BASE}"
        said = [
            f"{row['neck']} {ratio(row, 'ratio')} and {row['macs_ratio']:.3f}"
            for row in records
            if row["neck"] not in (BASE, AGAIN) and pd.notna(row["ratio"])
        ]
        if said:
            yield f"{name}: {'; '.join(said)}"
        for reason in dict.fromkeys(str(row["reason"]) for row in records if row["reason"]):
            of = [row["neck"] for row in records if row["reason"] == reason]
            yield f"{'necks' if len(of) == len(records) else of[0]} in {case_id}: {reason}"


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the table of all necks as CSV; return the file, or nothing without any.

    Raises:
        ReportError: the folder cannot be written.
    """
    if table.empty:
        return []
    try:
        inert(table).to_csv(folder / CSV, index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / CSV]


def _block(rows: pd.DataFrame, key: str, *, several: bool) -> Block:
    records = rows_of(rows)
    first = records[0]
    title = f"{case_name(first)}, {first['run_id']}" if several else case_name(first)
    shown = Table(HEADS, [_cells(row) for row in records])
    timed = rows[rows["call_s"].notna() & rows["macs"].notna() & (rows["neck"] != AGAIN)]
    figure = drawing.html(_scatter(timed, key)) if len(timed) else ""
    why = [f"{row['neck']} {row['reason']}." for row in records[1:] if figure and row["reason"]]
    note = " ".join([HOW, *why]) if figure else str(first["reason"])
    return Block(title, note, figure, [shown])


def _cells(row: Row) -> list[str]:
    aa = row["neck"] == AGAIN
    counted = [
        "" if row["neck"] == BASE else ratio(row, "macs_ratio"),
        *(_scaled(row[name], by) for name, by in (("macs", 1e9), ("params", 1e6))),
        _scaled(row["macs_per_s"], 1e9),
        _scaled(row["peak_bytes"], 2**20),
    ]
    return [
        f"{BASE} again (A/A)" if aa else str(row["neck"]),
        plus_minus(row, "call_s", 1e3, 2),
        "" if row["neck"] == BASE else ratio(row, "ratio"),
        *([""] * len(counted) if aa else counted),
    ]


def _scaled(value: float, by: float) -> str:
    return "" if pd.isna(value) else f"{value / by:.3g}"


def _scatter(rows: pd.DataFrame, key: str) -> go.Figure:
    """Return milliseconds against MACs, a point per neck with its interval, and FPN's pace."""
    records = rows_of(rows)
    macs, ms = rows["macs"].astype(float) / 1e9, rows["call_s"].astype(float) * 1e3
    figure = drawing.blank()
    ends = [macs.min() * ROOM[0], macs.max() * ROOM[1]]
    base = rows["neck"] == BASE
    if base.any():
        pace = float(ms[base].iloc[0] / macs[base].iloc[0])
        figure.add_scatter(
            x=ends,
            y=[pace * end for end in ends],
            mode="lines",
            line={"color": COLORS[BASE], "width": 1, "dash": "dot"},
            hoverinfo="skip",
            meta={"cases": [key] * 2},
        )
    figure.add_scatter(
        x=numbers(macs),
        y=numbers(ms),
        error_y={**bars(rows, "call_s", 1e3), "color": NOISE_COLOR},  # seen on light and dark
        mode="markers+text",
        marker={"color": [COLORS.get(neck, OTHER_COLOR) for neck in rows["neck"]], "size": 10},
        text=list(rows["neck"]),
        textposition="bottom right",  # of the line, which rises to the right
        meta={"cases": [key] * len(rows)},
        customdata=[
            f"{ratio(r, 'ratio')} of FPN's, {r['macs_ratio']:.3f} of its MACs" for r in records
        ],
        hovertemplate="<b>%{text}</b>: %{y:.3f} ms, %{x:.3g} GMACs<br>%{customdata}<extra></extra>",
    )
    figure.update_xaxes(**log_axis("GMACs of a call"), range=[math.log10(end) for end in ends])
    figure.update_yaxes(**log_axis("ms"))
    return sized(figure, height=380).update_layout(showlegend=False)
