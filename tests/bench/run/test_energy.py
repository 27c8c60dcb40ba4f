"""Joules per image on simulated counters, clocks and machines."""

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bench.machine.contention import Reading
from bench.machine.energy import NVML, RAPL, Counter, counter_of
from bench.run import energy
from bench.schema.energy import CaseEnergy, EnergyReplicate
from bench.schema.errors import BenchError
from bench.schema.journal import Journal
from bench.schema.records import Status
from bench.schema.tasks import Failure
from bench.stats import energy as stats
from bench.workload.arms import Arm
from tests.support.factories import CALM, case

CPU = torch.device("cpu")

WRAP_UJ = 262_143_328_850


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """A machine of two packages, with zones that are none."""
    for zone, name in {"0": "package-0", "0:0": "core", "1": "package-1", "2": "psys"}.items():
        folder = tmp_path / "class" / "powercap" / f"intel-rapl:{zone}"
        write(folder / "name", name)
        write(folder / "energy_uj", WRAP_UJ - 500_000)
        write(folder / "max_energy_range_uj", WRAP_UJ)
        write(folder / "constraint_0_power_limit_uw", 150_000_000)
    write(tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", 3_000_000)
    write(tmp_path / "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", 2_000_000)
    write(tmp_path / "bus/platform/drivers/coretemp/coretemp.0/hwmon/hwmon3/temp1_input", 61_000)
    return tmp_path


def energy_uj(sys: Path, package: int) -> Path:
    return sys / "class" / "powercap" / f"intel-rapl:{package}" / "energy_uj"


def test_packages_are_added_and_wrap(sys: Path) -> None:
    counter = counter_of(CPU, sys)
    start_j = counter.read_j()
    write(energy_uj(sys, 0), WRAP_UJ - 100_000)
    write(energy_uj(sys, 1), 1_500_000)
    end_j = counter.read_j()
    assert counter.between_j(start_j, end_j) == pytest.approx(0.4 + 2.0)
    around = {"power_limit_w": 300.0, "clock_hz": 2.5e9, "temperature_c": 61.0}
    assert counter.around(CALM) == pytest.approx(around)
    with pytest.raises(BenchError, match="rapl_package: a counter stood still"):
        counter.between_j((start_j[0], end_j[1]), end_j)


def test_counter_that_cannot_be_read_says_what_to_do(
    sys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        BenchError, match=r"powercap has no energy counter .* on the machine itself"
    ):
        counter_of(CPU, sys / "virtual")
    with pytest.raises(BenchError, match="no energy counter of mps is known"):
        counter_of(torch.device("mps"), sys)
    counter = counter_of(CPU, sys)
    energy_uj(sys, 1).unlink()
    with pytest.raises(
        BenchError, match=r"rapl:1/energy_uj can no longer be read \(.*No such file"
    ):
        counter.read_j()
    read_text = Path.read_text

    def refused(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path)

    monkeypatch.setattr(Path, "read_text", refused)  # root, who tests, may read all
    advice = r"only root may read .*; run: sudo chmod a\+r .*/intel-rapl:\*/energy_uj"
    with pytest.raises(BenchError, match=advice):
        counter_of(CPU, sys)


class World:
    """A device on which time passes only when it works or waits; its power drifts."""

    def __init__(self, method: str = RAPL, foreign: float = 0.0, drift: float = 0.0) -> None:
        self.now_s = self.used_j = 0.0
        self.foreign, self.drift, self.synchronized = foreign, drift, 0
        around = dict.fromkeys(("power_limit_w", "clock_hz", "temperature_c"))
        self.counter = Counter(method, lambda: (self.used_j,), lambda _: around)

    def work(self, seconds: float, watts: float) -> tuple[torch.Tensor, ...]:
        self.now_s += seconds
        self.used_j += seconds * watts * (1 + self.drift * self.now_s)
        return ()

    def idle(self, seconds: float) -> None:
        self.work(seconds, 40.0)

    def look(self, _: Reading | None) -> Reading:
        return Reading(self.now_s, self.now_s, (1 + self.foreign) * self.now_s, 0.0, 0.0, 0.0, 0)

    def synchronize(self) -> None:
        self.synchronized += 1

    def replicate(self) -> EnergyReplicate:
        arms = [
            Arm(name, nn.Module(), functools.partial(self.work, *of), lambda: None)
            for name, of in {"fpn": (0.25, 80.0), "panet": (0.5, 60.0)}.items()
        ]
        return energy.Meter(
            *(case(batch_size=2), self.counter, self.look, self.synchronize),
            clock=lambda: self.now_s,
            wait=self.idle,
        ).replicate(*arms)


CALM_ONE, BUSY_ONE = World().replicate(), World(foreign=0.2).replicate()


def test_blocks_are_abba_between_idle_ones() -> None:
    world = World()
    found = world.replicate()
    assert [block.arm for block in found.blocks] == ["", "fpn", "panet", "panet", "fpn", ""]
    assert [block.images for block in found.blocks] == [0, 80, 40, 40, 80, 0]
    assert [block.elapsed_s for block in found.blocks] == [5.0, 10.0, 10.0, 10.0, 10.0, 5.0]
    assert [block.joules for block in found.blocks] == [200, 800, 600, 600, 800, 200]
    assert world.synchronized == 5  # behind the calls that settle, and behind every block
    assert EnergyReplicate.from_json(found.to_json()) == found


def test_foreign_work_is_in_the_counter_of_a_package_and_not_of_a_card() -> None:
    assert [one.contended for one in (CALM_ONE, BUSY_ONE)] == [False, True]
    assert not World(NVML, foreign=0.2).replicate().contended


def test_drift_cancels_in_the_ratio_and_is_seen_in_a_a() -> None:
    drifting = [World(drift=0.001 * i).replicate() for i in range(4)]
    assert stats.image_j(drifting[:1], "fpn").value == pytest.approx(10.0)
    assert stats.aa_ratio(drifting[:1], "fpn").value == pytest.approx(1.0)
    assert stats.aa_ratio(drifting[3:], "fpn").value == pytest.approx(1.126 / 1.036, rel=2e-3)
    assert stats.ratio(drifting, "panet", "fpn").value == pytest.approx(1.5, rel=1e-3)


class Launched:
    """Gives replicates, one after the other, and what is no replicate."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes, self.indices = list(outcomes), list[int]()

    def run(self, task: Any, timeout_s: float) -> Any:
        assert timeout_s == 60 + 52
        self.indices.append(task.index)
        if isinstance(outcome := self.outcomes.pop(0), BaseException):
            raise outcome
        return outcome

    def close(self) -> None: ...


def measured(folder: Path, launched: Launched, counter_for: Any = lambda _: None) -> CaseEnergy:
    log = Journal.open(folder, {})
    task = energy.EnergyTask(case=case(), seed=0, scratch_dir=str(folder))
    try:
        return energy.measure(task, log, launched, 60, counter_for)
    finally:
        log.close()


def test_killed_measurement_goes_on_and_measures_nothing_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, Launched(CALM_ONE, BUSY_ONE, KeyboardInterrupt()))
    again = Launched(CALM_ONE, CALM_ONE, CALM_ONE)
    found = measured(tmp_path, again)
    assert again.indices == [2, 3, 4]
    assert (found.status, len(found.used), len(found.replicates)) == (Status.OK, 4, 5)
    assert measured(tmp_path, Launched()) == found
    (table,) = energy.tables([found])
    assert "by rapl_package: processes 4 of 5; idle 40.0 W before, 40.0 W after" in table
    assert table.splitlines()[-1].split()[:5] == ["panet", "15", "±0.0", "%", "1.500"]


def test_what_cannot_be_measured_has_its_reason_in_a_line(tmp_path: Path) -> None:
    skipped = measured(tmp_path, Launched(), lambda device: counter_of(device, tmp_path))
    failed = measured(tmp_path, Launched(Failure(Status.OOM, "too large")))
    busy = measured(tmp_path, Launched(*[BUSY_ONE] * energy.REPLICATES))
    assert [of.status for of in (skipped, failed, busy)] == ["skipped", "oom", "contended"]
    said = list(stats.reasons([skipped, failed, skipped]))
    assert said == [f"2 cases skipped: {skipped.reason}", "1 case oom: too large"]
