"""The network as the pyramid that everyone in this field knows, with the milliseconds on it: SVG.

It is drawn from the names and times of the stages alone, so whatever network has stages by part and
level draws itself. A column is a part, a row a level, a bar a stage; the fuller its colour, the
more of the call it takes. Where the run was profiled, a bar has what the stage computes, and how
near it comes to the ceiling of the machine.
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
from reports.data.rows import rows_of
from reports.pages.drawing import COLORS
from reports.pages.pyramid_layout import (
    ABOVE,
    BAR,
    COLUMN,
    HEAD,
    LINE,
    MARGIN,
    Cell,
    Point,
    above,
    beside,
)

TITLES = {"backbone": "backbone", "fpn": "FPN", "panet": "bottom-up"}
"""Part -> title of its column, in the order of the columns."""

LETTERS = {"backbone": "c", "fpn": "p", "panet": "n"}
"""Part -> what its maps are called."""

PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))

FAINT, FULL = 0.10, 0.62
"""Opacity of a stage that takes nothing, and of the costliest: text stays readable on both."""

STYLE = """
.pyramid { --ink: #1b1b1b; --soft: #5b5b5b; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { .pyramid { --ink: #e8e8e8; --soft: #a8a8a8; } }
.pyramid text { font: 15px system-ui, sans-serif; fill: var(--ink); }
.pyramid .soft { fill: var(--soft); } .pyramid .small { font-size: 13px; }
.pyramid .work { font-size: 12.5px; }
.pyramid .large { font-size: 17px; font-weight: 600; } .pyramid .head { font-weight: 600; }
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
"""Cases that a page shows, and that have a file: more are a wall."""


@dataclass(frozen=True)
class Picture:
    """A case, as SVG."""

    wide: str
    tall: str
    """For a phone; empty where the other one fits it as well."""


Drawings = Mapping[tuple[str, str], Picture]
"""Run and case -> its picture."""


def of_cases(
    found: pd.DataFrame, table: pd.DataFrame, work: pd.DataFrame | None = None
) -> Drawings:
    """Return the drawings of the cases whose calls were split.

    Args:
        found: of `reports.data.stages.stages`, of FPN + PANet.
        table: of `reports.data.costs.cost`.
        work: of `reports.data.profile_frames.work`: of the runs that were profiled.
    """
    if work is not None and len(work):
        found = found.merge(work, how="left", on=["run_id", "case_id", "stage"])
    rows = {(row["run_id"], row["case_id"]): row for row in rows_of(table)}
    drawn: dict[tuple[str, str], Picture] = {}
    for (run_id, case_id), spans in found.groupby(["run_id", "case_id"], sort=False):
        row = rows.get((str(run_id), str(case_id)))
        if row is not None:
            picture = _picture(rows_of(spans), case_name(row), _answer(row))
            drawn |= {(str(run_id), str(case_id)): picture} if picture.wide else {}
    return drawn


def shown(
    drawn: Drawings, table: pd.DataFrame
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return which of the drawings lead the page, the first of every scope, and which follow."""
    cases = zip(table["run_id"], table["case_id"], strict=True)
    scopes = dict(zip(cases, table["scope"], strict=True))
    first = {scopes[key]: key for key in reversed(list(drawn))}
    leading = list(first.values())[::-1]
    others = [key for key in drawn if key not in leading]
    return leading, others[: max(0, MOST_DRAWN - len(leading))]


def _answer(row: Row) -> str:
    added = f"PANet adds {plus_minus(row, 'difference_s', 1e3, 1)} ms"
    if pd.isna(row["ratio_low"]):
        return f"{added} (no interval yet)"
    return f"{added}: {change(*(row[f'ratio{end}'] for end in ('', '_low', '_high')))}"


def write(drawn: Drawings, folder: Path) -> list[Path]:
    """Write the first drawings, a file per case; return their folder, or nothing without any.

    Raises:
        ReportError: the folder cannot be written.
    """
    several = len({run_id for run_id, _ in drawn}) > 1
    try:
        for (run_id, case_id), picture in itertools.islice(drawn.items(), MOST_DRAWN):
            name = f"{run_id}-{case_id}" if several else case_id
            path = folder / FOLDER / f"{name}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture.wide, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / FOLDER] if drawn else []


def _picture(spans: Sequence[Row], heading: str, answer: str) -> Picture:
    parts = {bar.part for row in spans if (bar := _bar(row)) is not None}
    tall = svg(spans, heading, answer, tall=True) if ABOVE in parts and len(parts) > 1 else ""
    return Picture(svg(spans, heading, answer), tall)


def svg(spans: Sequence[Row], heading: str, answer: str, *, tall: bool = False) -> str:
    """Return the drawing; an empty text where stages have no part and level.

    Args:
        spans: of one call, with the columns of `reports.data.stages.STAGE_COLUMNS`, and where they
            are known with those of `reports.data.profile_frames.work`.
        heading: what the call is.
        answer: what PANet costs in it.
        tall: whether the backbone is above the others, instead of beside them.
    """
    bars = [bar for row in spans if (bar := _bar(row)) is not None]
    if not bars:
        return ""
    parts = [part for part in TITLES if any(bar.part == part for bar in bars)]
    drawing = _Drawing(bars, parts, tall=tall)
    body = "\n".join(drawing.elements())
    label = escape(f"{heading}. {answer}")
    return (
        f'<svg class="pyramid {"tall" if tall else "wide"}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {drawing.height}" '
        f'style="max-width: {drawing.width}px" aria-label="{label}">\n'
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
    """Boxes with their stages, and arrows."""

    def __init__(self, bars: Sequence[Bar], parts: Sequence[str], *, tall: bool) -> None:
        self._cells: dict[Cell, list[Bar]] = {}
        for bar in bars:
            self._cells.setdefault((bar.part, bar.level), []).append(bar)
        self._most = max(bar.share for bar in bars)
        self._worked = any(_work(bar.row) for bar in bars)
        self._bar = BAR + LINE if self._worked else BAR
        boxes = {cell: HEAD + self._bar * len(of) for cell, of in self._cells.items()}
        if "panet" in parts:  # what the path takes from FPN as it is
            passed_on = [level for part, level in boxes if part == "fpn"]
            boxes = {**{("panet", level): HEAD + 6 for level in passed_on}, **boxes}
        self._tall = tall
        self._layout = (above if tall else beside)(boxes, parts)
        self._legend = self._layout.bottom + 6
        self.width = self._layout.width
        self.height = self._legend + 18 * len(self._says()) - 6

    def elements(self) -> Iterator[str]:
        """Yield the parts of the drawing, those behind first."""
        yield from (_arrow(*ends) for ends in self._layout.arrows())
        for part, at in self._layout.titles.items():
            yield self._title(part, at)
        for cell in self._layout.corners:
            yield from self._box(cell) if cell in self._cells else self._passed_on(cell)
        for line, text in enumerate(self._says()):
            y = self._legend + 18 * line
            yield f'<text x="{MARGIN}" y="{y}" class="soft small">{text}</text>'

    def _says(self) -> list[str]:
        """Return the lines below the boxes."""
        return [
            "ms in a call, ± half of the 95 % interval;",
            f"the fuller the colour, the more of the call (up to {percent(self._most, 0)})",
            *(["below: multiply-accumulates; their rate, % of the ceiling"] * self._worked),
        ]

    def _title(self, part: str, at: tuple[int, int]) -> str:
        bars = [bar for (of, _), cell in self._cells.items() if of == part for bar in cell]
        seconds = sum(float(bar.row["time_s"]) for bar in bars)
        share = sum(bar.share for bar in bars)
        return (
            f'<text x="{at[0]}" y="{at[1]}"><tspan class="head">{TITLES[part]}</tspan>'
            f"<tspan> {_three_digits(seconds)} ms, {percent(share, 0)}</tspan></text>"
        )

    def _box(self, cell: Cell) -> Iterator[str]:
        (part, level), bars = cell, self._cells[cell]
        x, y = self._layout.corners[cell]
        share = sum(bar.share for bar in bars)
        origin = f"c{level}" if self._tall and part == "fpn" else ""
        yield (
            f'<text x="{x + 6}" y="{y + 17}"><tspan class="head">{LETTERS[part]}{level}</tspan>'
            + (f'<tspan class="soft"> of {origin}</tspan></text>' if origin else "</text>")
        )
        yield f'<text x="{x + COLUMN - 6}" y="{y + 17}" class="ms soft">{percent(share)}</text>'
        yield (
            f'<rect x="{x}" y="{y}" width="{COLUMN}" height="{self._layout.boxes[cell]}" rx="5" '
            f'fill="none" stroke="{COLORS[part]}" stroke-width="1.5"/>'
        )
        for number, bar in enumerate(bars):
            yield self._stage(bar, x, y + HEAD + self._bar * number)

    def _stage(self, bar: Bar, x: int, y: int) -> str:
        opacity = FAINT + (FULL - FAINT) * (bar.share / self._most) ** 0.5
        milliseconds, (macs, rate) = _milliseconds(bar.row), _work(bar.row) or ("", "")
        said = [f"{milliseconds} ms", percent(bar.share), macs, rate]
        label = escape(f"{bar.row['stage']}: {', '.join(filter(None, said))}")
        line, right = y + 30, x + COLUMN - 9
        return (
            f'<g tabindex="0" role="img" aria-label="{label}"><title>{label}</title>'
            f'<rect x="{x + 3}" y="{y}" width="{COLUMN - 6}" height="{self._bar - 3}" rx="3" '
            f'fill="{COLORS[bar.part]}" fill-opacity="{opacity:.2f}"/>'
            f'<text x="{x + 9}" y="{y + 15}">{escape(bar.step)}</text>'
            f'<text x="{right}" y="{y + 15}" class="ms">{milliseconds}</text>'
            + (f'<text x="{x + 9}" y="{line}" class="work">{macs}</text>' if macs else "")
            + (f'<text x="{right}" y="{line}" class="ms work">{rate}</text>' if rate else "")
            + "</g>"
        )

    def _passed_on(self, cell: Cell) -> Iterator[str]:
        """Yield the level that the path takes from FPN as it is."""
        (part, level), (x, y) = cell, self._layout.corners[cell]
        yield (
            f'<rect x="{x}" y="{y}" width="{COLUMN}" height="{HEAD + 6}" rx="5" fill="none" '
            f'stroke="{COLORS[part]}" stroke-width="1.5" stroke-dasharray="4 4"/>'
            f'<text x="{x + 6}" y="{y + 20}"><tspan class="head">{LETTERS[part]}{level}</tspan>'
            f'<tspan class="soft"> = p{level}</tspan></text>'
        )


def _arrow(start: Point, end: Point) -> str:
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


def _work(row: Row) -> tuple[str, str] | None:
    """Return what a stage computes, and how fast beside the ceiling; nothing where not known."""
    macs = row.get("macs")
    if macs is None or pd.isna(macs) or "bound_by" not in row:  # counted, but not profiled
        return None
    of_memory = not macs or row["bound_by"] in {"memory", "cache"}
    rate, unit = (row["bytes_per_s"], "B/s") if of_memory else (row["flops_per_s"], "FLOP/s")
    share = "" if pd.isna(row["ceiling_share"]) else f", {percent(row['ceiling_share'], 0)}"
    return _short(macs, "MAC") if macs else "", f"{_short(rate, unit)}{share}"


def _short(number: float, unit: str) -> str:
    """Return two or three digits: 81 GFLOP/s, 1.2 GMAC."""
    prefix, scale = next(found for found in PREFIXES if number >= found[1] or found[1] == 1)
    scaled = number / scale
    return f"{scaled:.{0 if scaled >= 10 else 1}f} {prefix}{unit}"


def _milliseconds(row: Row) -> str:
    value, low, high = (row[f"time_s{end}"] for end in ("", "_low", "_high"))
    text = _three_digits(value)
    return text if pd.isna(low) else f"{text} ±{_three_digits((high - low) / 2)}"


def _three_digits(seconds: float) -> str:
    milliseconds = seconds * 1e3
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:.{digits}f}"
