"""Why is it slower? Both sides of a case, profiled: which stages take longer, and what they run.

A profile is one process and no measurement of the change: the verdict is what says that there is
one. It tells where to look. The base is profiled twice, so that a stage of which nothing but the
time differs is told only where it differs by more than the base does from itself.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGE_SHARE = 0.05
"""Of a step: how well the profiles of such stages agree is their noise. Smaller ones agree worse,
and their noise is of no account."""

MIN_SHARE = 0.1
"""Of the largest difference of a stage: smaller ones explain nothing."""

MOST = 3
"""Stages and operators that are told; the traces have the others."""

OUTSIDE = "outside the stages"
"""Where operators run that no stage of the network calls, such as a copy of its inputs."""


@dataclass(frozen=True)
class StageChange:
    """A stage that takes longer, or less."""

    name: str
    base_s: float
    head_s: float
    base_bytes: int
    """Read and written by its operators, one by one."""
    head_bytes: int
    base_operators: int
    head_operators: int

    @property
    def counted(self) -> bool:
        """Whether more than the time differs."""
        return (self.base_bytes, self.base_operators) != (self.head_bytes, self.head_operators)

    @property
    def difference_s(self) -> float:
        """Without a sign."""
        return abs(self.head_s - self.base_s)


@dataclass(frozen=True)
class Explanation:
    """What the profiles of the two sides of a case differ in."""

    case_id: str
    stages: tuple[StageChange, ...]
    """The largest difference first."""
    operators: dict[str, tuple[float, float]]
    """Name -> calls per step, base and head; those that differ."""
    repeats_within: float
    """By how much (0.02: by 2 %) the base's large stages differ from themselves, at most."""


def explain(case_id: str, base: Path, head: Path, again: Path) -> Explanation:
    """Compare profiles (`bench.trace.PROFILE`) of a case: the head's, and two of the base."""
    profiles = [json.loads(path.read_text()) for path in (base, head, again)]
    calls = [_calls(profile) for profile in profiles[:2]]
    names = sorted({*calls[0], *calls[1]})
    differing = {
        name: (calls[0].get(name, 0.0), calls[1].get(name, 0.0))
        for name in names
        if calls[0].get(name) != calls[1].get(name)
    }
    largest = sorted(differing, key=lambda n: -abs(differing[n][1] - differing[n][0]))
    in_base, in_head, in_again = map(_stages, profiles)
    noise = _noise(in_base, in_again)
    return Explanation(
        case_id,
        tuple(_stage_changes(in_base, in_head, in_again, noise)[:MOST]),
        {name: differing[name] for name in largest[:MOST]},
        math.expm1(noise),
    )


@dataclass(frozen=True)
class _Stage:
    """Of a profile, in a step."""

    seconds: float = 0.0
    nbytes: int = 0
    operators: int = 0


def _noise(base: Mapping[str, _Stage], again: Mapping[str, _Stage]) -> float:
    """Return the largest log ratio of a large stage in two profiles of the same code."""
    least_s = LARGE_SHARE * sum(stage.seconds for stage in base.values())
    ratios = [
        _log_ratio(stage.seconds, again.get(name, stage).seconds)
        for name, stage in base.items()
        if stage.seconds > least_s
    ]
    return max(ratios, default=0.0)


def _stage_changes(
    base: Mapping[str, _Stage],
    head: Mapping[str, _Stage],
    again: Mapping[str, _Stage],
    noise: float,
) -> list[StageChange]:
    changes = []
    for name in {**base, **head}:
        old, new, old_again = (side.get(name, _Stage()) for side in (base, head, again))
        change = StageChange(
            name,
            (old.seconds + old_again.seconds) / 2,
            new.seconds,
            old.nbytes,
            new.nbytes,
            old.operators,
            new.operators,
        )
        own_noise = max(noise, _log_ratio(old.seconds, old_again.seconds))
        if change.counted or _log_ratio(change.base_s, change.head_s) > own_noise:
            changes.append(change)
    changes.sort(key=lambda change: -change.difference_s)
    least_s = MIN_SHARE * changes[0].difference_s if changes else 0.0
    return [change for change in changes if change.difference_s > least_s]


def _log_ratio(one_s: float, other_s: float) -> float:
    """Return it without a sign; infinite if only one of them took any time."""
    if min(one_s, other_s) <= 0:
        return math.inf if one_s != other_s else 0.0
    return abs(math.log(other_s / one_s))


def _stages(profile: Mapping[str, Any]) -> dict[str, _Stage]:
    """Return every stage, and what is outside of them; seconds of the device where there is one."""
    bytes_of = {stage["name"]: int(stage["eager_bytes"]) for stage in profile["stages"]}
    timed = {**profile["timeline"]["stages"], OUTSIDE: profile["timeline"]["elsewhere"]}
    return {
        name: _Stage(
            t["device_s"] or t["forward_s"] + t["backward_s"],
            bytes_of.get(name, 0),
            t["operators"],
        )
        for name, t in timed.items()
    }


def _calls(profile: Mapping[str, Any]) -> dict[str, float]:
    operators = profile["timeline"]["operators"]
    return {name: float(found["calls"]) for name, found in operators.items()}
