"""Peak tensor memory of one call, on top of the parameters and inputs that were there before."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch._C._profiler import _EventType
from torch.autograd.profiler import profile  # torch.profiler's imports the compiler


def peak_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Return the peak of tensor memory that ``call`` adds; `None` where the device does not tell.

    On the CPU it is added up from the profiler's allocation events, which miss oneDNN's scratch
    space; resident memory would say nothing, since the allocator keeps its pages.
    """
    if device.type == "cpu":
        return _cpu_peak_bytes(call)
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _cpu_peak_bytes(call: Callable[[], object]) -> int:
    with profile(profile_memory=True, use_kineto=True) as profiler:
        before = torch.empty(1)  # its event tells what was there when the call began
        outputs = call()
    del outputs  # after the profile: what is returned is part of the peak
    changes = list(_changes(profiler.kineto_results.experimental_event_tree()))
    first = next(change for change in changes if change.ptr == before.data_ptr())
    highest: int = max(change.total_allocated for change in changes)
    return highest - int(first.total_allocated)


def _changes(roots: Iterable[Any]) -> Iterator[Any]:
    """Go through the allocations and releases; each holds the total that the allocator counted.

    Not added up in the order of their times: a call that is moved to another core may find its
    clock a little earlier there.
    """
    waiting = list(roots)
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        if event.typed[0] == _EventType.Allocation and event.typed[1].device.type == "cpu":
            yield event.typed[1]
