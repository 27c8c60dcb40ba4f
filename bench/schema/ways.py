"""Ways of running the same networks: the axes in which cases differ that ask for the same work."""

from dataclasses import replace
from typing import Any

from bench.schema.case import AXES, TORCH, Case

FIELDS = ("channels_last", "compile_mode", "runtime")
"""Of `Case`: they change how it is computed, and nothing of what."""

_AXES = tuple(axis for axis in AXES if axis.fields[0] in FIELDS)


def way_of(case: Case) -> str:
    """Return how a case runs its networks: ``compile:off runtimes:openvino ...``."""
    return " ".join(f"{axis.option}:{axis.text(vars(case))}" for axis in _AXES)


def in_way(case: Case, way: str) -> Case:
    """Return the case as `way_of` says; as it is where nothing is said."""
    items = dict(item.split(":") for item in way.split())
    found: dict[str, Any] = {
        axis.fields[0]: axis.choices[items[axis.option]] for axis in _AXES if axis.option in items
    }
    return replace(case, **found)


def way_name(case: Case) -> str:
    """Return ``eager``, ``eager-nhwc``, ``inductor``, ``openvino``: safe as a name of a file."""
    torchs = {"off": "eager", "default": "inductor"}
    name = case.runtime
    if name == TORCH:
        name = torchs.get(case.compile_mode, f"inductor-{case.compile_mode}")
    return f"{name}-nhwc" if case.channels_last else name
