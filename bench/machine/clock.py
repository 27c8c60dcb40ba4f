"""Time as an argument: a clock is a function that returns seconds."""

import time
from collections.abc import Callable

import torch

Clock = Callable[[], float]
Synchronize = Callable[[], None]


def synchronizer(device: torch.device) -> Synchronize:
    """Return what waits until the device has done everything asked of it; on the CPU, nothing."""
    if device.type == "cpu":
        return lambda: None
    return lambda: torch.accelerator.synchronize(device)


def synchronized(clock: Clock, synchronize: Synchronize) -> Clock:
    """Return ``clock``, read only after the device is done: launches are asynchronous."""

    def read_s() -> float:
        synchronize()
        return clock()

    return read_s


wall_s: Clock = time.perf_counter


class DeviceTimer:
    """Seconds between two points of the device's own stream, by events; `None` on the CPU."""

    def __init__(self, device: torch.device) -> None:
        self.available = device.type in ("cuda", "xpu", "mps")
        self._device = device

    def mark(self) -> torch.Event | None:
        """Put an event into the stream."""
        if not self.available:
            return None
        event = torch.Event(self._device, enable_timing=True)
        event.record()
        return event

    @staticmethod
    def between_s(start: torch.Event, end: torch.Event) -> float:
        """Return the seconds between two events that have passed."""
        return start.elapsed_time(end) / 1e3
