"""What an NVIDIA GPU says of itself while it is measured (NVML): read, and never set.

Clocks, power and the reasons for throttling are those of the moment; which other processes had work
on it since an earlier moment comes from the driver's own samples.
"""

import functools
import os
import time
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.schema.errors import BenchError

if TYPE_CHECKING:
    import torch  # this module is also read where nothing runs

REASONS = {
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake",
}
"""Bits of ``nvmlDeviceGetCurrentClocksEventReasons`` (nvml.h): why clocks are below what they could
be. Idle, application clocks and boost groups are nobody's disturbance."""

DISTURBANCES = frozenset(REASONS.values()) - {"sw_power_cap"}
"""A replicate is repeated because of these; the power cap is how the card always runs."""

MHZ, MILLI = 1e6, 1e-3


@dataclass(frozen=True)
class GpuReading:
    """A GPU at one moment; `None` where it does not tell."""

    sm_clock_hz: float | None
    power_w: float | None
    power_limit_w: float | None
    temperature_c: float | None
    throttles: tuple[str, ...]
    others: frozenset[int] | None
    """Processes but this one that had work on the GPU since the moment that was asked for."""
    at_us: int
    """Microseconds since 1970, as the driver stamps its samples."""


def read(
    device: "torch.device", since_us: int = 0, library: ModuleType | None = None
) -> GpuReading | None:
    """Return what the device says; `None` without an NVIDIA GPU or without ``nvidia-ml-py``.

    Args:
        device: as torch names it.
        since_us: of an earlier reading; the driver keeps samples of processes that are long gone.
        library: stands in for ``pynvml`` in tests.
    """
    nvml: Any = None
    if device.type == "cuda":
        nvml = library or _library()
    if nvml is None:
        return None
    try:
        handle = _handle(nvml, device)
    except (AttributeError, nvml.NVMLError):  # a slice of a card, or no permission
        return None
    ask = functools.partial(_asked, nvml, handle)
    clock = ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)
    power, limit = ask("nvmlDeviceGetPowerUsage"), ask("nvmlDeviceGetEnforcedPowerLimit")
    bits = ask("nvmlDeviceGetCurrentClocksEventReasons")
    if bits is None:  # its name before driver 535
        bits = ask("nvmlDeviceGetCurrentClocksThrottleReasons")
    return GpuReading(
        sm_clock_hz=None if clock is None else clock * MHZ,
        power_w=None if power is None else power * MILLI,
        power_limit_w=None if limit is None else limit * MILLI,
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        throttles=tuple(name for bit, name in REASONS.items() if (bits or 0) & bit),
        others=_others(nvml, handle, since_us),
        at_us=time.time_ns() // 1000,
    )


def energy_j(device: "torch.device", library: ModuleType | None = None) -> float:
    """Return the joules that a whole card has used since its driver was loaded.

    Raises:
        BenchError: it has no such counter, or is lost.
    """
    nvml: Any = library or _library()
    if nvml is None:
        raise BenchError(
            "NVML cannot be read: pip install 'panet-bench[cuda]', and see whether nvidia-smi runs"
        )
    try:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(_handle(nvml, device)) * MILLI)
    except (AttributeError, nvml.NVMLError) as error:
        raise BenchError(
            f"NVML tells no energy of this device ({error}): cards before Volta and slices of a "
            "card (MIG) have no counter; measure on a whole newer card"
        ) from error


def _others(nvml: Any, handle: Any, since_us: int) -> frozenset[int] | None:  # noqa: ANN401
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    except nvml.NVMLError as error:
        nothing = nvml.NVML_ERROR_NOT_FOUND  # no sample since then
        return frozenset() if getattr(error, "value", None) == nothing else None
    except AttributeError:
        return None
    busy = {s.pid for s in samples if s.smUtil and s.timeStamp > since_us}
    return frozenset(busy - {os.getpid()})


@functools.cache
def _library() -> ModuleType | None:
    try:
        import pynvml

        pynvml.nvmlInit()
    except (ImportError, OSError):
        return None
    except Exception as error:
        if type(error).__name__.startswith("NVMLError"):  # no driver
            return None
        raise
    found: ModuleType = pynvml
    return found


def _handle(nvml: Any, device: "torch.device") -> Any:  # noqa: ANN401 - the library is untyped
    """Return the device by its UUID: NVML's numbers ignore ``CUDA_VISIBLE_DEVICES``."""
    import torch

    uuid = torch.cuda.get_device_properties(device).uuid
    return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")


def _asked(nvml: Any, handle: Any, function: str, *arguments: Any) -> Any:  # noqa: ANN401
    """Return the answer of a function; `None` where this card or driver has none."""
    try:
        return getattr(nvml, function)(handle, *arguments)
    except (AttributeError, nvml.NVMLError):
        return None
