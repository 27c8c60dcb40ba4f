"""Peak tensor memory of one call, on top of the parameters and inputs that were there before."""

from collections.abc import Callable, Iterable

import torch
from torch.profiler import ProfilerActivity, profile


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
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        outputs = call()
    del outputs  # after the profile: what is returned is part of the peak
    events = profiler.profiler.kineto_results.events()
    allocations = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return peak_of(nbytes for _, nbytes in sorted(allocations, key=lambda event: event[0]))


def peak_of(changes: Iterable[int]) -> int:
    """Return the highest running sum of allocations and (negative) releases, in bytes."""
    level = peak = 0
    for change in changes:
        level += change
        peak = max(peak, level)
    return peak
