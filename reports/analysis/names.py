"""What arms and cases are called wherever people read of them."""

from collections.abc import Hashable, Mapping, Set
from typing import Any

from bench.schema.case import AXES

Row = Mapping[Hashable, Any]
"""One row of a frame, by column."""

ARM_NAMES = {"fpn": "FPN", "panet": "FPN + PANet"}

MIB = 2**20


def group_name(row: Row, varying: Set[str]) -> str:
    """Name the cases that differ in some axes alone by what they have in common.

    Args:
        row: one of them.
        varying: fields of these axes.
    """
    labels = (axis.label(row) for axis in AXES if not varying & set(axis.fields))
    return " ".join(filter(None, labels))
