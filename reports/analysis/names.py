"""What arms and cases are called wherever people read of them."""

from collections.abc import Hashable, Mapping
from typing import Any

Row = Mapping[Hashable, Any]
"""One row of a frame, by column."""

ARM_NAMES = {"fpn": "FPN", "panet": "FPN + PANet"}

MIB = 2**20


def case_name(row: Row) -> str:
    """Name a case by what is not usual."""
    layout = "nhwc" if row["channels_last"] else "nchw"
    height, width = row["height_px"], row["width_px"]
    size = f"b{row['batch_size']} {height if height == width else f'{height}x{width}'} {layout}"
    usual = {"dtype": "float32", "pass_name": "inference"}
    unusual = [str(row[axis]) for axis, value in usual.items() if row[axis] != value]
    if row["compile_mode"] != "off":
        unusual.append("compiled" if row["compile_mode"] == "default" else row["compile_mode"])
    device = [] if row["device"] == "cpu" else [row["device"]]
    return " ".join([row["scope"], row["backbone"], size, *device, *unusual])


def machine_of(run: Mapping[str, Any]) -> str:
    """Name the machine and torch of a run, from the key ``panet`` of its file."""
    environment = run["environment"]
    cpu = f"{environment.get('cpu')}, {environment.get('cores')} cores"
    torch = environment.get("libraries", {}).get("torch")
    return f"{environment.get('accelerator') or cpu}; torch {torch}"
