"""The events of a trace as a tree: operators of the host, what they called and what they launched.

Pure functions of the events of a `torch.profiler` trace (the Chrome format that it exports; times
there in microseconds); standard library only.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]

STEP = "ProfilerStep#"
OPERATOR, ANNOTATION = "cpu_op", "user_annotation"
LAUNCHES = frozenset({"cuda_runtime", "cuda_driver", "xpu_runtime"})
KERNELS = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})
AROUND_KERNELS = (
    *("Torch-Compiled Region", "## Call CompiledFxGraph", "CompiledFunction"),
    *("TorchDynamo Cache Lookup", "Pregraph bytecode", "AOTDispatcher Runtime Wrapper"),
)
"""What torch.compile puts around its kernels: annotations that are recorded as operators."""

MICROSECOND_S = 1e-6

Interval = tuple[float, float]
"""Start and end, in seconds."""


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

    @property
    def outermost(self) -> "Node":
        """The operator that nothing called, of those around this one."""
        return self if self.parent is None else self.parent.outermost

    def walk(self) -> "Iterator[Node]":
        """Yield this operator and all that it called, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()


def operators(events: Sequence[Event]) -> list[Node]:
    """Return the host's outermost operators in order, with what they called and launched.

    The kernels of a compiled network are operators, what torch.compile puts around them is not.
    """
    roots, open_by_thread = [], defaultdict[Any, list[Node]](list)
    for node in _nodes(events):
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


def _nodes(events: Sequence[Event]) -> list[Node]:
    """Return all operators in the order in which they begin, the longest first."""
    nodes = [
        Node(
            e,
            e["name"],
            *interval_s(e),
            thread_of(e),
            e.get("args", {}).get("Sequence number"),
        )
        for e in of_category(events, OPERATOR)
        if not e["name"].startswith(AROUND_KERNELS)
    ]
    return sorted(nodes, key=lambda node: (node.start_s, -node.end_s))


def _add_kernels(events: Sequence[Event], roots: Sequence[Node]) -> None:
    """Add every kernel's time to the operator that launched it."""
    launched_by = launchers(events, roots)
    for event in events:
        node = launched_by.get(event.get("args", {}).get("correlation"))
        if event.get("cat") in KERNELS and node is not None:
            node.device_s += event["dur"] * MICROSECOND_S


def launchers(events: Sequence[Event], roots: Sequence[Node]) -> dict[int, Node]:
    """Return the operator behind every launch, by correlation number."""
    of_thread = by_thread(roots)
    launched_by = {}
    for event in events:
        if event.get("cat") in LAUNCHES and "correlation" in event.get("args", {}):
            node = innermost(of_thread.get(thread_of(event), ()), event["ts"] * MICROSECOND_S)
            if node is not None:
                launched_by[event["args"]["correlation"]] = node
    return launched_by


def innermost(roots: Sequence[Node], moment_s: float) -> Node | None:
    """Return the innermost of one thread's operators that runs at a moment."""
    node = None
    level: Sequence[Node] = roots
    while level:
        index = bisect.bisect_right(level, moment_s, key=lambda node: node.start_s) - 1
        if index < 0 or level[index].end_s < moment_s:
            return node
        node = level[index]
        level = node.children
    return node


def by_thread(roots: Iterable[Node]) -> dict[Any, list[Node]]:
    """Return the outermost operators of every thread, in order."""
    nodes: dict[Any, list[Node]] = defaultdict(list)
    for root in roots:
        nodes[root.thread].append(root)
    return nodes


def of_category(events: Iterable[Event], category: str) -> Iterator[Event]:
    """Yield the events of a category that last."""
    return (e for e in events if e.get("cat") == category and e.get("ph") == "X")


def thread_of(event: Event) -> tuple[Any, Any]:
    """Return the process and thread of an event."""
    return event.get("pid"), event.get("tid")


def interval_s(event: Event) -> Interval:
    """Return when an event began and ended, in seconds."""
    start_s = event["ts"] * MICROSECOND_S
    return start_s, start_s + event["dur"] * MICROSECOND_S
