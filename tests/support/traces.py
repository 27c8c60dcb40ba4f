"""Small traces, built from the format that `torch.profiler` exports (Chrome's, times in µs)."""

from collections.abc import Sequence
from typing import Any

PID, HOST, DEVICE, STREAM = 100, 100, 0, 7
Event = dict[str, Any]


def span(category: str, name: str, start: float, end: float, tid: int = HOST, **args: Any) -> Event:
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": PID,
        "tid": tid,
        "ts": start,
        "dur": end - start,
        "args": args,
    }


def operator(name: str, start: float, end: float, sequence: int | None = None) -> Event:
    args = {"Input Dims": [[1, 8]]} if sequence is None else {"Sequence number": sequence}
    return span("cpu_op", name, start, end, **args)


def step(number: int, start: float, end: float) -> Event:
    return span("user_annotation", f"ProfilerStep#{number}", start, end)


def stage(name: str, start: float, end: float) -> Event:
    return span("user_annotation", name, start, end)


def memory(at: float, nbytes: int, address: int, device_type: int = 0) -> Event:
    where = {"Device Type": device_type, "Device Id": -1 if device_type == 0 else 0}
    return {
        "ph": "i",
        "cat": "cpu_instant_event",
        "s": "t",
        "name": "[memory]",
        "pid": PID,
        "tid": HOST,
        "ts": at,
        "args": {"Bytes": nbytes, "Addr": address, "Total Allocated": 0, **where},
    }


def launch(
    correlation: int, at: float, kernel: tuple[float, float], name: str = "cudaLaunchKernel"
) -> list[Event]:
    """Return a launch and what it launched, with identifiers that say nothing (as on old torch)."""
    shape: dict[str, Any] = {
        "grid": [8, 1, 1],
        "block": [256, 1, 1],
        "blocks per SM": 0.5,
        "device": DEVICE,
    }
    shape |= {"registers per thread": 32, "shared memory": 0, "est. achieved occupancy %": 40}
    return [
        span("cuda_runtime", name, at, at + 2, correlation=correlation, **{"External id": 1}),
        {
            **span("kernel", f"kernel_{correlation}", *kernel, tid=STREAM, **shape),
            "pid": DEVICE,
            "args": {**shape, "correlation": correlation, "stream": STREAM, "External id": 1},
        },
    ]


def cpu_trace() -> list[Event]:
    """Two steps of two stages; the second step is the slower one."""
    events: list[Event] = []
    for number, (at, factor) in enumerate(((0.0, 1.0), (1000.0, 2.0))):
        events += [
            step(number, at, at + 400 * factor),
            stage("fpn p2 lateral", at + 10 * factor, at + 110 * factor),
            operator("aten::conv2d", at + 20 * factor, at + 100 * factor),
            operator("aten::convolution", at + 30 * factor, at + 90 * factor),
            stage("fpn p2 smooth", at + 110 * factor, at + 310 * factor),
            operator("aten::conv2d", at + 120 * factor, at + 220 * factor),
            operator("aten::relu", at + 230 * factor, at + 260 * factor),
            operator("aten::mean", at + 320 * factor, at + 340 * factor),
        ]
    return events


def cuda_trace(steps: Sequence[float] = (0.0, 1000.0)) -> list[Event]:
    """Per step: a convolution with a kernel of its own and one of what it calls, and a ReLU."""
    events: list[Event] = []
    for number, at in enumerate(steps):
        first = 10 * number + 1
        events += [
            step(number, at, at + 500),
            stage("fpn p2 lateral", at + 10, at + 60),
            operator("aten::conv2d", at + 12, at + 50),
            operator("aten::cudnn_convolution", at + 20, at + 45),
            *launch(first, at + 25, (at + 100, at + 200)),
            *launch(first + 1, at + 48, (at + 200, at + 220), "cuLaunchKernel"),
            stage("panet n3 fuse", at + 60, at + 100),
            operator("aten::relu", at + 65, at + 80),
            *launch(first + 2, at + 70, (at + 230, at + 240)),
            # The device's copy of the step's mark: no step of its own.
            {
                **span("gpu_user_annotation", f"ProfilerStep#{number}", at + 100, at + 240, STREAM),
                "pid": DEVICE,
            },
        ]
    for event in events:
        if event["name"] == "cuLaunchKernel":
            event["cat"] = "cuda_driver"
    return events
