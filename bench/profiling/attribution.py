"""What a trace says of a step: seconds per stage and operator, and how busy the device was.

A device's kernels count for the operator that launched them, and the backward pass for the stage
whose forward operator it belongs to. Pure functions of the events; standard library only.
"""

import bisect
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.profiling.memory_timeline import Memory, memory
from bench.profiling.trace_tree import (
    ANNOTATION,
    KERNELS,
    STEP,
    Event,
    Interval,
    Node,
    interval_s,
    of_category,
    operators,
    thread_of,
)

BACKWARD = "autograd::engine::evaluate_function"


@dataclass(frozen=True)
class Kernel:
    """A kernel that a compiler made."""

    name: str
    """As the compiler calls it: ``extern_kernels.convolution:1``, ``cpp_fused_add_relu_3:8``."""
    stage: str | None
    """`None`: of several stages, or of none."""

    def is_called(self, operator: str) -> bool:
        """Whether an operator of the trace is a call of this kernel."""
        name = self.name.rpartition(":")[0] or self.name
        words = name.split(".")
        called = words[-2] if words[:2] == ["torch", "ops"] else words[-1]
        return operator.rpartition("::")[2] == called or operator.endswith(f"_{called}")


@dataclass
class StageTime:
    """Seconds of one stage in a step."""

    forward_s: float = 0.0
    """Of the host: the operators that the stage calls, one after the other."""
    backward_s: float = 0.0
    device_s: float = 0.0
    """Of the device: kernels and copies, forward and backward."""
    operators: int = 0

    def add(self, root: Node, backward: bool) -> None:
        """Take in an outermost operator."""
        self.operators += 1
        self.device_s += root.total_device_s
        if backward:
            self.backward_s += root.total_s
        else:
            self.forward_s += root.total_s


@dataclass
class OperatorTime:
    """Seconds of all calls of an operator per step."""

    calls: float = 0.0
    self_s: float = 0.0
    total_s: float = 0.0
    self_device_s: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """What a trace says of a step: medians over the steps, and means for the operators."""

    steps: int
    step_s: float
    operators_s: float
    """Within operators of the host; the rest is Python, and waiting."""
    device_s: float | None
    """In which the device did something; `None` without one."""
    stages: dict[str, StageTime]
    elsewhere: StageTime
    """Operators outside all stages: a loss, a clean-up."""
    operators: dict[str, OperatorTime]
    memory: Memory | None
    """Of the last step."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def timeline(
    events: Iterable[Event], stages: Sequence[str], kernels: Sequence[Kernel] = ()
) -> Timeline:
    """Return what the events of a trace say.

    Args:
        events: the ``traceEvents``.
        stages: names of the annotations that are stages.
        kernels: of a compiled network, in the order in which every step calls them; they stand for
            the annotations that it does not have.

    Raises:
        ValueError: there is no step in them.
    """
    events = list(events)
    steps = sorted(
        interval_s(e) for e in of_category(events, ANNOTATION) if e["name"].startswith(STEP)
    )
    if not steps:
        raise ValueError("the trace has no step: it was cut, or never started")
    roots = operators(events)
    placed = _placed(roots, _Regions(events, frozenset(stages)))
    if kernels:
        placed = _by_call_order(placed, steps, kernels)
    of_stage = _per_stage(placed, steps, stages)
    on_host = [(root.start_s, root.end_s) for root in roots]
    on_device = [interval_s(e) for e in events if e.get("cat") in KERNELS]
    stage_of = {id(root): stage for root, (stage, _) in placed}
    return Timeline(
        steps=len(steps),
        step_s=statistics.median(end_s - start_s for start_s, end_s in steps),
        operators_s=_covered_s(on_host, steps),
        device_s=_covered_s(on_device, steps) if on_device else None,
        stages={stage: of_stage[stage] for stage in stages},
        elsewhere=of_stage[None],
        operators=_by_name(roots, len(steps)),
        memory=memory(events, steps[-1], roots, stage_of),
    )


class _Regions:
    """Where the stages are, on the threads that they were annotated on."""

    def __init__(self, events: Sequence[Event], stages: frozenset[str]) -> None:
        self._of_thread: dict[Any, list[tuple[float, float, str]]] = defaultdict(list)
        for event in of_category(events, ANNOTATION):
            if event["name"] in stages:
                self._of_thread[thread_of(event)].append((*interval_s(event), event["name"]))
        for regions in self._of_thread.values():
            regions.sort()

    def at(self, thread: object, moment_s: float) -> str | None:
        regions = self._of_thread.get(thread, ())
        index = bisect.bisect_right(regions, moment_s, key=lambda region: region[0]) - 1
        if index < 0 or regions[index][1] < moment_s:
            return None
        return regions[index][2]


Place = tuple[str | None, bool]
"""A stage, or none, and whether it is its backward pass."""


def _placed(roots: Sequence[Node], regions: _Regions) -> list[tuple[Node, Place]]:
    """Return the stage of every outermost operator; the backward pass by its sequence numbers."""
    stage_of_sequence: dict[int, str] = {}
    placed: list[tuple[Node, Place]] = []
    for root in roots:
        stage = regions.at(root.thread, root.start_s)
        if stage is not None:
            for node in root.walk():
                if node.sequence is not None:
                    stage_of_sequence[node.sequence] = stage
            placed.append((root, (stage, False)))
        elif root.name.startswith(BACKWARD):
            # Gradients are accumulated right behind the operator that they come from.
            known = None if root.sequence is None else stage_of_sequence.get(root.sequence)
            before = placed[-1][1] if placed and "AccumulateGrad" in root.name else (None, True)
            placed.append((root, (known, True) if known else before))
        else:
            placed.append((root, (None, False)))
    return placed


def _by_call_order(
    placed: Sequence[tuple[Node, Place]], steps: Sequence[Interval], kernels: Sequence[Kernel]
) -> list[tuple[Node, Place]]:
    """Give every call of a kernel its stage; within a step they come in the compiler's order."""
    attributed: list[tuple[Node, Place]] = []
    step, following = -1, 0
    for root, place in placed:
        now = _step_at(root.start_s, steps)
        if now != step:
            step, following = now, 0
        called = next(
            (i for i in range(following, len(kernels)) if kernels[i].is_called(root.name)), None
        )
        if called is None:
            attributed.append((root, place))
        else:
            attributed.append((root, (kernels[called].stage, False)))
            following = called + 1
    return attributed


def _per_stage(
    placed: Sequence[tuple[Node, Place]], steps: Sequence[Interval], stages: Sequence[str]
) -> dict[str | None, StageTime]:
    """Return the median over the steps of every stage, and of what is in none (`None`)."""
    per_step: dict[str | None, list[StageTime]] = {
        stage: [StageTime() for _ in steps] for stage in (*stages, None)
    }
    for root, (stage, backward) in placed:
        step = _step_at(root.start_s, steps)
        if step >= 0 and root.start_s <= steps[step][1]:
            per_step[stage][step].add(root, backward)
    return {stage: _median(times) for stage, times in per_step.items()}


def _step_at(moment_s: float, steps: Sequence[Interval]) -> int:
    """Return the number of the step that began last, -1 before the first."""
    return bisect.bisect_right(steps, (moment_s, math.inf)) - 1


def _median(steps: Sequence[StageTime]) -> StageTime:
    """Return what is usual of the steps: one that was disturbed does not count."""
    return StageTime(
        statistics.median(step.forward_s for step in steps),
        statistics.median(step.backward_s for step in steps),
        statistics.median(step.device_s for step in steps),
        round(statistics.median(step.operators for step in steps)),
    )


def _by_name(roots: Iterable[Node], steps: int) -> dict[str, OperatorTime]:
    """Return the means over the steps of every operator, the costliest first."""
    times: dict[str, OperatorTime] = defaultdict(OperatorTime)
    for root in roots:
        for node in root.walk():
            time = times[node.name]
            time.calls += 1 / steps
            time.self_s += node.self_s / steps
            time.total_s += node.total_s / steps
            time.self_device_s += node.device_s / steps
    return dict(sorted(times.items(), key=lambda item: -item[1].self_s - item[1].self_device_s))


def _covered_s(intervals: Sequence[Interval], steps: Sequence[Interval]) -> float:
    """Return the median over the steps of the time that intervals cover, overlaps counted once."""
    return statistics.median(_union_s(intervals, step) for step in steps)


def _union_s(intervals: Iterable[Interval], within: Interval) -> float:
    covered, end_s = 0.0, within[0]
    for start, end in sorted(intervals):
        first, last = max(start, end_s), min(end, within[1])
        if last > first:
            covered += last - first
            end_s = last
    return covered
