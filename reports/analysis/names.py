"""What arms and cases are called wherever people read of them."""

import string
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

Row = Mapping[Hashable, Any]
"""One row of a frame, by column."""

ARM_NAMES = {"fpn": "FPN", "panet": "FPN + PANet"}

MIB = 2**20

MOST_NAMED = 3
"""Cases or stages in a sentence, those with the largest change; the table has all."""


def arm_name(arm: object) -> str:
    """Return what an arm is called; of somebody's network its own name."""
    return ARM_NAMES.get(str(arm), str(arm))


def run_letters(run_ids: Iterable[str]) -> dict[str, str]:
    """Return a short name for each of several runs, A, B, ..., in order of their ids; of one none.

    Tables have runs in that order, too, whichever was named first.
    """
    runs = sorted(set(run_ids))
    if len(runs) < 2:
        return dict.fromkeys(runs, "")
    letters = [*string.ascii_uppercase, *(f"run {n}" for n in range(27, len(runs) + 1))]
    return dict(zip(runs, letters, strict=False))
