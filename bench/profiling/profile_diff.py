"""Why is it slower? Both sides of a case, profiled: which stages take longer, and what they run.

A profile is one process and no measurement of the change: the verdict is what says that there is
one, and where calls are split by marks, in which stages; then the profile tells of these. Otherwise
it tells where to look. The base is profiled twice: what differs between these two is no difference
of the sides.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.schema.records import OTHER

LARGE_SHARE = 0.05
"""Of the stages' time: how well the profiles of such stages agree is their noise. Smaller ones
agree worse, and their noise is of no account."""

BEYOND = 3.0
"""Times the usual difference of a stage between the two profiles of the base. Normal noise leaves
one of fifty equal stages beyond it, a shared machine some more: they are shown behind what is
counted."""

MIN_SHARE = 0.1
"""Of the largest difference of a stage: if it is one of time alone, a smaller one explains
nothing."""

MOST = 3
"""Stages and operators that are shown; the traces have the others."""

IN_NO_STAGE = "in no single stage"
"""Operators that no stage of the network calls, such as a copy of its inputs, and kernels that a
compiler fused over several."""


@dataclass(frozen=True)
class StageChange:
    """A stage that takes longer, or less."""

    name: str
    base_s: float
    """Mean of its two profiles."""
    head_s: float
    base_bytes: int
    """Read and written by its operators, one by one; 0 of a compiled case, which fuses them."""
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
    """Those first of which more than the time differs, then the largest difference."""
    operators: dict[str, tuple[float, float]]
    """Name -> calls per step, base and head; those that differ."""
    repeats_within: float
    """By how much (0.02: by 2 %) a large stage of the base usually differs from itself."""
    named: bool = False
    """Whether the stages are those that surely changed, not those that differ in the profiles."""


def explain(
    case_id: str, base: Path, head: Path, again: Path, named: Sequence[str] = ()
) -> Explanation:
    """Compare profiles (`bench.profiling.trace.PROFILE`): the head's, and two of the base.

    Args:
        case_id: of the case.
        base: profile of the base.
        head: profile of the head.
        again: of the base once more.
        named: the stages that surely changed, if that is known.
    """
    profiles = [json.loads(path.read_text()) for path in (base, head, again)]
    in_base, in_head, in_again = map(_stages, profiles)
    noise = _noise(in_base, in_again)
    if named:
        names = [IN_NO_STAGE if name == OTHER else name for name in named]
        known = [name for name in names if name in {**in_base, **in_head}]
        changes = [_change(name, in_base, in_head, in_again) for name in known]
    else:
        changes = _stage_changes(in_base, in_head, in_again, noise)
    return Explanation(
        case_id,
        tuple(changes[:MOST]),
        _operators(*map(_calls, profiles)),
        math.expm1(noise),
        bool(named),
    )


def _operators(
    base: Mapping[str, float], head: Mapping[str, float], again: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    differing = {
        name: (base.get(name, 0.0), head.get(name, 0.0))
        for name in sorted({*base, *head})
        if base.get(name, 0.0) == again.get(name, 0.0) != head.get(name, 0.0)
    }
    largest = sorted(differing, key=lambda n: -abs(differing[n][1] - differing[n][0]))
    return {name: differing[name] for name in largest[:MOST]}


@dataclass(frozen=True)
class _Stage:
    """Of a profile, in a step."""

    seconds: float = 0.0
    nbytes: int = 0
    operators: int = 0


def _noise(base: Mapping[str, _Stage], again: Mapping[str, _Stage]) -> float:
    """Return the usual log ratio of a large stage in two profiles of the same code."""
    least_s = LARGE_SHARE * sum(stage.seconds for stage in base.values())
    ratios = [
        _log_ratio(stage.seconds, again[name].seconds)
        for name, stage in base.items()
        if stage.seconds > least_s and name in again and again[name].seconds > 0
    ]
    return statistics.median(ratios) if ratios else 0.0


def _stage_changes(
    base: Mapping[str, _Stage],
    head: Mapping[str, _Stage],
    again: Mapping[str, _Stage],
    noise: float,
) -> list[StageChange]:
    changes = []
    for name in {**base, **head}:
        old, old_again = (side.get(name, _Stage()) for side in (base, again))
        if old.operators != old_again.operators:
            continue
        change = _change(name, base, head, again)
        beyond = max(BEYOND * noise, _log_ratio(old.seconds, old_again.seconds))
        if change.counted or _log_ratio(change.base_s, change.head_s) > beyond:
            changes.append(change)
    return _worth_telling(changes)


def _change(
    name: str,
    base: Mapping[str, _Stage],
    head: Mapping[str, _Stage],
    again: Mapping[str, _Stage],
) -> StageChange:
    old, new, old_again = (side.get(name, _Stage()) for side in (base, head, again))
    return StageChange(
        name,
        (old.seconds + old_again.seconds) / 2,
        new.seconds,
        old.nbytes,
        new.nbytes,
        old.operators,
        new.operators,
    )


def _worth_telling(changes: Sequence[StageChange]) -> list[StageChange]:
    least_s = MIN_SHARE * max((change.difference_s for change in changes), default=0.0)
    worth = [change for change in changes if change.counted or change.difference_s > least_s]
    return sorted(worth, key=lambda change: (not change.counted, -change.difference_s))


def _log_ratio(one_s: float, other_s: float) -> float:
    """Return it without a sign; infinite if only one of them took any time."""
    if min(one_s, other_s) <= 0:
        return math.inf if one_s != other_s else 0.0
    return abs(math.log(other_s / one_s))


def _stages(profile: Mapping[str, Any]) -> dict[str, _Stage]:
    """Return every stage, and what is in none of them; seconds of the device where there is one."""
    timeline = profile["timeline"]
    on_device = timeline["device_s"] is not None
    fused = profile["case"]["compile_mode"] != "off"
    bytes_of = {s["name"]: 0 if fused else int(s["eager_bytes"]) for s in profile["stages"]}
    return {
        name: _Stage(
            t["device_s"] if on_device else t["forward_s"] + t["backward_s"],
            bytes_of.get(name, 0),
            t["operators"],
        )
        for name, t in {**timeline["stages"], IN_NO_STAGE: timeline["elsewhere"]}.items()
    }


def _calls(profile: Mapping[str, Any]) -> dict[str, float]:
    operators = profile["timeline"]["operators"]
    return {name: round(float(time["calls"]), 3) for name, time in operators.items()}
