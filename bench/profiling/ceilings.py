"""The ceilings of this machine: how fast it can multiply and move data at best.

Measured, not read from a data sheet, with the operators that networks use: the best of matrix
products and convolutions, since neither is the faster one everywhere, and the best of a copy and a
triad. They are kept beside the runs, per environment, device, dtype and threads, and measured again
when any of these changes.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.nn import functional

from bench.machine.clock import Clock, synchronized, synchronizer, wall_s
from bench.schema.case import Case
from bench.schema.files import CEILINGS
from bench.schema.records import MUST_MATCH
from bench.schema.tasks import Task
from bench.workload.inputs import torch_dtype

SECONDS_EACH = 1.2
"""Of tries per operator and shape; the best one counts. Shared cores run slower for tenths of a
second at a time, so a shorter search would find a lower ceiling."""

GEMM_SIZES: tuple[int, ...] = (1024, 2048)
CONVOLUTIONS: tuple[tuple[int, int, int, int], ...] = (
    (1, 256, 64, 3),
    (1, 256, 128, 3),
    (1, 512, 64, 3),
    (2, 1024, 32, 3),
    (4, 1024, 32, 1),
)
"""Batch, channels in and out, side, kernel: what backbones and necks are made of."""

STREAM_BYTES = 256 * 2**20
"""Of one array: far more than the caches hold, on a processor or an accelerator."""


@dataclass(frozen=True)
class Ceilings:
    """The best that was seen."""

    gemm_flops_per_s: float
    convolution_flops_per_s: float
    copy_bytes_per_s: float
    triad_bytes_per_s: float

    @property
    def flops_per_s(self) -> float:
        """What a network may hope for."""
        return max(self.gemm_flops_per_s, self.convolution_flops_per_s)

    @property
    def bytes_per_s(self) -> float:
        """What a network may hope for."""
        return max(self.copy_bytes_per_s, self.triad_bytes_per_s)

    def to_json(self) -> dict[str, float]:
        """Return plain values, the two ceilings included."""
        return asdict(self) | {"flops_per_s": self.flops_per_s, "bytes_per_s": self.bytes_per_s}


@dataclass(frozen=True, kw_only=True)
class CeilingsTask(Task[dict[str, float]]):
    """Measure the ceilings for the device, dtype and threads of a case."""

    handler: ClassVar[str] = "bench.profiling.ceilings:measure_task"

    def result(self, data: Any) -> dict[str, float]:  # noqa: ANN401
        """Return the ceilings as plain values."""
        return dict(data)


def measure_task(task: CeilingsTask) -> dict[str, float]:
    """Measure in a process of its own."""
    return measure(task.case).to_json()


def measure(case: Case, clock: Clock = wall_s, seconds_each: float = SECONDS_EACH) -> Ceilings:
    """Measure the ceilings for the device, dtype and threads of a case, in a process of its own."""
    device, dtype = torch.device(case.device), _dtype(case)
    best = _Best(synchronized(clock, synchronizer(device)), seconds_each)
    with torch.inference_mode():
        gemm = max(_gemm(best, size, device, dtype) for size in GEMM_SIZES)
        convolution = max(
            _convolution(best, shape, device, dtype, layout)
            for shape in CONVOLUTIONS
            for layout in (torch.contiguous_format, torch.channels_last)
        )
        count = STREAM_BYTES // dtype.itemsize
        a, b, c = (torch.ones(count, device=device, dtype=dtype) for _ in range(3))
        copy = 2 * STREAM_BYTES / best(lambda: a.copy_(b))
        triad = 3 * STREAM_BYTES / best(lambda: torch.add(b, c, alpha=0.5, out=a))
    return Ceilings(gemm, convolution, copy, triad)


class _Best:
    """The shortest of many calls."""

    def __init__(self, read_s: Clock, seconds: float) -> None:
        self._read_s, self._seconds = read_s, seconds

    def __call__(self, call: Callable[[], object]) -> float:
        call()
        began_s = self._read_s()
        shortest_s = float("inf")
        while True:
            start_s = self._read_s()
            call()
            end_s = self._read_s()
            shortest_s = min(shortest_s, end_s - start_s)
            if end_s - began_s > self._seconds:
                return shortest_s


def _gemm(best: _Best, size: int, device: torch.device, dtype: torch.dtype) -> float:
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return float(2 * size**3 / best(lambda: a @ b))


def _convolution(
    best: _Best,
    shape: tuple[int, int, int, int],
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format,
) -> float:
    batch, channels, side, kernel = shape
    x = torch.randn(batch, channels, side, side, device=device)
    weight = torch.randn(channels, channels, kernel, kernel, device=device)
    x, weight = (t.to(dtype, memory_format=layout) for t in (x, weight))
    seconds = best(lambda: functional.conv2d(x, weight, padding=kernel // 2))
    return 2 * batch * (channels * side * kernel) ** 2 / seconds


def _dtype(case: Case) -> torch.dtype:
    """Return what the operators compute in: under autocast not what the weights are kept in."""
    if case.dtype.startswith("amp-"):
        dtype = getattr(torch, case.dtype.removeprefix("amp-"))
        assert isinstance(dtype, torch.dtype)  # noqa: S101 - options admit nothing else
        return dtype
    return torch_dtype(case.dtype)


def name_of(case: Case) -> str:
    """Return which cases share ceilings: those of equal device, dtype and threads."""
    return f"{case.device}-{case.dtype}-t{case.threads}"


def known(runs_dir: Path, environment: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return ceilings measured before in an equal environment; `None` if there are none."""
    ceilings: dict[str, Any] | None = _read(runs_dir).get(_key(environment, name))
    return ceilings


def keep(
    runs_dir: Path, environment: Mapping[str, Any], name: str, ceilings: Mapping[str, Any]
) -> dict[str, Any]:
    """Store ceilings for later runs; return them with their date."""
    dated = {**ceilings, "measured": time.strftime("%Y-%m-%d", time.gmtime())}
    stored = _read(runs_dir) | {_key(environment, name): dated}
    partial = runs_dir / f"{CEILINGS}.partial"
    partial.write_text(json.dumps(stored, indent=1))
    partial.replace(runs_dir / CEILINGS)
    return dated


def _key(environment: Mapping[str, Any], name: str) -> str:
    fields = {field: environment.get(field) for field in MUST_MATCH}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    return f"{name} {digest[:16]}"


def _read(runs_dir: Path) -> dict[str, Any]:
    try:
        stored = json.loads((runs_dir / CEILINGS).read_text())
    except (OSError, ValueError):  # none yet, or damaged: measured again
        return {}
    return stored if isinstance(stored, dict) else {}
