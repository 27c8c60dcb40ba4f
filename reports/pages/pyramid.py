"""The network as the pyramid that everyone in this field knows, with the milliseconds on it: SVG.

It is drawn from the names and times of the stages alone, so whatever network has stages by part and
level draws itself. A column is a part, a row a level, a bar a stage; the fuller its colour, the
more of the call it takes. The text is large enough for a page of 400 px.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from bench.schema.case import case_name
from bench.schema.text import change, percent
from reports.analysis.names import Row
from reports.analysis.readable import plus_minus
from reports.data.errors import ReportError
from reports.pages.drawing import COLORS

TITLES = {"backbone": "backbone", "fpn": "FPN", "panet": "bottom-up path"}
"""Part -> title of its column, in the order of the columns."""

LETTERS = {"backbone": "c", "fpn": "p", "panet": "n"}
"""Part -> what its maps are called."""

COLUMN, GAP, MARGIN = 236, 34, 12
BAR, HEAD, BETWEEN = 23, 24, 26
TOP = 108
"""Pixels: width of a column and of what is between two, height of a bar, of a level's headline, and
of what is between two levels; where the levels begin."""

FAINT, FULL = 0.10, 0.62
"""Opacity of a stage that takes nothing, and of the costliest: text stays readable on both."""

STYLE = """
.pyramid { --ink: #1b1b1b; --soft: #5b5b5b; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { .pyramid { --ink: #e8e8e8; --soft: #a8a8a8; } }
.pyramid text { font: 15px system-ui, sans-serif; fill: var(--ink); }
.pyramid .soft { fill: var(--soft); } .pyramid .small { font-size: 13px; }
.pyramid .large { font-size: 19px; font-weight: 600; } .pyramid .head { font-weight: 600; }
.pyramid .ms { text-anchor: end; font-variant-numeric: tabular-nums; }
.pyramid path.flow { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.pyramid path.tip { fill: var(--soft); }
.pyramid g:focus-visible rect { stroke: var(--ink); stroke-width: 2; }
"""


@dataclass(frozen=True)
class Bar:
    """A stage."""

    part: str
    level: int
    step: str
    row: Row

    @property
    def share(self) -> float:
        """Of the call."""
        return float(self.row["share"])


FOLDER = "pyramids"

MOST_DRAWN = 12
"""Cases: a page with more is a wall."""


Drawings = Mapping[tuple[str, str], str]
"""Run and case -> SVG."""


def of_cases(found: pd.DataFrame, table: pd.DataFrame) -> Drawings:
    """Return the drawings of the first cases whose calls were split.

    Args:
        found: of `reports.data.stages.stages`, of FPN + PANet.
        table: of `reports.data.costs.cost`.
    """
    rows = {(row["run_id"], row["case_id"]): row for row in table.to_dict("records")}
    drawn: dict[tuple[str, str], str] = {}
    for (run_id, case_id), spans in found.groupby(["run_id", "case_id"], sort=False):
        row = rows.get((str(run_id), str(case_id)))
        if row is not None and len(drawn) < MOST_DRAWN:
            picture = svg(spans.to_dict("records"), case_name(row), _answer(row))
            drawn |= {(str(run_id), str(case_id)): picture} if picture else {}
    return drawn


def leading(drawn: Drawings, table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return which of the drawings lead the page: the first of every scope."""
    scopes = {(row["run_id"], row["case_id"]): row["scope"] for row in table.to_dict("records")}
    first = {scopes[key]: key for key in reversed(list(drawn))}
    return list(first.values())[::-1]


def _answer(row: Row) -> str:
    added = f"PANet adds {plus_minus(row, 'difference_s', 1e3, 1)} ms"
    if pd.isna(row["ratio_low"]):
        return f"{added} (no interval yet)"
    return f"{added}: {change(*(row[f'ratio{end}'] for end in ('', '_low', '_high')))}"


def write(drawn: Drawings, folder: Path) -> list[Path]:
    """Write the drawings, a file per case; return their folder, or nothing without any.

    Raises:
        ReportError: the folder cannot be written.
    """
    several = len({run_id for run_id, _ in drawn}) > 1
    try:
        for (run_id, case_id), picture in drawn.items():
            name = f"{run_id}-{case_id}" if several else case_id
            path = folder / FOLDER / f"{name}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / FOLDER] if drawn else []


def svg(spans: Sequence[Row], heading: str, answer: str) -> str:
    """Return the drawing; an empty text where stages have no part and level.

    Args:
        spans: of one call, with the columns of `reports.data.stages.STAGE_COLUMNS`.
        heading: what the call is.
        answer: what PANet costs in it.
    """
    bars = [bar for row in spans if (bar := _bar(row)) is not None]
    if not bars:
        return ""
    parts = [part for part in TITLES if any(bar.part == part for bar in bars)]
    drawing = _Drawing(bars, parts)
    body = "\n".join(drawing.elements())
    label = escape(f"{heading}. {answer}")
    return (
        f'<svg class="pyramid" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {drawing.width} {drawing.height}" style="max-width: {drawing.width}px" '
        f'aria-label="{label}">\n'
        f"<style>{STYLE}</style>\n"
        f'<text x="{MARGIN}" y="26" class="large">{escape(answer)}</text>\n'
        f'<text x="{MARGIN}" y="48" class="soft">{escape(heading)}</text>\n'
        f"{body}\n</svg>\n"
    )


def _bar(row: Row) -> Bar | None:
    """Return a stage by its name: ``fpn p4 top-down sum``, ``backbone c2``."""
    found = re.fullmatch(r"(\S+) [a-z](\d+)(?: (.+))?", str(row["stage"]))
    if found is None or found[1] not in TITLES:
        return None
    return Bar(found[1], int(found[2]), found[3] or "", row)


class _Drawing:
    """Where everything is."""

    def __init__(self, bars: Sequence[Bar], parts: Sequence[str]) -> None:
        self._parts = parts
        self._cells: dict[tuple[str, int], list[Bar]] = {}
        for bar in bars:
            self._cells.setdefault((bar.part, bar.level), []).append(bar)
        self._most = max(bar.share for bar in bars)
        self._y: dict[int, int] = {}
        y = TOP
        for level in sorted({bar.level for bar in bars}, reverse=True):
            self._y[level] = y
            y += self._height(level) + BETWEEN
        self.width = 2 * MARGIN + len(parts) * COLUMN + (len(parts) - 1) * GAP
        self.height = y + 24

    def elements(self) -> Iterator[str]:
        """Yield the parts of the drawing, those behind first."""
        yield from self._arrows()
        for part in self._parts:
            yield from self._column(part)
        lines = (
            "ms in a call, ± half of the 95 % interval;",
            f"the fuller the colour, the more of the call (up to {percent(self._most, 0)})",
        )
        for above, line in enumerate(reversed(lines)):
            y = self.height - 18 * above - 8
            yield f'<text x="{MARGIN}" y="{y}" class="soft small">{line}</text>'

    def _height(self, level: int) -> int:
        counts = [len(bars) for (_, of), bars in self._cells.items() if of == level]
        return HEAD + BAR * max(counts)

    def _x(self, part: str) -> int:
        return MARGIN + self._parts.index(part) * (COLUMN + GAP)

    def _column(self, part: str) -> Iterator[str]:
        bars = [bar for (of, _), cell in self._cells.items() if of == part for bar in cell]
        seconds = sum(float(bar.row["time_s"]) for bar in bars)
        share = sum(bar.share for bar in bars)
        x = self._x(part)
        yield (
            f'<text x="{x}" y="{TOP - 12}"><tspan class="head">{TITLES[part]}</tspan>'
            f"<tspan> {_three_digits(seconds)} ms, {percent(share, 0)}</tspan></text>"
        )
        for level in self._y:
            cell = self._cells.get((part, level))
            if cell is not None:
                yield from self._cell(part, level, cell)
            elif self._has(part, level):
                yield from self._passed_on(part, level)

    def _cell(self, part: str, level: int, bars: Sequence[Bar]) -> Iterator[str]:
        x, y = self._x(part), self._y[level]
        share = sum(bar.share for bar in bars)
        yield f'<text x="{x + 6}" y="{y + 17}" class="head">{LETTERS[part]}{level}</text>'
        yield f'<text x="{x + COLUMN - 6}" y="{y + 17}" class="ms soft">{percent(share)}</text>'
        yield (
            f'<rect x="{x}" y="{y}" width="{COLUMN}" height="{HEAD + BAR * len(bars)}" rx="5" '
            f'fill="none" stroke="{COLORS[part]}" stroke-width="1.5"/>'
        )
        for number, bar in enumerate(bars):
            yield self._stage(bar, x, y + HEAD + BAR * number)

    def _stage(self, bar: Bar, x: int, y: int) -> str:
        opacity = FAINT + (FULL - FAINT) * (bar.share / self._most) ** 0.5
        milliseconds = _milliseconds(bar.row)
        label = escape(f"{bar.row['stage']}: {milliseconds} ms, {percent(bar.share)}")
        return (
            f'<g tabindex="0" role="img" aria-label="{label}"><title>{label}</title>'
            f'<rect x="{x + 3}" y="{y}" width="{COLUMN - 6}" height="{BAR - 3}" rx="3" '
            f'fill="{COLORS[bar.part]}" fill-opacity="{opacity:.2f}"/>'
            f'<text x="{x + 9}" y="{y + 15}">{escape(bar.step)}</text>'
            f'<text x="{x + COLUMN - 9}" y="{y + 15}" class="ms">{milliseconds}</text></g>'
        )

    def _passed_on(self, part: str, level: int) -> Iterator[str]:
        """Yield the level that the path takes from FPN as it is."""
        x, y = self._x(part), self._y[level]
        yield (
            f'<rect x="{x}" y="{y}" width="{COLUMN}" height="{HEAD + 6}" rx="5" fill="none" '
            f'stroke="{COLORS[part]}" stroke-width="1.5" stroke-dasharray="4 4"/>'
            f'<text x="{x + 6}" y="{y + 20}"><tspan class="head">{LETTERS[part]}{level}</tspan>'
            f'<tspan class="soft"> = p{level}</tspan></text>'
        )

    def _arrows(self) -> Iterator[str]:
        levels = list(self._y)
        for left, right in itertools.pairwise(self._parts):
            for level in levels:
                if (left, level) in self._cells and self._has(right, level):
                    x, y = self._x(left) + COLUMN, self._y[level] + HEAD / 2
                    yield _arrow((x + 2, y), (self._x(right) - 3, y))
        for part in self._parts:
            of_part = [level for level in levels if self._has(part, level)]
            for upper, lower in itertools.pairwise(of_part):
                middle = self._x(part) + COLUMN / 2
                above = self._y[upper] + self._bottom(part, upper)
                ends = (middle, above + 3), (middle, self._y[lower] - 3)
                # FPN hands coarse maps down; backbone and path hand fine ones up.
                yield _arrow(*(ends if part == "fpn" else ends[::-1]))

    def _has(self, part: str, level: int) -> bool:
        """Whether a part has a level: a cell, or one that the path takes from FPN as it is."""
        passed_on = part == "panet" and ("fpn", level) in self._cells
        return (part, level) in self._cells or passed_on

    def _bottom(self, part: str, level: int) -> int:
        return HEAD + BAR * len(self._cells.get((part, level), ()))


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    size = 6.0
    across, along = (0.0, size) if y0 == y1 else (size, 0.0)
    back = size if x1 > x0 or y1 > y0 else -size
    tip = (
        f"M{x1:g} {y1:g}L{x1 - back:g} {y1 - along * 0.6:g}L{x1 - back:g} {y1 + along * 0.6:g}Z"
        if y0 == y1
        else f"M{x1:g} {y1:g}L{x1 - across * 0.6:g} {y1 - back:g}"
        f"L{x1 + across * 0.6:g} {y1 - back:g}Z"
    )
    return f'<path class="flow" d="M{x0:g} {y0:g}L{x1:g} {y1:g}"/><path class="tip" d="{tip}"/>'


def _milliseconds(row: Row) -> str:
    value, low, high = (row[f"time_s{end}"] for end in ("", "_low", "_high"))
    text = _three_digits(value)
    return text if pd.isna(low) else f"{text} ±{_three_digits((high - low) / 2)}"


def _three_digits(seconds: float) -> str:
    milliseconds = seconds * 1e3
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:.{digits}f}"
