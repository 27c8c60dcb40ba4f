"""Hours of measuring in small: what a process holds after many runs is what it held after few."""

import contextlib
import functools
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import psutil

from bench.engine.scheduler import Engine
from bench.engine.server_client import Server
from bench.engine.stopping import HalfWidth
from bench.lab.faults import simulated
from bench.lab.faults.attempt import Call, Place, Tried, problem_of
from bench.run.results_json import panet_key
from bench.schema.errors import BenchError
from bench.schema.files import RESULTS
from bench.schema.journal import Journal
from bench.schema.tasks import Task

CASES = 5000

CASES_PER_RUN = 10

WORKERS = 200
"""Real ones, of one fork server."""

MOST_CPU_S = 120.0

SETTLED = 0.2
"""Of all runs: from then on nothing may grow."""

MOST_GROWTH_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    resident_bytes: int
    files: int
    threads: int
    children: int
    on_disk: int
    """Files in its folder."""


def flat(place: Place, _random: Random) -> Tried:
    """Measure thousands of cases in one process, run after run; then start hundreds of workers."""
    runs = functools.partial(_many_runs, place.folder / "runs", CASES // CASES_PER_RUN)
    problem = problem_of(Call(runs, most_cpu_s=MOST_CPU_S), place)
    workers = functools.partial(_many_workers, place.folder / "scratch", WORKERS)
    told = f"{CASES:,} simulated cases in {CASES // CASES_PER_RUN} runs, {WORKERS} real workers"
    return Tried(told, problem or problem_of(Call(workers, most_cpu_s=MOST_CPU_S), place))


def _many_runs(folder: Path, runs: int) -> int:
    held = []
    for number in range(runs):
        if number == int(runs * SETTLED):
            held.append(_held(folder))
        _run(folder / "run")
    held.append(_held(folder))
    _refuse_growth(*held)
    return 0


def _run(folder: Path) -> None:
    plan = simulated.plan(CASES_PER_RUN, 1000.0, folder)
    log = Journal.create(folder, {"cases": [case.case_id for case in plan.cases]})
    engine = Engine(plan, simulated.Simulated(), log, time.monotonic, _Deaf())
    results = engine.run(HalfWidth(0.02))
    log.close()
    (folder / RESULTS).write_text(str(panet_key(log.entries.header, results)))
    shutil.rmtree(folder)


class _Deaf:
    """Hears nothing."""

    def update(self, *_: object) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class NothingTask(Task[Any]):
    """Do nothing in a process of its own."""

    handler: ClassVar[str] = "bench.lab.faults.flat:nothing"

    def result(self, data: Any) -> Any:  # noqa: ANN401 - nothing
        """Return the same."""
        return data


def nothing(_task: NothingTask) -> dict[str, int]:
    """Return something small."""
    return {"done": 1}


def _many_workers(folder: Path, workers: int) -> int:
    folder.mkdir()
    server, held = Server((__name__,), folder), []
    with contextlib.closing(server):
        server.wait_until_ready()
        for number in range(workers):
            if number == int(workers * SETTLED):
                held.append(_held(folder, of_server=True))
            task = NothingTask(case=simulated.case(), seed=0, scratch_dir=str(folder))
            if server.run(task, 60.0) != {"done": 1}:
                raise BenchError(f"worker {number} did not do its task")
        held.append(_held(folder, of_server=True))
    _refuse_growth(*held)
    return 0


def _held(folder: Path, *, of_server: bool = False) -> Held:
    own = psutil.Process()
    process = own.children()[0] if of_server else own
    return Held(
        process.memory_info().rss,
        len(os.listdir(f"/proc/{process.pid}/fd")),  # noqa: PTH208 - a count
        process.num_threads() if of_server else threading.active_count(),
        len(process.children(recursive=True)),
        len(list(folder.rglob("*"))),
    )


def _refuse_growth(early: Held, late: Held) -> None:
    if late.resident_bytes - early.resident_bytes > MOST_GROWTH_BYTES:
        raise BenchError(f"memory grew from {early.resident_bytes:,} to {late.resident_bytes:,}")
    for name in ("files", "threads", "children", "on_disk"):
        if getattr(late, name) > getattr(early, name):
            raise BenchError(f"{name}: {getattr(early, name)}, and then {getattr(late, name)}")
