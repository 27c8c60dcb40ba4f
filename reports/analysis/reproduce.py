"""The command that repeats one case."""

from collections.abc import Mapping
from typing import Any

OPTIONS = {
    "scope": "--scopes",
    "backbone": "--backbones",
    "batch_size": "--batch-sizes",
    "device": "--devices",
    "compile_mode": "--compile",
    "dtype": "--dtypes",
    "pass_name": "--passes",
    "threads": "--threads",
}
"""Axis of a case -> option of `pytest bench` that sets it alone."""


def repeat(row: Mapping[Any, Any]) -> str:
    """Return the command line that measures exactly this case again.

    Args:
        row: with every axis of the case.
    """
    words = ["pytest bench"]
    words += [f"{option} {row[axis]}" for axis, option in OPTIONS.items()]
    words.append(f"--resolutions {row['height_px']}x{row['width_px']}")
    words.append(f"--channels-last {'on' if row['channels_last'] else 'off'}")
    return " ".join(words)
