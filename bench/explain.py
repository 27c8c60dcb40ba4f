"""Why is it slower? Both sides of a case, profiled: which stages take longer, and what they run.

A profile is one process per side and no measurement of the change: the verdict is what says that
there is one. It tells where to look.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIN_SHARE = 0.1
"""Of the largest difference of a stage: smaller ones are the profiler's noise."""

MOST = 3
"""Stages and operators that are told; the traces have the others."""


@dataclass(frozen=True)
class StageChange:
    """A stage that takes longer, or less."""

    name: str
    base_s: float
    head_s: float
    base_bytes: int
    """Read and written by its operators, one by one."""
    head_bytes: int


@dataclass(frozen=True)
class Explanation:
    """What the profiles of the two sides of a case differ in."""

    case_id: str
    stages: tuple[StageChange, ...]
    """The largest difference first."""
    operators: dict[str, tuple[float, float]]
    """Name -> calls per step, base and head; those that differ."""


def explain(case_id: str, base: Path, head: Path) -> Explanation:
    """Compare two profiles (`bench.trace.PROFILE`) of a case."""
    profiles = [json.loads(path.read_text()) for path in (base, head)]
    calls = [_calls(profile) for profile in profiles]
    names = sorted({*calls[0], *calls[1]})
    differing = {
        name: (calls[0].get(name, 0.0), calls[1].get(name, 0.0))
        for name in names
        if calls[0].get(name) != calls[1].get(name)
    }
    largest = sorted(differing, key=lambda n: -abs(differing[n][1] - differing[n][0]))
    return Explanation(
        case_id,
        tuple(_stage_changes(*map(_stages, profiles))[:MOST]),
        {name: differing[name] for name in largest[:MOST]},
    )


def _stage_changes(
    base: Mapping[str, tuple[float, int]], head: Mapping[str, tuple[float, int]]
) -> list[StageChange]:
    changes = []
    for name in {**base, **head}:
        (base_s, base_bytes), (head_s, head_bytes) = (s.get(name, (0.0, 0)) for s in (base, head))
        changes.append(StageChange(name, base_s, head_s, base_bytes, head_bytes))
    changes.sort(key=lambda change: -abs(change.head_s - change.base_s))
    if not changes:
        return []
    least_s = MIN_SHARE * abs(changes[0].head_s - changes[0].base_s)
    return [change for change in changes if abs(change.head_s - change.base_s) > least_s]


def _stages(profile: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    """Return seconds and bytes of every stage; of the device where there is one."""
    bytes_of = {stage["name"]: int(stage["eager_bytes"]) for stage in profile["stages"]}
    timed = profile["timeline"]["stages"]
    return {
        name: (t["device_s"] or t["forward_s"] + t["backward_s"], bytes_of.get(name, 0))
        for name, t in timed.items()
    }


def _calls(profile: Mapping[str, Any]) -> dict[str, float]:
    operators = profile["timeline"]["operators"]
    return {name: float(found["calls"]) for name, found in operators.items()}
