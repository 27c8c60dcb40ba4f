"""Tensor memory over a step: its curve, and what fills it at the peak. Standard library only."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.profiling.trace_tree import MICROSECOND_S, Event, Interval, Node, by_thread, innermost

MEMORY = "[memory]"

ALLOCATORS = frozenset({"aten::empty", "aten::empty_strided", "aten::resize_", "aten::empty_like"})

MAX_POINTS = 500
"""Of the curve: more than a drawing has pixels for."""

Change = tuple[float, int, int]
"""Moment in seconds, bytes (negative: freed), address."""

ELSEWHERE = "elsewhere"
"""The stage of what no stage allocated."""


@dataclass(frozen=True)
class Memory:
    """Tensor memory during one step, above what it neither allocates nor frees (weights, inputs).

    A training step begins with the gradients of the step before, and frees them.
    """

    curve: tuple[tuple[float, int], ...]
    """Seconds since the step began, and bytes; thinned out, the peak always in it."""
    peak_bytes: int
    peak_at_s: float
    live: tuple[tuple[str, str, int], ...]
    """What fills the peak: stage, operator that allocated it, bytes; the largest first."""
    left_bytes: dict[str, int]
    """Stage -> what it allocated and nobody freed before the step's end."""


def memory(
    events: Sequence[Event],
    step: Interval,
    roots: Sequence[Node],
    stage_of: Mapping[int, str | None],
) -> Memory | None:
    """Follow the allocations of a step; on an accelerator, those of its memory alone.

    Args:
        events: of the whole trace.
        step: when it began and ended.
        roots: the host's outermost operators.
        stage_of: stage of each of these operators, by its `id`.

    Returns:
        `None` where no allocation was recorded.
    """
    every = sorted(
        (e["ts"] * MICROSECOND_S, e["args"]["Bytes"], e["args"]["Addr"])
        for e in _allocations(events)
    )
    changes = [change for change in every if step[0] <= change[0] <= step[1]]
    if not changes:
        return None
    of_thread = by_thread(roots)
    live = {
        address: (*_allocated_by(moment_s, of_thread, stage_of), nbytes)
        for address, (moment_s, nbytes) in _freed_of_earlier(every, changes).items()
    }
    at_peak = list(live.values())
    level = peak = sum(nbytes for *_, nbytes in at_peak)
    peak_at_s = 0.0
    curve = [(0.0, level)]
    for moment_s, nbytes, address in changes:
        level += nbytes
        if nbytes > 0:
            live[address] = (*_allocated_by(moment_s, of_thread, stage_of), nbytes)
        else:
            live.pop(address, None)
        curve.append((moment_s - step[0], level))
        if level > peak:
            peak, peak_at_s, at_peak = level, moment_s - step[0], list(live.values())
    at_peak.sort(key=lambda tensor: -tensor[2])
    return Memory(_thinned(curve), peak, peak_at_s, tuple(at_peak), _by_stage(live))


def _freed_of_earlier(
    every: Sequence[Change], changes: Sequence[Change]
) -> dict[int, tuple[float, int]]:
    """Return what a step frees that it has not allocated: address -> when that was, and bytes."""
    allocated = {
        address: (moment_s, nbytes)
        for moment_s, nbytes, address in every
        if nbytes > 0 and moment_s < changes[0][0]
    }
    first: dict[int, Change] = {}
    for change in changes:
        first.setdefault(change[2], change)
    return {
        address: allocated.get(address, (moment_s, -nbytes))
        for address, (moment_s, nbytes, _) in first.items()
        if nbytes < 0
    }


def _by_stage(live: Mapping[int, tuple[str, str, int]]) -> dict[str, int]:
    nbytes_of: dict[str, int] = defaultdict(int)
    for stage, _, nbytes in live.values():
        nbytes_of[stage] += nbytes
    return dict(nbytes_of)


def _allocations(events: Sequence[Event]) -> list[Event]:
    """Return the allocations and releases, of devices alone where there are such."""
    every = [e for e in events if e.get("name") == MEMORY and "Bytes" in e.get("args", {})]
    on_device = [e for e in every if e["args"].get("Device Type", 0) != 0]
    return on_device or every


def _allocated_by(
    moment_s: float, of_thread: Mapping[Any, Sequence[Node]], stage_of: Mapping[int, str | None]
) -> tuple[str, str]:
    """Return stage and operator that run at a moment, on whichever thread one does."""
    for roots in of_thread.values():
        node = innermost(roots, moment_s)
        if node is not None:
            stage = stage_of.get(id(node.outermost)) or ELSEWHERE
            while node.parent is not None and node.name in ALLOCATORS:
                node = node.parent  # who asked for it says more
            return stage, node.name
    return ELSEWHERE, "outside operators"


def _thinned(curve: Sequence[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """Keep the highest of every so many neighbours, and both ends."""
    width = -(-len(curve) // MAX_POINTS)
    highest = [
        max(curve[i : i + width], key=lambda point: point[1]) for i in range(0, len(curve), width)
    ]
    return tuple(dict.fromkeys((curve[0], *highest, curve[-1])))
