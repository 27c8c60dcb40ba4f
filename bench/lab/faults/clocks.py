"""Clocks that jump, cores that go and come, quotas that change: simulated, for they are everyone's.

The clocks that we read (monotonic, of the process) do not go back by themselves; what is tried is
what would become of it.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random

from bench.engine.scheduler import Engine
from bench.engine.stopping import HalfWidth
from bench.lab.faults import simulated
from bench.lab.faults.attempt import Call, Place, Tried, problem_of
from bench.machine import contention
from bench.run.results_json import panet_key
from bench.schema.errors import BenchError
from bench.schema.journal import Journal
from bench.schema.records import Load, Replicate
from bench.schema.stored import RecordError


def clocks(place: Place, random: Random) -> Tried:
    """Let a clock, or what the kernel counts, do what it must not."""
    how = list(HOWS)[place.number % len(HOWS)]
    seed = random.random()
    work = functools.partial(HOWS[how], place.folder, Random(seed))  # noqa: S311
    return Tried(f"{how} ({seed})", problem_of(Call(work), place))


def _counters(folder: Path, random: Random) -> int:
    """Read a kernel's counters twice, between which cores and groups came and went."""
    readings = []
    for name in ("before", "after"):
        _write_counters(folder / name, random)
        places = (folder / name / part for part in ("proc", "cgroup", "cpus"))
        readings.append(contention.read(None, *places))
    load = contention.between(*readings)
    _refuse_negative(load)
    for threads in (1, 2, 64):
        contention.contended(load, threads, random.choice((1, 2, 64)), random.choice((0, 3, 18)))
    return 0


def _refuse_negative(load: Load) -> None:
    for name, value in asdict(load).items():
        if isinstance(value, int | float) and not (math.isfinite(value) and value >= 0):
            raise BenchError(f"{name} is {value}")


def _write_counters(folder: Path, random: Random) -> None:
    cores = random.choice((0, 1, 2, 64))
    fields = [[random.choice((0, 5, 10**6, 2**63)) for _ in range(10)] for _ in range(cores + 1)]
    stat = "".join(
        f"cpu{'' if number == 0 else number - 1} {' '.join(map(str, values))}\n"
        for number, values in enumerate(fields)
    )
    files: dict[str, str] = {
        "proc/stat": stat,
        "proc/pressure/cpu": f"some avg10=0.00 total={random.randrange(10**9)}\nfull total=0\n",
        "cgroup/cpu.stat": f"usage_usec 5\nthrottled_usec {random.randrange(10**7)}\n",
    }
    for number in range(random.choice((0, 1, 5))):
        files[f"proc/self/task/{number}/schedstat"] = f"1 {random.randrange(10**9)} 1\n"
    for number in range(random.choice((0, 2))):
        throttles = f"cpus/cpu{number}/thermal_throttle/core_throttle_count"
        files[throttles] = f"{random.randrange(9)}\n"
    for name, text in files.items():
        if random.random() < 0.1:
            continue  # that kernel has none
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text if random.random() < 0.9 else random.choice(("", "x", "cpu 1\n", "-1"))
        )


def _budget(folder: Path, random: Random) -> int:
    """Spend a budget by a clock that jumps."""
    now_s = [1000.0]

    def passes() -> None:
        now_s[0] += random.choice((0.5, 1.0, 0.0, -0.5, 7200.0, -7200.0, 1e9))

    with _Watched() as watch:
        _measure(folder, lambda: now_s[0], passes, watch)
    return 0


class _Watched:
    """Refuses to hear of a time below zero, or of a share that is none."""

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(
        self, _now: str, left_s: float, share_done: float, _known: Mapping[str, str] | None = None
    ) -> None:
        """Hear how far it is."""
        if not (left_s >= 0 and 0 <= share_done <= 1):
            raise BenchError(f"told that {left_s} s are left, and {share_done} is done")


def _measure(
    folder: Path, clock: Callable[[], float], passes: Callable[[], object], watch: _Watched
) -> None:
    plan = simulated.plan(3, 60.0, folder)
    log = Journal.create(folder / "run", {"cases": [case.case_id for case in plan.cases]})
    launcher = simulated.Simulated(passes)
    rule = HalfWidth(0.02)
    results = Engine(plan, launcher, log, clock, watch).run(rule)
    log.close()
    panet_key(log.entries.header, results)
    for result in results:
        indices = [replicate.index for replicate in result.replicates]
        if indices != list(range(len(indices))):
            raise BenchError(f"replicates {indices}")


def _rounds(_folder: Path, random: Random) -> int:
    """Make a replicate of rounds that a clock has spoilt: it is refused, or its median holds."""
    calm = simulated.replicate(0)
    spoilt = random.choice((0.0, -0.01, math.nan, math.inf, 3600.0, 1e-9))
    rounds_s = {arm: list(rounds) for arm, rounds in calm.rounds_s.items()}
    arm, place = random.choice(list(rounds_s)), random.randrange(6)
    rounds_s[arm][place] = spoilt
    try:
        made = Replicate(**{**vars(calm), "rounds_s": rounds_s})
    except RecordError:
        if math.isfinite(spoilt) and spoilt > 0:
            raise
        return 0
    if not (math.isfinite(spoilt) and spoilt > 0):
        raise BenchError(f"a round of {spoilt} s was taken")
    (was,), (is_now,) = (HalfWidth(0.02)._read([each]) for each in (calm, made))
    if abs(was - is_now) > MOST_SHIFT:
        raise BenchError(f"one round of {spoilt} s moves the cost from {was} to {is_now}")
    return 0


MOST_SHIFT = 0.02
"""Of the logarithm of a cost: what rounds differ by here."""

HOWS: dict[str, Callable[[Path, Random], int]] = {
    "counters of the kernel": _counters,
    "the clock of the budget": _budget,
    "the clock of the rounds": _rounds,
}
