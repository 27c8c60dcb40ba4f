"""Where the boxes of a pyramid are, and which arrows join them.

Either all parts are beside each other, levels in rows; or, for a page that is as narrow as a phone,
the backbone lies above the others, folded into rows of two. Both are in pixels.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

COLUMN, GAP, MARGIN = 226, 20, 8
"""Width of a box, of what is between two, and of what is around all: two beside each other are
seen whole on a phone, and the longest stage of ours fits in the widest of usual fonts."""

BAR, LINE, HEAD, BETWEEN = 23, 16, 24, 26
"""Height of a stage, of a second line in it, of a box's headline, and of what is between two."""

TITLE, TOP = 34, 96
"""Height of a part's title, and where the boxes begin, below the first title."""

ABOVE = "backbone"
"""The part that is above the others where the page is narrow."""

DOWNWARDS = "fpn"
"""The part that hands coarse maps down; the others hand fine ones up."""

Cell = tuple[str, int]
"""Part and level: a box."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where everything is."""

    boxes: Mapping[Cell, int]
    """Heights."""
    corners: Mapping[Cell, tuple[int, int]]
    """Left upper corners."""
    titles: Mapping[str, tuple[int, int]]
    """Part -> where its title begins."""
    joined: Sequence[tuple[Cell, Cell]]
    width: int
    bottom: int

    def arrows(self) -> Iterator[tuple[Point, Point]]:
        """Yield where each arrow begins and ends: boxes that are joined share a row or a column."""
        for start, end in self.joined:
            (x0, y0), (x1, y1) = self.corners[start], self.corners[end]
            if y0 == y1:
                y, right = y0 + HEAD / 2, x1 > x0
                yield (
                    (x0 + COLUMN + 2 if right else x0 - 2, y),
                    (x1 - 3 if right else x1 + COLUMN + 3, y),
                )
            else:
                x, down = x0 + COLUMN / 2, y1 > y0
                upper, lower = (start, end) if down else (end, start)
                bottom = self.corners[upper][1] + self.boxes[upper]
                ends = (x, bottom + 3), (x, self.corners[lower][1] - 3)
                yield ends if down else ends[::-1]


def beside(boxes: Mapping[Cell, int], parts: Sequence[str], top: int = TOP) -> Layout:
    """Return all parts beside each other.

    Args:
        boxes: their heights.
        parts: in the order of the columns.
        top: where the boxes begin.
    """
    x = {part: _x(place) for place, part in enumerate(parts)}
    at, y = dict[Cell, tuple[int, int]](), top
    for level in sorted({level for _, level in boxes}, reverse=True):
        row = {cell: height for cell, height in boxes.items() if cell[1] == level}
        at |= {(part, level): (x[part], y) for part, _ in row}
        y += max(row.values()) + BETWEEN
    sideways = [
        ((left, level), (right, level))
        for left, right in itertools.pairwise(parts)
        for part, level in boxes
        if part == left and (right, level) in boxes
    ]
    titles = {part: (x[part], top - 12) for part in parts}
    joined = [*sideways, *_upright(boxes, parts)]
    return Layout(boxes, at, titles, joined, _x(len(parts)) - GAP + MARGIN, y)


def above(boxes: Mapping[Cell, int], parts: Sequence[str]) -> Layout:
    """Return the backbone above the others, from left to right and back; as for `beside`."""
    own = {cell: height for cell, height in boxes.items() if cell[0] == ABOVE}
    cells = sorted(own, key=lambda cell: cell[1])
    at, y = dict[Cell, tuple[int, int]](), TOP
    for row, first in enumerate(range(0, len(cells), 2)):
        pair = cells[first : first + 2]
        at |= {cell: (_x(1 - place if row % 2 else place), y) for place, cell in enumerate(pair)}
        y += max(own[cell] for cell in pair) + BETWEEN
    others = [part for part in parts if part != ABOVE]
    rest = {cell: height for cell, height in boxes.items() if cell[0] != ABOVE}
    below = beside(rest, others, y + TITLE)
    titles = {ABOVE: (MARGIN, TOP - 12), **below.titles}
    joined = [*below.joined, *_upright(own, [ABOVE])]
    return Layout(boxes, {**at, **below.corners}, titles, joined, below.width, below.bottom)


def _x(place: int) -> int:
    return MARGIN + place * (COLUMN + GAP)


def _upright(boxes: Mapping[Cell, int], parts: Sequence[str]) -> Iterator[tuple[Cell, Cell]]:
    for part in parts:
        cells = sorted((cell for cell in boxes if cell[0] == part), key=lambda cell: cell[1])
        for finer, coarser in itertools.pairwise(cells):
            yield (coarser, finer) if part == DOWNWARDS else (finer, coarser)
