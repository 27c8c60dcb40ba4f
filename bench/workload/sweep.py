"""From axes to cases: the product of the values of every axis, each case once."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from bench.schema.records import Case

Axes = Mapping[str, tuple[Any, ...]]
"""Values per axis, as `bench.workload.axes` parses them."""


def cases(blocks: Iterable[Axes]) -> tuple[Case, ...]:
    """Return the cases of all blocks in order, without repetition."""
    found: dict[str, Case] = {}
    for block in blocks:
        for values in itertools.product(*block.values()):
            case = _case(dict(zip(block, values, strict=True)))
            found.setdefault(case.case_id, case)
    return tuple(found.values())


def _case(values: Mapping[str, Any]) -> Case:
    height_px, width_px = values["resolutions"]
    return Case(
        backbone=values["backbones"],
        scope=values["scopes"],
        batch_size=values["batch_sizes"],
        height_px=height_px,
        width_px=width_px,
        device=values["devices"],
        dtype=values["dtypes"],
        channels_last=values["channels_last"],
        compile_mode=values["compile"],
        pass_name=values["passes"],
        threads=values["threads"],
    )
