"""The judgement of the machine looks at the machine alone."""

from pathlib import Path

import pytest

from bench.machine import contention
from bench.machine.contention import Reading, Waiting
from bench.machine.gpu import GpuReading
from bench.schema.records import Load
from tests.support.factories import CALM

STAT = "cpu  100 0 50 900 10 5 5 20 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n"


def machine(folder: Path) -> Reading:
    (folder / "stat").write_text(STAT)
    for thread, waited_ns in ((1, 1_500_000_000), (2, 500_000_000)):
        (folder / "self" / "task" / str(thread)).mkdir(parents=True)
        schedstat = folder / "self" / "task" / str(thread) / "schedstat"
        schedstat.write_text(f"9000 {waited_ns} 77\n")
    (folder / "cpu.stat").write_text("usage_usec 5\nthrottled_usec 3000000\n")
    (folder / "pressure").mkdir()
    psi = "some avg10=1.00 avg60=0.50 avg300=0.10 total=4000000\nfull avg10=0.00 total=9\n"
    (folder / "pressure" / "cpu").write_text(psi)
    for core, count in ((0, 3), (1, 4)):
        (folder / f"cpu{core}" / "thermal_throttle").mkdir(parents=True)
        (folder / f"cpu{core}" / "thermal_throttle" / "core_throttle_count").write_text(
            f"{count}\n"
        )
    return contention.read(proc=folder, cgroup=folder, cpus=folder)


def test_counters_are_read_from_proc_and_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    reading = machine(tmp_path)
    assert reading.busy_s == 1.6
    assert reading.stolen_s == 0.1
    assert reading.waited_s == 2.0
    assert reading.throttled_s == 3.0
    assert reading.pressure_s == 4.0
    assert reading.clock_throttles == 7


def test_unreadable_counters_are_unknown_and_not_zero(tmp_path: Path) -> None:
    reading = contention.read(proc=tmp_path, cgroup=tmp_path, cpus=tmp_path)
    assert (reading.busy_s, reading.stolen_s, reading.waited_s, reading.throttled_s) == (None,) * 4
    between = contention.between(reading, reading)
    assert between.foreign_cpu_s is None
    assert between.waited_s is None
    assert between.pressure_s is None
    assert between.clock_throttles is None


def test_counters_that_went_back_are_unknown() -> None:
    start = Reading(0.0, 10.0, 100.0, 1.0, 5.0, 4.0, 7, 3.0, 2)
    end = Reading(2.0, 13.0, 50.0, 0.5, 2.5, 1.0, 3, 1.0, 0)  # of fewer cores, in another group
    between = contention.between(start, end)
    known = {name for name, value in between.to_json().items() if value is not None}
    assert known == {"wall_s", "own_cpu_s"}
    assert not contention.contended(between, 2, 2, undisturbed=3)


def test_foreign_time_is_what_others_used() -> None:
    start = Reading(0.0, 10.0, 100.0, 1.0, 5.0, None, 7)
    end = Reading(2.0, 13.0, 104.5, 1.25, 5.5, None, 9)
    between = contention.between(start, end)
    assert between.wall_s == 2.0
    assert between.foreign_cpu_s == 1.5
    assert between.stolen_s == 0.25
    assert between.waited_s == 0.5
    assert between.involuntary_switches == 2


@pytest.mark.parametrize(
    ("changes", "threads", "expected"),
    [
        ({}, 2, False),
        ({"waited_s": 0.05}, 2, False),
        (
            {"pressure_s": 0.5, "clock_throttles": 0},
            2,
            False,
        ),  # pressure counts others' waiting too
        ({"clock_throttles": 1}, 2, True),
        ({"waited_s": 0.5}, 4, False),
        ({"waited_s": 0.5}, 2, False),  # told round by round
        ({"stolen_s": 0.3}, 2, True),
        ({"throttled_s": 0.3}, 2, True),
        ({"waited_s": None, "foreign_cpu_s": 0.5}, 2, True),
        ({"waited_s": None, "foreign_cpu_s": 0.9}, 1, False),
        ({"waited_s": None, "foreign_cpu_s": None, "stolen_s": None}, 2, False),
    ],
)
def test_contended_means_that_the_rounds_lacked_something(
    changes: dict[str, float | None], threads: int, expected: bool
) -> None:
    measured = type(CALM)(**(CALM.to_json() | changes))
    assert contention.contended(measured, threads, 2, undisturbed=3) is expected
    assert contention.contended(measured, threads, 2, undisturbed=2)


def test_rounds_are_disturbed_by_what_their_calls_waited() -> None:
    took = {"fpn": [1.0] * 3, "panet": [1.0] * 3}
    waited = {"fpn": [0.0, 0.3, 0.0], "panet": [0.1, 0.0, 0.21]}
    assert contention.disturbed(waited, took, threads=2) == [1, 2]
    assert contention.disturbed(waited, took, threads=4) == []


def schedstats(folder: Path, **waits_ns: int) -> None:
    for thread, waited_ns in waits_ns.items():
        (folder / thread).mkdir(exist_ok=True)
        (folder / thread / "schedstat").write_text(f"9 {waited_ns} 7\n")


def test_waiting_is_told_lap_by_lap(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    schedstats(tmp_path, a=1_000, b=500_000_000)
    waiting.begin()
    schedstats(tmp_path, a=1_000, b=600_000_000)
    assert waiting.lap_s() == pytest.approx(0.1)
    assert waiting.lap_s() == 0
    schedstats(tmp_path, a=20_001_000)
    assert waiting.lap_s() == pytest.approx(0.02)
    waiting.close()


def test_where_the_kernel_tells_nothing_nobody_waited(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "none")
    waiting.begin()
    assert waiting.lap_s() == 0
    waiting.close()


def gpu(*throttles: str, others: frozenset[int] | None = frozenset()) -> GpuReading:
    return GpuReading(1.98e9, 500.0, 700.0, 60.0, throttles, others, 0)


def test_gpu_that_slows_down_or_is_shared_is_contended(tmp_path: Path) -> None:
    def between(start: GpuReading, end: GpuReading) -> Load:
        places = {"proc": tmp_path, "cgroup": tmp_path, "cpus": tmp_path}
        return contention.between(contention.read(start, **places), contention.read(end, **places))

    calm = between(gpu(), gpu("sw_power_cap"))
    assert (calm.gpu_throttles, calm.gpu_foreign_processes) == ("sw_power_cap", 0)
    assert calm.gpu_clock_hz == 1.98e9
    assert not contention.contended(calm, 1, 2, 9)
    assert contention.contended(between(gpu("hw_slowdown"), gpu()), 1, 2, 9)
    assert contention.contended(between(gpu(), gpu(others=frozenset({7}))), 1, 2, 9)
    assert between(gpu(), gpu(others=None)).gpu_foreign_processes is None
