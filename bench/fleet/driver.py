"""The loop of a fleet: asks nodes what they are, starts what is assigned, keeps what they say.

All that was decided is in the log, and all that was measured in the copies of the journals: a
driver that was killed begins where those end.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.engine.plan import Watch
from bench.fleet import copies
from bench.fleet.executors import Executor, Handle
from bench.fleet.kept import Kept, Machine
from bench.fleet.node import Message
from bench.fleet.probes import Probes, as_name, kind_name
from bench.fleet.progress import Progress
from bench.fleet.running import NotReached, Running
from bench.fleet.scheduling import BUDGET_SPENT, Assignment, Scheduler
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.records import Status

POLL_S = 1.0
"""Between two looks at what came: a node may be this machine."""

ALL_S = 300.0
"""In which nodes are to say what they are; then the first shards begin without the others."""

STOP_S = 30.0
"""For measurements to stop in order, which takes them a few seconds."""

OUT = "it takes no part any more"

CRASHED = str(Status.CRASHED)


class Fleet:
    """One sitting of a fleet.

    Args:
        kept: what is asked for, and was found so far; the caller's to close.
        executor: reaches the nodes.
        code: digest of the code, which every node has to have.
        budget_s: for all of it; of what has its own it is infinite.
        node_folder: where nodes keep their shards.
        say: takes a line for the user.
        watch: hears how far it is.
        apart: whether two nodes on one machine would measure beside each other.
        clock: seconds.
        wait: for so many seconds.
    """

    def __init__(
        self,
        kept: Kept[Any],
        executor: Executor,
        *,
        code: str,
        budget_s: float,
        node_folder: str,
        say: Callable[[str], None],
        watch: Watch,
        apart: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._kept = kept
        self._work = kept.work
        self._executor = executor
        self._node_folder = node_folder
        self._say = say
        self._progress = Progress(watch, clock(), kept.work.unit)
        self._clock = clock
        self._wait = wait
        self._probes = Probes(kept.work, code=code, apart=apart, now_s=clock())
        self.machines: dict[str, Machine] = {}
        """Kind -> its cases."""
        self._scheduler = Scheduler(kept.next_shard)
        self._running: dict[str, Running] = {}
        self._all_asked = False
        self._all_s = clock() + ALL_S
        self._end_s = clock() + budget_s

    def run(self) -> None:
        """Measure everything, in this sitting or in those before it.

        Raises:
            BenchError: no node can measure anything.
        """
        try:
            while not self._step():
                self._wait(POLL_S)
            self._add_earlier()
        finally:
            self._stop()

    def given_up(self, kind: str) -> dict[str, str]:
        """Return the cases of a kind that nobody measures, and why."""
        return self._scheduler.given_up[kind]

    def _add_earlier(self) -> None:
        """Take in what only earlier sittings have: kinds without a node now, cases without time."""
        for name, machine in self._kept.kinds.items():
            if name not in self.machines:
                self.machines[name] = machine
                self._scheduler.add_kind(name, dict.fromkeys(machine.cases, 0.0))
                self._scheduler.settle(name, self._kept.earlier(machine))
        self._scheduler.give_up_where_nobody_is(
            "no node of its kind takes part now; --resume with one"
        )
        for name, machine in self.machines.items():
            given_up = self._scheduler.given_up[name]
            for case_id in self._kept.fall_back(machine, list(given_up)):
                del given_up[case_id]

    def _step(self) -> bool:
        """Do what can be done now; return whether all is done."""
        now_s = self._clock()
        for name in self._probes.due(self._executor.nodes, now_s):
            self._start(name, self._probes.request)
        for name, running in list(self._running.items()):
            self._hear(name, running, now_s)
        if not self._all_asked and not self._ready():
            self._progress.asking(now_s, self._left_s)
            return False
        if now_s >= self._end_s:
            self._end()
        for assignment in self._scheduler.assign(now_s):
            self._begin(assignment)
        self._scheduler.give_up_where_nobody_is("its kind has no node left")
        self._tell(now_s)
        return self._scheduler.finished and not self._running

    def _ready(self) -> bool:
        """Return whether all nodes have said what they are; the first shards wait for that."""
        asking = any(running.copy is None for running in self._running.values())
        if asking and not (self.machines and self._clock() >= self._all_s):
            return False
        if not self.machines:
            why = "; ".join(f"{name}: {said[-1]}" for name, said in self._kept.failures.items())
            raise BenchError(f"no node can measure: {why or 'there is none'}")
        for kind in self.machines:
            self._settle_open(kind)
        self._all_asked = True
        return True

    def _settle_open(self, kind: str) -> None:
        """Let go of what nodes had begun that did not come back with the driver."""
        for name, (of, shard) in list(self._kept.open.items()):
            if of == kind:
                del self._kept.open[name]
                complete = self._kept.complete(self.machines[kind], shard)
                self._kept.settled(name, self.machines[kind], shard, complete)
                self._scheduler.settle(kind, complete)

    @property
    def _left_s(self) -> float:
        return self._end_s - self._clock()

    def _start(self, name: str, request: Message, copy: copies.Copy | None = None) -> None:
        handle: Handle
        try:
            handle = self._executor.start(name, request)
        except BenchError as error:
            handle = NotReached(str(error))
        kind = self._scheduler.nodes[name].kind if copy is not None else ""
        self._running[name] = Running(handle, self._clock(), kind, copy)

    def _begin(self, assignment: Assignment) -> None:
        name, shard = assignment.node, assignment.shard
        kind = self._scheduler.nodes[name].kind
        copy = self._kept.copy(shard)
        budget_s = self._scheduler.budget_s(shard, kind, max(0.0, self._left_s))
        self._kept.dealt(name, kind, shard)
        request = {
            "do": "run",
            "program": self._work.program,
            "arguments": self._work.arguments(shard.cases, budget_s),
            "folder": f"{self._node_folder}/{as_name(name)}/{shard.name}",
            "have": copy.have,
        }
        self._start(name, request, copy)

    def _hear(self, name: str, running: Running, now_s: float) -> None:
        running.hear()
        if running.probe is not None:
            self._join(name, running, running.probe)
        over = running.handle.over()
        patience_s = math.inf if running.copy is not None else self._executor.patience_s
        if over is None and not running.bad and now_s - running.since_s < patience_s:
            return
        del self._running[name]
        running.handle.stop()
        if running.copy is None:
            told = running.last or over or f"it said nothing for {patience_s:.0f} s"
            self._probed(name, running, told, now_s)
            return
        running.copy.close()
        ended = running.ended
        if ended is not None and self._readable(name, running):
            self._ended(name, ended["document"], now_s)
        else:
            said = str(ended.get("said")) if ended is not None else over
            self._broke(name, running, running.last or said or "it is gone", now_s)

    def _probed(self, name: str, running: Running, told: str, now_s: float) -> None:
        if name not in self._scheduler.nodes and not running.gone:
            then = self._probes.failed(name, now_s, answered=bool(running.last))
            self._say(self._kept.failed(name, told, then))

    def _readable(self, name: str, running: Running) -> bool:
        """Return whether a shard was measured, and what came of it can be read."""
        node, ended = self._scheduler.nodes[name], running.ended
        if running.bad or ended is None or node.shard is None:
            return False
        try:
            if ended["document"] is None:
                return False
            self._kept.check(self.machines[node.kind], node.shard, ended["document"])
        except copies.BAD as error:
            running.damaged(error)
            return False
        return True

    def _join(self, name: str, running: Running, probe: Mapping[str, Any]) -> None:
        """Let a node take part, with what it has begun in an earlier sitting."""
        running.probe = None
        try:
            running.last = self._probes.refusal(name, probe)
            if not running.last:
                self._take_part(name, kind_name(probe["environment"], probe["code"]), probe)
        except copies.BAD as error:
            running.damaged(error)
            running.handle.stop()

    def _take_part(self, name: str, kind: str, probe: Mapping[str, Any]) -> None:
        if kind not in self.machines:
            cases = self._work.cases(probe["cases"])
            self.machines[kind] = machine = Machine(kind, cases)
            forecasts = self._work.forecasts(cases, self._kept.folder.parent)
            self._scheduler.add_kind(kind, forecasts)
            self._scheduler.settle(kind, self._kept.earlier(machine))
            self._kept.joined(machine)
        shard = None
        if self._kept.open.get(name, ("", None))[0] == kind:
            shard = self._kept.open.pop(name)[1]
        self._scheduler.join(name, kind, shard, self._clock())
        if self._all_asked:
            self._settle_open(kind)

    def _end(self) -> None:
        """Begin nothing more: what nobody has begun stays open."""
        for name, node in self._scheduler.nodes.items():
            if node.waiting and node.shard is not None:
                machine = self.machines[node.kind]
                complete = self._kept.complete(machine, node.shard)
                self._kept.settled(name, machine, node.shard, complete)
                self._scheduler.give_back(name, complete, BUDGET_SPENT, gone=False)
        self._scheduler.end(BUDGET_SPENT)

    def _ended(self, name: str, document: Mapping[str, Any], now_s: float) -> None:
        """Keep a shard that was measured; what crashes is for others, until they agree."""
        node = self._scheduler.nodes[name]
        assert node.shard is not None  # noqa: S101 - it ran
        shard, given = node.shard, document.get("outcomes", {})
        crashes = {c: given[c][1] for c in shard.cases if c in given and given[c][0] == CRASHED}
        again = self._scheduler.crashed(name, crashes)
        complete = [case_id for case_id in shard.cases if case_id not in again]
        self._kept.settled(name, self.machines[node.kind], shard, complete, document)
        out = len(shard.cases) > 1 and not complete
        if again:
            told = f"{self._work.told(shard.name, len(again))} crashed ({crashes[min(again)]})"
            then = f"tried elsewhere{f'; {OUT}' if out else ''}"
            self._say(self._kept.failed(name, told, then))
        self._scheduler.ended(name, now_s, again, gone=out)

    def _broke(self, name: str, running: Running, told: str, now_s: float) -> None:
        """Let a shard that was not done go on where it was, or be begun anew."""
        node = self._scheduler.nodes[name]
        assert node.shard is not None  # noqa: S101 - it ran
        shard, machine = node.shard, self.machines[node.kind]
        counts = journal.GOING_ON not in told
        there = not running.other and name in self._executor.nodes()
        if there and not running.gone and self._scheduler.broke(name, now_s, counts=counts):
            what = self._work.told(shard.name)
            then = f"{what} goes on there in {node.since_s - now_s:.0f} s"
            self._say(self._kept.failed(name, told, then))
            return
        stays = there and running.gone
        complete = self._kept.complete(machine, shard)
        left = self._work.told(shard.name, len(shard.cases) - len(complete))
        then = f"{left} begun anew" + ("" if stays else f" elsewhere; {OUT}")
        self._say(self._kept.failed(name, told, then))
        self._kept.settled(name, machine, shard, complete)
        self._scheduler.give_back(name, complete, f"{name}: {told}", gone=not stays)

    def _tell(self, now_s: float) -> None:
        total = sum(len(machine.cases) for machine in self.machines.values())
        copying = {n: r.copy.lines for n, r in self._running.items() if r.copy is not None}
        self._progress.measuring(now_s, self._left_s, self._scheduler, total, copying)

    def _stop(self) -> None:
        """Let nodes stop what they do, and keep what they still say."""
        copies_open = [r.copy for r in self._running.values() if r.copy is not None]
        for running in self._running.values():
            running.handle.stop()
        end_s = self._clock() + STOP_S
        while self._running and self._clock() < end_s:
            for name, running in list(self._running.items()):
                running.hear()
                if running.handle.over() is not None:
                    del self._running[name]
            self._wait(POLL_S)
        for copy in copies_open:
            copy.close()
