"""A sweep over three nodes of which one is killed, or whose driver is; and what came of it.

Nodes measure nothing (`bench.lab.faults.quick_nodes`); of Ray they are those of ``ray start``, on
this machine.
"""

import contextlib
import functools
import itertools
import json
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import psutil
from rich.console import Console

from bench.fleet import copies, scheduling, sitting
from bench.fleet import run as fleet
from bench.fleet.asked import Asked
from bench.lab.faults import quick_nodes
from bench.lab.faults.attempt import Call, Outcome, Place, Tried, started, wait
from bench.lab.faults.networks import left_behind
from bench.lab.faults.runs import GONE_S
from bench.lab.ray_cluster import MEASURES, Cluster, cluster
from bench.run.request import OPTIONS
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL, RESULTS
from bench.schema.recipe import ARMS

EACH = 2
"""Sweeps of an attempt: the start of a cluster takes as long as one."""

CASES, NODES = 60, 3

NODE = ("--num-cpus=1", MEASURES)

ASKED = Asked(
    dict.fromkeys(OPTIONS)
    | {"batch_sizes": ",".join(map(str, range(1, CASES + 1))), "threads": "1", "devices": "cpu"}
)

LINE_S = 0.02

LINES = 700
"""Of the journals of all shards, less than there are in the end: behind one of them somebody is
killed."""

MOST_DELAY_S = 1.0

WAITS_S = (2.0, 2.0)
"""Before a shard goes on where it broke; a node of Ray that is gone is known to be after some."""

MOST_CPU_S = 60.0


def local_drivers(place: Place, random: Random) -> Tried:
    """Kill a driver of processes on this machine, and go on."""
    with _nodes(place.folder) as environment:
        return _tried(place, [_Sweep("local", "abc"[:NODES], environment)] * EACH, random)


def ray_drivers(place: Place, random: Random) -> Tried:
    """Kill a driver of a cluster, and go on."""
    with _nodes(place.folder) as environment, _ray(environment) as made:
        return _tried(place, [_Sweep("ray", (made.address,), environment)] * EACH, random)


def ray_nodes(place: Place, random: Random) -> Tried:
    """Kill a node of a cluster: the daemon that Ray has on it."""
    with _nodes(place.folder) as environment, _ray(environment) as made:
        return _tried(place, [_Sweep("ray", (made.address,), environment, made)] * EACH, random)


@contextlib.contextmanager
def _ray(environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Provide a cluster of nodes that measure, and a head that does not."""
    with cluster(environment) as made:
        made.head("--num-cpus=0")
        for _ in range(NODES):
            made.add(*NODE)
        yield made


@contextlib.contextmanager
def _nodes(folder: Path) -> Iterator[dict[str, str]]:
    """Provide the environment of everything that belongs to an attempt; nothing of it is left."""
    try:
        yield quick_nodes.environment(folder, ASKED, LINE_S) | {"FAULTS": str(folder)}
    finally:
        left_behind(folder)


@dataclass(frozen=True)
class _Sweep:
    """How a sweep is to be disturbed."""

    executor: str
    hosts: Sequence[str]
    environment: Mapping[str, str]
    nodes_of: Cluster | None = None
    """Of which a node is killed; `None`: the driver is."""


def _tried(place: Place, sweeps: Sequence[_Sweep], random: Random) -> Tried:
    told: list[str] = []
    for number, sweep in enumerate(sweeps):
        own = replace(place, folder=place.folder / f"sweep-{number}")
        own.folder.mkdir()
        try:
            problem = _disturb(own, sweep, random, told) or _measuring(place.folder)
        except BenchError as error:
            problem = str(error)
        if problem:
            return Tried("; ".join(told), problem)
    return Tried("; ".join(told))


def _disturb(place: Place, sweep: _Sweep, random: Random, told: list[str]) -> str:
    folder = place.folder / "fleet"
    call = Call(functools.partial(_sit, folder, sweep), most_cpu_s=MOST_CPU_S)
    lines, delay_s = random.randrange(LINES), random.uniform(0, MOST_DELAY_S)
    pid = started(call, place)
    _wait_for_lines(folder, lines, pid)
    time.sleep(delay_s)
    if sweep.nodes_of is None:
        what = "driver"
        os.kill(pid, signal.SIGKILL)
        wait(pid, place)
        pid = started(call, place)
    else:
        what = _kill_node(sweep.environment, random)
    told.append(f"{what} {delay_s:.2f} s behind line {lines}")
    outcome = wait(pid, place)
    if sweep.nodes_of is not None:
        sweep.nodes_of.add(*NODE)
    problem = _unlike_others(outcome) or _not_once(folder) or _unlike(folder)
    return problem or (_measured_twice(folder) if sweep.nodes_of is None else "")


def _sit(folder: Path, sweep: _Sweep) -> int:
    os.environ.update(sweep.environment)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # Ray maps more than it uses
    scheduling.WAITS_S = WAITS_S
    nodes = sitting.Nodes(sweep.executor, tuple(sweep.hosts))
    order = fleet.Order(replace(ASKED.request(), run_dir=folder), ASKED, nodes)
    console = Console()
    with journal.locked(folder):
        outcome = fleet.measure(order, console)
    console.print("\n".join(outcome.said()), markup=False, highlight=False)
    return 0 if outcome.all_well else 1


def _wait_for_lines(folder: Path, lines: int, pid: int) -> None:
    """Wait until the copies have so many lines, or the driver is over."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        journals = folder.glob(f"{copies.SHARDS}/*/{JOURNAL}")
        if sum(path.read_bytes().count(b"\n") for path in journals) >= lines:
            return
        time.sleep(0.05)


def _unlike_others(outcome: Outcome) -> str:
    if "Traceback (most recent call last)" in outcome.said + outcome.errors:
        return f"traceback: {(outcome.said + outcome.errors)[-200:]}"
    if outcome.exit_code:
        return f"exit code {outcome.exit_code}: {(outcome.said + outcome.errors)[-200:]}"
    return ""


def _not_once(folder: Path) -> str:
    """Return which cases are not there once, or were begun again though they were measured."""
    done: Counter[str] = Counter()
    for event in itertools.islice(copies.events(folder), 1, None):
        if "dealt" in event and (again := [c for c in event["cases"] if done[c]]):
            return f"shard {event['shard']} has {again[0]}, which was measured"
        done.update(event.get("complete", ()))
    found = Counter(_rounds(folder))
    if len(done) != CASES or max(done.values()) > 1:
        return f"{len(done)} cases, at most {max(done.values(), default=0)} times each"
    if len(found) != CASES * len(ARMS):
        return f"the results have {len(found)} arms of cases"
    return ""


def _rounds(folder: Path) -> dict[tuple[str, str], list[float]]:
    """Return what the results have of every case and arm; raise `BenchError` for two of one."""
    (path,) = folder.glob(f"*/{RESULTS}")
    found: dict[tuple[str, str], list[float]] = {}
    for entry in json.loads(path.read_text())["benchmarks"]:
        key = entry["group"], entry["extra_info"]["arm"]
        if key in found:
            raise BenchError(f"the results have {key} twice")
        found[key] = entry["stats"]["data"]
    return found


def _unlike(folder: Path) -> str:
    """Return where a case has not what every undisturbed one has: equal replicates from the first.

    Of a node that is lost, cases count that were measured enough, and these have fewer of them.
    """
    rounds = _rounds(folder)
    for arm in ARMS:
        longest = max((data for (_, of), data in rounds.items() if of == arm), key=len)
        for (case_id, of), data in rounds.items():
            if of == arm and data != longest[: len(data)]:
                return f"{case_id}: other rounds of {arm} than other cases have"
    return ""


def _measured_twice(folder: Path) -> str:
    """Return what nodes that were all there at the end have twice, or the copies do not have."""
    there: dict[str, bytes] = {}
    for path in (folder / "nodes").rglob(JOURNAL):
        shard, written = path.relative_to(folder / "nodes").parts[1], path.read_bytes()
        if shard in there:
            return f"shard {shard} was begun twice"
        if b"\n" in written:  # otherwise it was killed before it said what it is, and begun anew
            there[shard] = written
    for shard, written in there.items():
        if (folder / copies.SHARDS / shard / JOURNAL).read_bytes() != written:
            return f"shard {shard}: the copy is not what the node has"
        entries = journal.read(folder / copies.SHARDS / shard)
        for case_id, replicates in entries.replicates.items():
            if [r.index for r in replicates] != list(range(len(replicates))):
                return f"shard {shard}: {case_id} has {[r.index for r in replicates]}"
    return ""


def _measuring(folder: Path) -> str:
    """Return which measurements still go on; those of what was killed have time to end."""
    end_s, left = time.monotonic() + GONE_S, list[int]()
    while time.monotonic() < end_s:
        left = [p.pid for p in psutil.process_iter() if _measures(p, folder)]
        if not left:
            return ""
        time.sleep(0.2)
    return f"measurements go on that nobody hears: {left}"


def _measures(process: psutil.Process, folder: Path) -> bool:
    try:
        measures = any(word.startswith("--only=") for word in process.cmdline())
        return measures and process.environ().get("FAULTS") == str(folder)
    except psutil.Error:
        return False


def _kill_node(environment: Mapping[str, str], random: Random) -> str:
    """Kill the daemon of a node that measures; return which."""
    raylets = sorted(p.pid for p in psutil.process_iter() if _is_raylet(p, environment["FAULTS"]))
    at = random.randrange(len(raylets))
    os.kill(raylets[at], signal.SIGKILL)
    return f"raylet {at + 1} of {len(raylets)}"


def _is_raylet(process: psutil.Process, belongs_to: str) -> bool:
    try:
        own = process.name() == "raylet" and process.environ().get("FAULTS") == belongs_to
        return own and "bench" in " ".join(process.cmdline())
    except psutil.Error:
        return False
