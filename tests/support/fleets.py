"""Fleets without machines: nodes with disks, on a clock that only waiting moves."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fleet import copies, stored, sweeps
from bench.fleet.asked import Asked
from bench.fleet.driver import Fleet
from bench.fleet.executors import Handle
from bench.fleet.kept import Kept
from bench.fleet.node import Message
from bench.fleet.sweeps import Sweep
from bench.fleet.work import Work
from bench.run.request import OPTIONS
from bench.schema import files, journal
from bench.schema.case import Case
from bench.schema.errors import BenchError
from tests.support.factories import case
from tests.support.journals import CODE, journal_lines

TOO_LITTLE = "12 replicates, and about 40 are needed for ±0.1 of the ratio; raise --budget"

LINE_S = 2.0
"""Between two lines of a journal."""

CASES = tuple(case(batch_size=batch) for batch in range(1, 7))

VALUES = dict.fromkeys(OPTIONS)


def environment(**values: Any) -> dict[str, Any]:
    return {"cpu": "a CPU", "cores": 2, "libraries": {"torch": "2.15.0"}} | values


@dataclass
class Clock:
    now_s: float = 0.0
    killed_s: float = float("inf")
    """When the driver is."""

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s >= self.killed_s:
            raise Killed


@dataclass
class Place:
    """A node that is not there.

    Args:
        breaks: of each attempt to measure, in turn, after how many new lines it breaks.
        wiped: whether its disk is empty whenever it comes back.
        away: whether it cannot be reached at all.
        crashes: ids of cases that crash here.
        machine: which it is.
        files: digest of the user's.
        back_s: until when it cannot be reached.
        lacks_time: ids of cases that are too wide for want of a budget.
        damaged: answers that are given before those of a measurement, in turn.
        busy: attempts that find the one before still going on.
    """

    breaks: list[int] = field(default_factory=list)
    wiped: bool = False
    away: bool = False
    crashes: frozenset[str] = frozenset()
    machine: str = ""
    files: str = ""
    back_s: float = 0.0
    lacks_time: frozenset[str] = frozenset()
    damaged: list[Message] = field(default_factory=list)
    busy: int = 0
    environment: dict[str, Any] = field(default_factory=environment)
    code: str = CODE
    line_s: float = LINE_S
    cases: tuple[Case, ...] = CASES
    begins_as: dict[str, Any] | None = None
    """The environment of what is measured, where it is not what the node said."""
    disk: dict[str, list[str]] = field(default_factory=dict)
    """Folder of a shard -> its journal."""
    written: Counter[str] = field(default_factory=Counter)
    """Case -> how many replicates were measured here."""

    def asked(self, clock: Clock, request: Message) -> Handle:
        """Return a request that was begun here."""
        return Request(self, clock, request)


class Request:
    """A request on a node: a `Handle`."""

    def __init__(self, place: Place, clock: Clock, request: Message) -> None:
        self._place, self._clock, self._request = place, clock, request
        self._begun_s = clock()
        self._stopped = False
        self._out: list[Message] = []
        self._over: str | None = None
        self._left: list[str] = []
        self._written = 0
        if request["do"] == "probe":
            known = {"environment": place.environment, "code": place.code}
            known |= {"machine": place.machine, "files": place.files}
            self._out.append({"probe": known | {"cases": [c.to_json() for c in place.cases]}})
            self._over = "exit 0"
            return
        folder, have = request["folder"], sum(request["have"].values())
        if place.busy and have:
            place.busy -= 1
            said = f"ERROR: run x {journal.GOING_ON}"
            self._out.append({"ended": {"code": 4, "said": said, "document": None}})
            self._over = "exit 0"
            return
        if place.wiped:
            place.disk.clear()
        if have and folder not in place.disk:
            self._out.append({"gone": "no journal of it"})
            self._over = "exit 0"
            return
        self._disk = place.disk.setdefault(folder, [])
        self._out += [{"line": line} for line in self._disk[have:]]
        (only,) = (a.split("=", 1)[1] for a in request["arguments"] if a.startswith("--only="))
        asked = only.split(",")
        assert {each.case_id for each in place.cases} >= set(asked)
        of = place.begins_as or place.environment
        outcomes = {c: ("crashed", "no such device") for c in asked if c in place.crashes}
        lacking = {c: ("too_wide", TOO_LITTLE) for c in asked if c in place.lacks_time}
        self._out += [place.damaged.pop(0)] if place.damaged else []
        self._document: dict[str, Any] = {
            "machine_info": {},
            "hints": [],
            "outcomes": outcomes | lacking,
        }
        measured = [case_id for case_id in asked if case_id not in outcomes]
        self._left = journal_lines(measured, of, place.code)[len(self._disk) :]
        self._breaks = place.breaks.pop(0) if place.breaks else None

    def messages(self) -> list[Message]:
        while (
            self._over is None
            and not self._stopped
            and self._clock() >= self._begun_s + (self._written + 1) * self._place.line_s
        ):
            if self._breaks == self._written:
                self._over = "connection lost"
            elif not self._left:
                self._out.append({"ended": {"code": 0, "said": "fine", "document": self._document}})
                self._over = "exit 0"
            else:
                self._write(self._left.pop(0))
        out, self._out = self._out, []
        return out

    def _write(self, line: str) -> None:
        self._written += 1
        self._disk.append(line)
        self._out.append({"line": line})
        entry = json.loads(line)
        if "replicate" in entry:
            self._place.written[entry["case_id"]] += 1

    def over(self) -> str | None:
        return "stopped" if self._stopped and self._over is None else self._over

    def stop(self) -> None:
        self._stopped = True


@dataclass
class Places:
    """An executor of nodes that are not there."""

    clock: Clock
    places: Mapping[str, Place]
    started: list[tuple[str, Message]] = field(default_factory=list)
    patience_s: float = 300.0

    def nodes(self) -> list[str]:
        return list(self.places)

    def start(self, node: str, request: Message) -> Handle:
        self.started.append((node, request))
        if self.places[node].away or self.clock() < self.places[node].back_s:
            raise BenchError("no route to host")
        return self.places[node].asked(self.clock, request)

    def close(self) -> None: ...

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Node and shard of every attempt, in order."""
        return [(n, Path(r["folder"]).name) for n, r in self.started if r["do"] == "run"]

    @property
    def written(self) -> Counter[str]:
        """Case -> how many replicates were measured, everywhere."""
        return sum((place.written for place in self.places.values()), Counter[str]())


class Killed(Exception):  # noqa: N818 - no error of ours
    """The driver is, at some time."""


@dataclass
class Watching:
    seen: list[str] = field(default_factory=list)

    def update(
        self, now: str, left_s: float, share_done: float, known: Mapping[str, str] | None = None
    ) -> None:
        assert left_s >= 0
        assert 0 <= share_done <= 1
        self.seen.append(now)


class Dying(Fleet):
    """A driver that is killed, and has no time for anything then."""

    def _stop(self) -> None: ...

    def die(self, clock: Clock) -> None:
        """Leave nodes that have measured what nobody hears, and a line in halves."""
        clock.killed_s = float("inf")
        clock.wait(2 * LINE_S)
        for running in self._running.values():
            running.handle.messages()
            if running.copy is not None:
                running.copy.close()
                for path in running.copy.folder.rglob(files.JOURNAL):
                    os.truncate(path, max(0, path.stat().st_size - 7))


@dataclass
class Sitting:
    """A fleet that has run."""

    fleet: Fleet
    kept: Kept[Any]
    executor: Places
    said: list[str]
    seen: list[str]
    """What was drawn."""

    def kinds(self) -> list[stored.Kind]:
        """Return what there is to write of every kind of machine."""
        return list(sweeps.kinds(self.kept, self.fleet))

    @property
    def counted(self) -> Counter[str]:
        """Case -> how many shards it counts in."""
        parts = [part for of_kind in self.kept.parts.values() for part in of_kind]
        return Counter(each.case_id for part in parts for each in part.cases)


def sit(
    folder: Path,
    places: Mapping[str, Place],
    *,
    killed_s: float = float("inf"),
    beside_timing: bool = False,
    budget_s: float = 1e6,
    apart: bool = False,
    work: Work[Any] | None = None,
) -> Sitting:
    """Let a driver run on a fleet's folder until all is done; raise `Killed` where it is killed."""
    clock, folder = (
        Clock(killed_s=killed_s),
        folder / "fleet",
    )  # earlier runs, whose seconds it takes, lie beside
    if not (folder / copies.LOG).exists():
        folder.mkdir(parents=True, exist_ok=True)
        copies.Log.create(folder, {"asked": {}}).close()
    executor, said = Places(clock, places), list[str]()
    watching = Watching()
    kept = Kept(folder, work or Sweep(Asked(VALUES), whole=beside_timing))
    fleet = Dying(
        kept,
        executor,
        code=CODE,
        budget_s=budget_s,
        apart=apart,
        node_folder="nodes",
        say=said.append,
        watch=watching,
        clock=clock,
        wait=clock.wait,
    )
    try:
        fleet.run()
    except Killed:
        fleet.die(clock)
        raise
    finally:
        kept.close()
    return Sitting(fleet, kept, executor, said, watching.seen)
