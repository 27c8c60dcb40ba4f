"""How much energy a device has used, by its own counter; never estimated from what it is.

``nvml_energy`` is the driver's counter of a whole card, new about every 0.1 s. ``rapl_package`` are
the counters of all packages of the processors (kernel, powercap.rst): without memory chips, and
with whatever else runs on the machine.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.machine import gpu
from bench.machine.contention import CONTENDED_RATIO, MIN_UNDISTURBED, contended
from bench.schema.errors import BenchError
from bench.schema.records import Load

NVML, RAPL = "nvml_energy", "rapl_package"

MICRO, MILLI, KILO = 1e-6, 1e-3, 1e3


@dataclass(frozen=True)
class Counter:
    """The counter of a device; of several packages one each."""

    method: str
    read_j: Callable[[], tuple[float, ...]]
    """Joules since some moment; raises `BenchError` where a counter is gone."""
    around: Callable[[Load], dict[str, float | None]]
    """Power limit, clock and temperature behind a block with such a load."""
    wraps_j: tuple[float, ...] = (0.0,)
    """Where each begins again at 0, which no package reaches twice in a block; 0: nowhere."""

    def between_j(self, start: Sequence[float], end: Sequence[float]) -> float:
        """Return the joules between two readings; raise `BenchError` where one does not count."""
        used_j = [
            after - before + (wrap if after < before else 0.0)
            for before, after, wrap in zip(start, end, self.wraps_j, strict=True)
        ]
        if min(used_j) <= 0:
            raise BenchError(
                f"{self.method}: a counter stood still or went back, as in some virtual machines; "
                "measure on the machine itself"
            )
        return sum(used_j)

    def disturbed(self, load: Load, threads: int, cores: int) -> bool:
        """Say whether a block does not count; what others use is in the counter of a package."""
        waited_s = (load.waited_s or 0.0) if threads <= cores else 0.0
        foreign_s = (load.foreign_cpu_s or 0.0) if self.method == RAPL else 0.0
        crowded = max(waited_s, foreign_s) > CONTENDED_RATIO * threads * load.wall_s
        return crowded or contended(load, threads, cores, MIN_UNDISTURBED)


def counter_of(device: torch.device, sys: Path = Path("/sys")) -> Counter:
    """Return the counter of a device, which the kernel may tell in a folder.

    Raises:
        BenchError: it has none, or none that this process may read, and what to do.
    """
    if device.type == "cuda":
        card = Counter(NVML, lambda: (gpu.energy_j(device),), _around_card)
        card.read_j()
        return card
    if device.type != "cpu":
        raise BenchError(f"no energy counter of {device.type} is known; measure on cpu or cuda")
    powercap = sys / "class" / "powercap"
    zones = [  # AMD's have this name, too
        zone
        for zone in sorted(powercap.glob("intel-rapl:*"))
        if _text(zone / "name").startswith("package")
    ]
    if not zones:
        raise BenchError(
            f"{powercap} has no energy counter of a package (RAPL), as in virtual machines and "
            "many containers; measure on the machine itself"
        )

    def read_packages_j() -> tuple[float, ...]:
        return tuple(_joules(zone / "energy_uj") for zone in zones)

    read_packages_j()
    wraps_j = tuple(_joules(zone / "max_energy_range_uj") for zone in zones)
    return Counter(RAPL, read_packages_j, lambda _: _around_packages(zones, sys), wraps_j)


def _joules(path: Path) -> float:
    try:
        return int(path.read_text()) * MICRO
    except PermissionError as error:
        every = path.parent.with_name("intel-rapl:*") / path.name
        raise BenchError(f"only root may read {path}; run: sudo chmod a+r {every}") from error
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} can no longer be read ({error}); see dmesg") from error


def _around_card(load: Load) -> dict[str, float | None]:
    known = load.to_json()
    return {name: known[f"gpu_{name}"] for name in ("power_limit_w", "clock_hz", "temperature_c")}


def _around_packages(zones: Sequence[Path], sys: Path) -> dict[str, float | None]:
    limits = (zone / "constraint_0_power_limit_uw" for zone in zones)
    clocks = sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    sensors = sys.glob("bus/*/drivers/*temp/*/hwmon/*/temp1_input")  # coretemp, k10temp
    return {
        "power_limit_w": _folded(sum, limits, MICRO),
        "clock_hz": _folded(statistics.mean, clocks, KILO),
        "temperature_c": _folded(max, sensors, MILLI),
    }


def _folded(fold: Callable[[Any], float], paths: Iterable[Path], unit: float) -> float | None:
    values = [float(text) for path in paths if (text := _text(path)).isdigit()]
    return fold(values) * unit if values else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
