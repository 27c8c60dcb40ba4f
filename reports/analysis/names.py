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


def machine_of(run: Mapping[str, Any]) -> str:
    """Name the machine and torch of a run, from the key ``panet`` of its file."""
    environment = run["environment"]
    cpu = f"{environment.get('cpu')}, {environment.get('cores')} cores"
    torch = environment.get("libraries", {}).get("torch")
    return f"{environment.get('accelerator') or cpu}; torch {torch}"
