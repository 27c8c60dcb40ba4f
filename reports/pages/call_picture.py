"""What the parts of anyone's network take inside a call, as bars: SVG.

Parts that are stages of ours are drawn as the pyramid instead. The text is large enough for a page
of 400 px; a bar is as long as its share of the longest one, with its interval on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from bench.schema.text import percent
from reports.analysis.names import Row
from reports.pages import pyramid
from reports.pages.drawing import COLORS, NOISE_COLOR

REST, CALL = "rest", "call"
"""Rows of `bench.run.own.frame.frame` that are no parts."""

WIDTH, MARGIN, TOP = 440, 12, 76
ROW, HEAD, BAR = 42, 34, 9
"""Pixels: of a part's row, of a network's headline, and the height of a bar."""

MOST_LETTERS = 26
"""Of a name beside its milliseconds; of a longer one the end is shown."""

BASE_COLOR, OTHER_COLOR = COLORS["fpn"], COLORS["panet"]


@dataclass(frozen=True)
class Bar:
    """A part, or a whole network."""

    name: str
    row: Row
    color: str


def svg(rows: Sequence[Row]) -> str:
    """Return the drawing; an empty text where nothing was measured.

    Args:
        rows: of one case, as `bench.run.own.frame.frame` has them, those of the base first.
    """
    timed = [row for row in rows if pd.notna(row.get("time_s"))]
    if not timed:
        return ""
    base = str(timed[0]["network"])
    calls = {str(row["network"]): row for row in timed if row["part"] == CALL}
    parts = any(row["part"] != CALL for row in timed)
    says = "what its parts take" if parts else "and others, which took turns with it"
    heading = f"{_short(base)}: {says}"
    answer = f"{_milliseconds(calls[base])} per call" if base in calls else ""
    staged = [row for row in timed if row["network"] == base and pd.notna(row.get("stage"))]
    return pyramid.svg(staged, heading, answer) or _bars(timed, calls, base, (answer, heading))


def _bars(rows: Sequence[Row], calls: dict[str, Row], base: str, head: tuple[str, str]) -> str:
    answer, heading = head
    parts = [row for row in rows if row["part"] != CALL]
    longest = max(_end(row) for row in parts or rows)
    lines: list[str] = []
    y = TOP
    several = len({row["network"] for row in parts}) > 1
    for network in dict.fromkeys(str(row["network"]) for row in rows):
        of_network = [row for row in parts if row["network"] == network]
        if several:
            lines += (
                _text(MARGIN, y + 12, _short(network), "head"),
                _right(y + 12, calls.get(network)),
            )
            y += HEAD
        color = _color(network, base)
        bars = [_bar(row, color) for row in of_network] or [Bar(network, calls[network], color)]
        for bar in bars:
            lines += _drawn(bar, y, longest)
            y += ROW
    label = escape(f"{answer}: {heading}")
    note = "±: half of the 95 % interval, drawn on the bar" + ("; %: of the call" if parts else "")
    return (
        f'<svg class="pyramid" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 20}" '
        f'role="img" style="max-width: {WIDTH}px" aria-label="{label}">\n'
        f"<style>{pyramid.STYLE}</style>\n"
        + "\n".join(
            [
                _text(MARGIN, 26, answer, "large"),
                _text(MARGIN, 48, heading, "soft"),
                *lines,
                _text(MARGIN, y + 8, note, "soft small"),
            ]
        )
        + "\n</svg>\n"
    )


def _color(network: str, base: str) -> str:
    """Return that of the base, of what only shows the noise, or of another network."""
    again = f"{base}_again"
    return BASE_COLOR if network == base else NOISE_COLOR if network == again else OTHER_COLOR


def _bar(row: Row, color: str) -> Bar:
    rest = row["part"] == REST
    return Bar(str(row["part"]), row, NOISE_COLOR if rest else color)


def _drawn(bar: Bar, y: int, longest: float) -> Iterator[str]:
    row, width = bar.row, WIDTH - 2 * MARGIN
    share = row.get("share") if row["part"] != CALL else None
    told = _milliseconds(row) + (f", {percent(share)}" if share is not None else "")
    title = escape(f"{bar.name}: {told}")
    low, value, high = (
        MARGIN + width * float(seconds) / longest
        for seconds in (_start(row), row["time_s"], _end(row))
    )
    middle = y + 20 + BAR / 2
    yield f'<g tabindex="0" role="img" aria-label="{title}"><title>{title}</title>'
    yield _text(MARGIN, y + 14, _short(bar.name))
    yield _text(WIDTH - MARGIN, y + 14, told, "ms")
    yield (
        f'<rect x="{MARGIN}" y="{y + 20}" width="{width}" height="{BAR}" rx="3" '
        f'fill="{NOISE_COLOR}" fill-opacity="0.12"/>'
        f'<rect x="{MARGIN}" y="{y + 20}" width="{max(1.0, value - MARGIN):.1f}" height="{BAR}" '
        f'rx="3" fill="{bar.color}" fill-opacity="0.7"/>'
        f'<path class="flow" d="M{low:.1f} {middle:g}H{high:.1f}"/></g>'
    )


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{of_kind}>{escape(text)}</text>'


def _right(y: int, call: Row | None) -> str:
    return "" if call is None else _text(WIDTH - MARGIN, y, _milliseconds(call), "ms soft")


def _start(row: Row) -> float:
    low = row.get("time_s_low")
    return float(row["time_s"] if low is None or pd.isna(low) else max(0.0, low))


def _end(row: Row) -> float:
    high = row.get("time_s_high")
    return float(row["time_s"] if high is None or pd.isna(high) else high)


def _milliseconds(row: Row) -> str:
    half = (_end(row) - _start(row)) / 2
    text = f"{float(row['time_s']) * 1e3:.3g} ms"
    return f"{text} ±{half * 1e3:.2g}" if half else text


def _short(name: str, most: int = MOST_LETTERS) -> str:
    return name if len(name) <= most else f"...{name[3 - most :]}"
