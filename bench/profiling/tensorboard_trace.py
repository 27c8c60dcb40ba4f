"""Traces as TensorBoard's profiler plugin reads them right.

torch-tb-profiler 0.4.3 is its last release, and older than today's traces. It does not know the
categories of launches (so no operator has any time on a device), takes the device's copies of the
step marks for steps, and finds the operator behind a launch by an identifier that several events
may share. What is changed here keeps the meaning, and Perfetto opens the result as well.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from bench.profiling import trace_tree

Event = dict[str, Any]

LAUNCH = "runtime"
"""What the plugin calls `bench.profiling.trace_tree.LAUNCHES`."""

MODULE = "nn.Module: "
"""How the plugin's module view knows a module, and our annotations of module calls begin."""

EXTERNAL_ID = "External id"


def for_plugin(events: Iterable[Event]) -> list[Event]:
    """Return the events of a trace as the plugin reads them right; the given ones stay as they are.

    Annotations ``nn.Module: NAME`` become the calls of modules that its module view shows.
    """
    copied = [{**event, "args": dict(event.get("args", {}))} for event in events]
    _link_launches(copied)
    modules = _Modules()
    for event in copied:
        category, name = event.get("cat"), str(event.get("name"))
        if category in trace_tree.LAUNCHES:
            event["cat"] = LAUNCH
        elif category == "gpu_user_annotation" and name.startswith(trace_tree.STEP):
            event["name"] = f"{name.removeprefix(trace_tree.STEP)}. step, on the device"
    for event in sorted(_module_calls(copied), key=lambda e: (e["ts"], -e["dur"])):
        modules.add(event)
    return copied


def _link_launches(events: list[Event]) -> None:
    """Number the operators anew, one number each; launches and kernels get their operator's."""
    number = 0
    for event in events:
        event["args"].pop(EXTERNAL_ID, None)
        if (
            event.get("cat") in (trace_tree.OPERATOR, trace_tree.ANNOTATION)
            and event.get("ph") == "X"
        ):
            number += 1
            event["args"][EXTERNAL_ID] = number
    roots = trace_tree.operators(events)
    launched_by = {
        correlation: node.event["args"][EXTERNAL_ID]
        for correlation, node in trace_tree.launchers(events, roots).items()
    }
    for event in events:
        if event.get("cat") in trace_tree.LAUNCHES | trace_tree.KERNELS:
            # 0 is the plugin's word for a launch outside all operators.
            event["args"][EXTERNAL_ID] = launched_by.get(event["args"].get("correlation"), 0)


def _module_calls(events: Iterable[Event]) -> Iterator[Event]:
    return (
        e
        for e in events
        if e.get("cat") == trace_tree.ANNOTATION and str(e.get("name")).startswith(MODULE)
    )


class _Modules:
    """Turns annotations into calls of modules, each with the one that it is called from."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._open: list[tuple[float, int]] = []
        self._calls = 0

    def add(self, event: Event) -> None:
        """Turn the next annotation, in the order in which they begin."""
        while self._open and self._open[-1][0] <= event["ts"]:
            self._open.pop()
        self._calls += 1
        event["cat"] = "python_function"
        event["args"] |= {
            "Python id": self._calls,
            "Python parent id": self._open[-1][1] if self._open else None,
            "Python module id": self._ids.setdefault(event["name"], len(self._ids)),
        }
        self._open.append((event["ts"] + event["dur"], self._calls))
