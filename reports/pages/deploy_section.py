"""The section on what to deploy: the ways of running FPN + PANet that took turns (``--deploy``)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bench import stats
from bench.schema.case import case_name
from bench.schema.files import DEPLOY
from bench.schema.text import UNKNOWN, decibels, listed, percent
from bench.schema.ways import FIELDS
from bench.stats.beside import Beside, beside_base
from bench.stats.fastest import Fastest, fastest
from reports.analysis import closeness
from reports.analysis.names import MIB
from reports.data import extra_arms, frames
from reports.data.errors import ReportError
from reports.data.extra_arms import ExtraCase
from reports.data.result_files import ResultFile
from reports.pages import drawing
from reports.pages.drawing import COLORS, NOISE_COLOR, ROW_PX, bars, numbers, sized
from reports.pages.page import Block, Section, Table

TITLE = "What to deploy"

AGAIN = "again"
"""The arm that runs the base once more."""

HOW = (
    "FPN + PANet in every way that was asked for, a process each, taking turns. Ready: from the "
    "file (or full caches) to the first answer. Grown by: memory of network and runtime, without "
    "torch itself. Waiting: share of a core used while others had their turn; above 1 % it took "
    "time from them."
)

SHOWN = {"ready_s": 1.0, "resident_bytes": MIB, "file_bytes": MIB, "waiting_cpu": None}
"""What is known of a way beside its rounds -> by what it is divided; a share is none of these."""

HEADS = ("way", "ms", "over base", "ready s", "grown by MiB", "file MiB", "waiting")


def section(files: Sequence[ResultFile]) -> Section:
    """Return a block per case; empty where no run let ways take turns."""
    damaged, blocks = list[str](), list[Block]()
    for file in files:
        try:
            blocks += _blocks(file)
        except ReportError as error:
            damaged.append(str(error))
    return Section("deploy", TITLE, [HOW] if blocks else [], damaged, blocks)


def _blocks(file: ResultFile) -> Iterator[Block]:
    path = file.path.parent / DEPLOY
    try:
        for case in extra_arms.load(path.parent, DEPLOY):
            name = case_name(vars(case.case), frozenset(FIELDS))
            yield _block(name, case) if case.replicates else _nothing(name, case)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error


def _nothing(name: str, case: ExtraCase) -> Block:
    return Block(name, case.reason, tables=_left_out(case))


def _left_out(case: ExtraCase) -> list[Table]:
    """Return the ways that do not run, each with its status and reason; no table without any."""
    rows = [[way, why.status, why.reason] for way, why in case.left_out.items()]
    return [Table(("way", "status", "reason"), rows)] if rows else []


def _block(name: str, case: ExtraCase) -> Block:
    base = next(iter(case.facts))
    calls = [stats.Calls(rounds) for rounds in case.replicates]
    (found,) = beside_base([calls], base, AGAIN)
    rough = {way for way, known in case.facts.items() if known.get("quantised")}
    best = fastest(calls, found, AGAIN, ended=case.left_out, rough=rough)
    rows = [_row(arm, beside, case.facts[arm]) for arm, beside in found.items()]
    shown = {way: f"{way} ({why.status})" for way, why in case.left_out.items()}
    shown[AGAIN] = f"{base} again (A/A)"
    cells = [_cells(row, shown.get(row["way"], row["way"]), base) for row in rows]
    frame = pd.DataFrame([row for row in rows if row["way"] not in shown])
    tables = [Table(HEADS, cells), *_left_out(case), *_same_work(case)]
    return Block(name, _sentence(best, found, case), drawing.html(_chart(frame)), tables)


def _same_work(case: ExtraCase) -> Iterator[Table]:
    """Yield how close every way is to eager float32, a line each."""
    close = {way: f for way, f in case.facts.items() if way != AGAIN and f.get("level_differences")}
    if close:
        heads, cells = closeness.levels(list(close.values()))
        lines = [[way, *off] for way, off in zip(close, cells, strict=True)]
        yield Table(("way", *heads), lines, closeness.CAPTION)


def _row(arm: str, found: Beside, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "way": arm,
        **frames.columns("call_s", found.call_s),
        **frames.columns("ratio", found.ratio),
        **{name: facts[name] for name in SHOWN},
    }


def _cells(row: Mapping[str, Any], shown: str, base: str) -> list[str]:
    return [
        shown,
        _with_half(row, "call_s", 1e3, 2),
        "" if row["way"] == base else _with_half(row, "ratio", 1, 3),
        *(_scaled(row[name], by) for name, by in SHOWN.items() if by),
        percent(row["waiting_cpu"]),
    ]


def _with_half(row: Mapping[str, Any], column: str, scale: float, digits: int) -> str:
    value, low, high = (row[f"{column}{end}"] for end in ("", "_low", "_high"))
    text = f"{value * scale:.{digits}f}"
    return text if low is None else f"{text} ±{percent((high - low) / 2 / value)}"


def _scaled(value: float | None, by: float) -> str:
    return UNKNOWN if value is None else f"{value / by:.3g}"


def _sentence(best: Fastest, found: Mapping[str, Beside], case: ExtraCase) -> str:
    call = found[best.arm].call_s
    among = " of those that compute the same" if best.rough_and_faster else ""
    text = f"Fastest{among}: {best.arm}, {call.value * 1e3:.2f} ms"
    if best.rough_and_faster:
        faster = listed(_faster(*each, case) for each in best.rough_and_faster.items())
        text += f"; in integers, which compute something else, surely faster: {faster}"
    text += "."
    if best.not_told_apart:
        text += f" Not told apart from it: {listed(best.not_told_apart)}."
    far = [arm for arm in best.over_fastest if arm not in best.not_told_apart]
    if far:
        text += f" Slower: {listed(f'{a} ({best.over_fastest[a].value:.3f})' for a in far)}."
    return text


def _faster(way: str, over: stats.Estimate, case: ExtraCase) -> str:
    ratio = _with_half(frames.columns("ratio", over), "ratio", 1, 3)
    return f"{way} ({ratio} of it, SQNR {decibels(case.facts[way]['level_sqnr_db'].values())})"


def _chart(rows: pd.DataFrame) -> go.Figure:
    """Return milliseconds of every way with their intervals, the fastest on top."""
    rows = rows.sort_values("call_s", ascending=False)
    figure = drawing.blank()
    figure.add_scatter(
        x=numbers(rows["call_s"] * 1e3),
        y=list(rows["way"]),
        error_x={**bars(rows, "call_s", 1e3), "color": NOISE_COLOR},
        mode="markers",
        marker={"color": COLORS["panet"], "size": 10},
        hovertemplate="<b>%{y}</b>: %{x:.3f} ms<extra></extra>",
    )
    figure.update_xaxes(title="ms a call", rangemode="tozero")
    return sized(figure, height=ROW_PX * len(rows) + 80).update_layout(showlegend=False)
