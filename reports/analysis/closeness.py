"""How close what eager torch does not run comes to eager float32, level by level, as text."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

CAPTION = (
    "Largest difference of every level from eager float32, relative to the level's largest value, "
    "and the ratio of signal to noise"
)


def levels(rows: Sequence[Mapping[Any, Any]]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return what the levels are called, fine to coarse, and of every row how far off each is.

    Args:
        rows: with ``level_differences`` and ``level_sqnr_db``.
    """
    named = itertools.zip_longest(*(row["level_differences"] for row in rows), fillvalue="")
    heads = tuple(" / ".join(filter(None, dict.fromkeys(names))) for names in named)
    return heads, [_cells(row, len(heads)) for row in rows]


def _cells(row: Mapping[Any, Any], count: int) -> list[str]:
    found_db = row["level_sqnr_db"]
    cells = [_off(off, found_db[level]) for level, off in row["level_differences"].items()]
    return cells + [""] * (count - len(cells))


def _off(off: float, sqnr_db: float | None) -> str:
    return "none" if sqnr_db is None else f"{off:.1e} ({sqnr_db:.0f} dB)"
