"""What a trace says: time per stage and operator, memory over time, how busy the device was.

Pure functions of the events of a `torch.profiler` trace (the Chrome format that it exports; times
there in microseconds); standard library only. A device's kernels count for the operator that
launched them, and the backward pass for the stage whose forward operator it belongs to.
"""

import bisect
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Event = Mapping[str, Any]

STEP = "ProfilerStep#"
OPERATOR, ANNOTATION = "cpu_op", "user_annotation"
LAUNCHES = frozenset({"cuda_runtime", "cuda_driver", "xpu_runtime"})
KERNELS = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})
BACKWARD = "autograd::engine::evaluate_function"
AROUND_KERNELS = (
    *("Torch-Compiled Region", "## Call CompiledFxGraph", "CompiledFunction"),
    *("TorchDynamo Cache Lookup", "Pregraph bytecode", "AOTDispatcher Runtime Wrapper"),
)
"""What torch.compile puts around its kernels: annotations that are recorded as operators."""
MEMORY = "[memory]"

ALLOCATORS = frozenset({"aten::empty", "aten::empty_strided", "aten::resize_", "aten::empty_like"})

MAX_POINTS = 500
"""Of the curve of the memory: more than a drawing has pixels for."""

MICROSECOND_S = 1e-6


@dataclass
class Node:
    """An operator of the host, with what it called and launched. Times in seconds."""

    event: Event
    name: str
    start_s: float
    end_s: float
    thread: Any
    sequence: int | None = None
    parent: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)
    device_s: float = 0.0
    """Of the kernels that it launched itself."""

    @property
    def total_s(self) -> float:
        """With what it called."""
        return self.end_s - self.start_s

    @property
    def self_s(self) -> float:
        """Without what it called."""
        return self.total_s - sum(child.total_s for child in self.children)

    @property
    def total_device_s(self) -> float:
        """With the kernels of what it called."""
        return self.device_s + sum(child.total_device_s for child in self.children)


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
class Memory:
    """Tensor memory during one step, above what was there when it began."""

    curve: tuple[tuple[float, int], ...]
    """Seconds since the step began, and bytes; thinned out, the peak always in it."""
    peak_bytes: int
    peak_at_s: float
    live: tuple[tuple[str, str, int], ...]
    """What fills the peak: stage, operator that allocated it, bytes; the largest first."""
    left_bytes: dict[str, int]
    """Stage -> what it allocated and nobody freed before the step's end."""


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

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def read(
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
    found = list(events)
    steps = sorted(_interval(e) for e in _of(found, ANNOTATION) if e["name"].startswith(STEP))
    if not steps:
        raise ValueError("the trace has no step: it was cut, or never started")
    every = operators(found)
    placed = _placed(every, _Regions(found, frozenset(stages)))
    if kernels:
        placed = _by_call_order(placed, steps, kernels)
    device = [_interval(e) for e in found if e.get("cat") in KERNELS]
    per_step: dict[str | None, list[StageTime]] = {
        stage: [StageTime() for _ in steps] for stage in (*stages, None)
    }
    for root, (stage, backward) in placed:
        step = bisect.bisect_right(steps, (root.start_s, math.inf)) - 1
        if step >= 0 and root.start_s <= steps[step][1]:
            per_step[stage][step].add(root, backward)
    intervals = [(root.start_s, root.end_s) for root in every]
    return Timeline(
        steps=len(steps),
        step_s=statistics.median(end - start for start, end in steps),
        operators_s=statistics.median(_union_s(intervals, step) for step in steps),
        device_s=statistics.median(_union_s(device, step) for step in steps) if device else None,
        stages={stage: _median(per_step[stage]) for stage in stages},
        elsewhere=_median(per_step[None]),
        operators=_by_name(every, len(steps)),
        memory=_memory(found, steps[-1], every, placed),
    )


def operators(events: Sequence[Event]) -> list[Node]:
    """Return the host's outermost operators in order, with what they called and launched.

    The kernels of a compiled network are operators, what torch.compile puts around them is not.
    """
    nodes = [
        Node(
            e,
            e["name"],
            *_interval(e),
            _thread(e),
            e.get("args", {}).get("Sequence number"),
        )
        for e in _of(events, OPERATOR)
        if not e["name"].startswith(AROUND_KERNELS)
    ]
    nodes.sort(key=lambda node: (node.start_s, -node.end_s))
    roots, open_by_thread = [], defaultdict[Any, list[Node]](list)
    for node in nodes:
        stack = open_by_thread[node.thread]
        while stack and stack[-1].end_s < node.end_s:
            stack.pop()
        if stack:
            node.parent = stack[-1]
            stack[-1].children.append(node)
        else:
            roots.append(node)
        stack.append(node)
    _add_kernels(events, roots)
    return roots


def innermost(roots: Sequence[Node], moment_s: float) -> Node | None:
    """Return the innermost of one thread's operators that runs at a moment."""
    found = None
    level: Sequence[Node] = roots
    while level:
        index = bisect.bisect_right(level, moment_s, key=lambda node: node.start_s) - 1
        if index < 0 or level[index].end_s < moment_s:
            return found
        found = level[index]
        level = found.children
    return found


def _add_kernels(events: Sequence[Event], roots: Sequence[Node]) -> None:
    """Add every kernel's time to the operator that launched it."""
    launched_by = launchers(events, roots)
    for event in events:
        node = launched_by.get(event.get("args", {}).get("correlation"))
        if event.get("cat") in KERNELS and node is not None:
            node.device_s += event["dur"] * MICROSECOND_S


def launchers(events: Sequence[Event], roots: Sequence[Node]) -> dict[int, Node]:
    """Return the operator behind every launch, by correlation number."""
    by_thread = _by_thread(roots)
    found = {}
    for event in events:
        if event.get("cat") in LAUNCHES and "correlation" in event.get("args", {}):
            node = innermost(by_thread.get(_thread(event), ()), event["ts"] * MICROSECOND_S)
            if node is not None:
                found[event["args"]["correlation"]] = node
    return found


class _Regions:
    """Where the stages are, on the threads that they were annotated on."""

    def __init__(self, events: Sequence[Event], stages: frozenset[str]) -> None:
        self._found: dict[Any, list[tuple[float, float, str]]] = defaultdict(list)
        for event in _of(events, ANNOTATION):
            if event["name"] in stages:
                self._found[_thread(event)].append((*_interval(event), event["name"]))
        for regions in self._found.values():
            regions.sort()

    def at(self, thread: object, moment_s: float) -> str | None:
        regions = self._found.get(thread, ())
        index = bisect.bisect_right(regions, moment_s, key=lambda region: region[0]) - 1
        if index < 0 or regions[index][1] < moment_s:
            return None
        return regions[index][2]


Place = tuple[str | None, bool]
"""A stage, or none, and whether it is its backward pass."""


def _median(steps: Sequence[StageTime]) -> StageTime:
    """Return what is usual of the steps: one that was disturbed does not count."""
    return StageTime(
        statistics.median(step.forward_s for step in steps),
        statistics.median(step.backward_s for step in steps),
        statistics.median(step.device_s for step in steps),
        round(statistics.median(step.operators for step in steps)),
    )


def _placed(roots: Sequence[Node], regions: _Regions) -> list[tuple[Node, Place]]:
    """Return the stage of every outermost operator; the backward pass by its sequence numbers."""
    stage_of_sequence: dict[int, str] = {}
    found: list[tuple[Node, Place]] = []
    for root in roots:
        stage = regions.at(root.thread, root.start_s)
        if stage is not None:
            for node in _walk(root):
                if node.sequence is not None:
                    stage_of_sequence[node.sequence] = stage
            found.append((root, (stage, False)))
        elif root.name.startswith(BACKWARD):
            # Gradients are accumulated right behind the operator that they come from.
            known = None if root.sequence is None else stage_of_sequence.get(root.sequence)
            before = found[-1][1] if found and "AccumulateGrad" in root.name else (None, True)
            found.append((root, (known, True) if known else before))
        else:
            found.append((root, (None, False)))
    return found


def _by_call_order(
    placed: Sequence[tuple[Node, Place]],
    steps: Sequence[tuple[float, float]],
    kernels: Sequence[Kernel],
) -> list[tuple[Node, Place]]:
    """Give every call of a kernel its stage; within a step they come in the compiler's order."""
    found: list[tuple[Node, Place]] = []
    step, following = -1, 0
    for root, place in placed:
        now = bisect.bisect_right(steps, (root.start_s, math.inf)) - 1
        if now != step:
            step, following = now, 0
        called = next(
            (i for i in range(following, len(kernels)) if kernels[i].is_called(root.name)), None
        )
        if called is None:
            found.append((root, place))
        else:
            found.append((root, (kernels[called].stage, False)))
            following = called + 1
    return found


def _by_name(roots: Iterable[Node], steps: int) -> dict[str, OperatorTime]:
    found: dict[str, OperatorTime] = defaultdict(OperatorTime)
    for root in roots:
        for node in _walk(root):
            time = found[node.name]
            time.calls += 1 / steps
            time.self_s += node.self_s / steps
            time.total_s += node.total_s / steps
            time.self_device_s += node.device_s / steps
    return dict(sorted(found.items(), key=lambda item: -item[1].self_s - item[1].self_device_s))


def _memory(
    events: Sequence[Event],
    step: tuple[float, float],
    roots: Sequence[Node],
    placed: Sequence[tuple[Node, Place]],
) -> Memory | None:
    """Follow the allocations of the last step; on an accelerator, those of its memory alone."""
    changes = sorted(
        (e["ts"] * MICROSECOND_S, e["args"]["Bytes"], e["args"]["Addr"])
        for e in _of_devices(events)
        if step[0] <= e["ts"] * MICROSECOND_S <= step[1]
    )
    if not changes:
        return None
    place = {id(root): stage or "elsewhere" for root, (stage, _) in placed}
    by_thread = _by_thread(roots)
    live: dict[int, tuple[str, str, int]] = {}
    at_peak: list[tuple[str, str, int]] = []
    level = peak = 0
    peak_at_s = 0.0
    curve = [(0.0, 0)]
    for moment_s, nbytes, address in changes:
        level += nbytes
        if nbytes > 0:
            live[address] = (*_allocator_of(moment_s, by_thread, place), nbytes)
        else:
            live.pop(address, None)
        curve.append((moment_s - step[0], level))
        if level > peak:
            peak, peak_at_s, at_peak = level, moment_s - step[0], list(live.values())
    left: dict[str, int] = defaultdict(int)
    for stage, _, nbytes in live.values():
        left[stage] += nbytes
    at_peak.sort(key=lambda tensor: -tensor[2])
    return Memory(_thinned(curve), peak, peak_at_s, tuple(at_peak), dict(left))


def _of_devices(events: Sequence[Event]) -> list[Event]:
    found = [e for e in events if e.get("name") == MEMORY and "Bytes" in e.get("args", {})]
    on_device = [e for e in found if e["args"].get("Device Type", 0) != 0]
    return on_device or found


def _allocator_of(
    moment_s: float, by_thread: Mapping[Any, Sequence[Node]], place: Mapping[int, str]
) -> tuple[str, str]:
    """Return stage and operator that run at a moment, on whichever thread one does."""
    for roots in by_thread.values():
        node = innermost(roots, moment_s)
        if node is not None:
            root = node
            while root.parent is not None:
                root = root.parent
            while node.parent is not None and node.name in ALLOCATORS:
                node = node.parent  # who asked for it says more
            return place.get(id(root), "elsewhere"), node.name
    return "elsewhere", "outside operators"


def _thinned(curve: Sequence[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """Keep the highest of every so many neighbours, and both ends."""
    width = -(-len(curve) // MAX_POINTS)
    highest = [
        max(curve[i : i + width], key=lambda point: point[1]) for i in range(0, len(curve), width)
    ]
    return tuple(dict.fromkeys((curve[0], *highest, curve[-1])))


def _by_thread(roots: Iterable[Node]) -> dict[Any, list[Node]]:
    found: dict[Any, list[Node]] = defaultdict(list)
    for root in roots:
        found[root.thread].append(root)
    return found


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _of(events: Iterable[Event], category: str) -> Iterator[Event]:
    return (e for e in events if e.get("cat") == category and e.get("ph") == "X")


def _thread(event: Event) -> tuple[Any, Any]:
    return event.get("pid"), event.get("tid")


def _interval(event: Event) -> tuple[float, float]:
    start_s = event["ts"] * MICROSECOND_S
    return start_s, start_s + event["dur"] * MICROSECOND_S


def _union_s(intervals: Iterable[tuple[float, float]], within: tuple[float, float]) -> float:
    """Return the time within an interval that the others cover, overlaps counted once."""
    covered, end_s = 0.0, within[0]
    for start, end in sorted(intervals):
        first, last = max(start, end_s), min(end, within[1])
        if last > first:
            covered += last - first
            end_s = last
    return covered
