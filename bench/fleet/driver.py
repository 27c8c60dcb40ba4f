"""The loop of a fleet: asks nodes what they are, starts what the dealer deals, keeps what they say.

All that was decided is in the log, and all that was measured in the copies of the journals: a
driver that was killed begins where those end.
"""

import hashlib
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.engine.plan import Watch
from bench.fleet import copies, stored
from bench.fleet.asked import Asked
from bench.fleet.dealing import Deal, Dealer
from bench.fleet.executors import Executor, Handle
from bench.fleet.forecasts import forecasts
from bench.fleet.kept import Kept, Machine
from bench.fleet.node import RESULTS_THERE, Message
from bench.schema import journal, text
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.records import Status, lasting

POLL_S = 1.0
"""Between two looks at what came: a node may be this machine."""

TELL_S = 3.0
"""At least, between two drawings of the progress."""

LOOK_S = 10.0
"""Between two looks for nodes that came later."""

ALL_S = 300.0
"""In which nodes are to say what they are; then the first shards are dealt without the others."""

AGAIN_S, TRIES = 60.0, 5
"""A node that cannot be reached is asked so much later, so often in all."""

STOP_S = 30.0
"""For measurements to stop in order, which takes them a few seconds."""

OUT = "it takes no part any more"

CRASHED = str(Status.CRASHED)


@dataclass
class Running:
    """A request on a node."""

    handle: Handle
    since_s: float
    copy: copies.Copy | None = None
    """Of the shard; `None` for a probe."""
    last: str = ""
    """What went wrong, as far as the node could say."""
    ended: Mapping[str, Any] | None = None
    bad: bool = False
    """Whether an answer was damaged: nothing more is taken."""
    gone: bool = False
    """Whether the journal is no longer on the node."""
    other: bool = False
    """Whether this is another machine than it said."""


class Fleet:
    """One sitting of a fleet.

    Args:
        kept: what was found so far; the caller's to close.
        asked: what every node is asked for.
        executor: reaches the nodes.
        code: digest of the code, which every node has to have.
        budget_s: for all of it.
        node_folder: where nodes keep their shards.
        say: takes a line for the user.
        watch: hears how far it is.
        apart: whether two nodes on one machine would measure beside each other.
        clock: seconds.
        wait: for so many seconds.
    """

    def __init__(
        self,
        kept: Kept,
        asked: Asked,
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
        self._asked = asked
        self._executor = executor
        self._code = code
        self._node_folder = node_folder
        self._say = say
        self._watch = watch
        self._clock = clock
        self._wait = wait
        self._pictures = asked.pictures()
        self._apart = apart
        self._names: dict[str, str] = {}
        """Machine -> the node that it is."""
        self._machines: dict[str, Machine] = {}
        self._dealer = Dealer(kept.next_shard)
        self._running: dict[str, Running] = {}
        self._ask_s: dict[str, float] = {}
        """Node -> when it is asked again what it is."""
        self._tries: Counter[str] = Counter()
        self._all_asked = False
        self._told: tuple[Any, ...] = ()
        self._next_tell_s = clock()
        self._next_look_s = clock()
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

    def kinds(self) -> Iterator[stored.Kind]:
        """Yield what there is to write of every kind of machine."""
        for name, machine in self._machines.items():
            given_up = self._dealer.given_up[name].items()
            missing = {case_id: (machine.cases[case_id], why) for case_id, why in given_up}
            run_id = f"{self._kept.folder.name}-{name}"
            yield stored.Kind(name, run_id, self._kept.parts.get(name, []), missing)

    def _add_earlier(self) -> None:
        """Take in what only earlier sittings have: kinds without a node now, cases without time."""
        for name, machine in self._kept.kinds.items():
            if name not in self._machines:
                self._machines[name] = machine
                self._dealer.add_kind(name, dict.fromkeys(machine.cases, 0.0))
                self._dealer.settle(name, self._kept.earlier(machine))
        self._dealer.give_up_where_nobody_is(
            "no node of its kind takes part now; --resume with one"
        )
        for name, machine in self._machines.items():
            given_up = self._dealer.given_up[name]
            for case_id in self._kept.fall_back(machine, list(given_up)):
                del given_up[case_id]

    def _step(self) -> bool:
        """Do what can be done now; return whether all is done."""
        now_s = self._clock()
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._look_for_nodes()
        for name, running in list(self._running.items()):
            self._hear(name, running, now_s)
        if not self._all_asked and not self._ready():
            self._draw("asking the machines what they are", max(0.0, self._left_s), 0.0, {})
            return False
        if now_s >= self._end_s:
            self._end()
        for deal in self._dealer.deal(now_s):
            self._begin(deal)
        self._dealer.give_up_where_nobody_is("its kind has no node left")
        self._tell(now_s)
        return self._dealer.finished and not self._running

    def _look_for_nodes(self) -> None:
        for name in self._executor.nodes():
            if self._ask_s.get(name, 0.0) <= self._clock():
                self._ask_s[name] = math.inf
                self._start(name, {"do": "probe", "asked": self._asked.to_json()})

    def _ready(self) -> bool:
        """Return whether all nodes have said what they are; the first deal waits for that."""
        asking = any(running.copy is None for running in self._running.values())
        if asking and not (self._machines and self._clock() >= self._all_s):
            return False
        if not self._machines:
            why = "; ".join(f"{name}: {said[-1]}" for name, said in self._kept.failures.items())
            raise BenchError(f"no node can measure: {why or 'there is none'}")
        for kind in self._machines:
            self._settle_open(kind)
        self._all_asked = True
        return True

    def _settle_open(self, kind: str) -> None:
        """Let go of what nodes had begun that did not come back with the driver."""
        for name, (of, shard) in list(self._kept.open.items()):
            if of == kind:
                del self._kept.open[name]
                complete = self._kept.complete(self._machines[kind], shard)
                self._kept.settled(name, self._machines[kind], shard, complete)
                self._dealer.settle(kind, complete)

    @property
    def _left_s(self) -> float:
        return self._end_s - self._clock()

    def _start(self, name: str, request: Message, copy: copies.Copy | None = None) -> None:
        handle: Handle
        try:
            handle = self._executor.start(name, request)
        except BenchError as error:
            handle = NotReached(str(error))
        self._running[name] = Running(handle, self._clock(), copy)

    def _begin(self, deal: Deal) -> None:
        kind, shard = self._dealer.nodes[deal.node].kind, deal.shard
        copy = self._kept.copy(shard)
        budget_s = self._dealer.budget_s(shard, kind, max(0.0, self._left_s))
        self._kept.dealt(deal.node, kind, shard)
        request = {
            "do": "run",
            "arguments": self._asked.command_line(shard.cases, budget_s),
            "folder": f"{self._node_folder}/{_slug(deal.node)}/{shard.name}",
            "have": copy.lines,
        }
        self._start(deal.node, request, copy)

    def _hear(self, name: str, running: Running, now_s: float) -> None:
        self._take_all(name, running)
        over = running.handle.over()
        patience_s = math.inf if running.copy is not None else self._executor.patience_s
        if over is None and not running.bad and now_s - running.since_s < patience_s:
            return
        del self._running[name]
        running.handle.stop()
        ended = running.ended
        if running.copy is None:
            if name not in self._dealer.nodes and not running.gone:
                told = running.last or over or f"it said nothing for {patience_s:.0f} s"
                then = "it takes no part"
                self._tries[name] += 1
                if not running.last and self._tries[name] < TRIES:  # it may come later
                    self._ask_s[name], then = now_s + AGAIN_S, f"{then} yet"
                self._say(self._kept.failed(name, told, then))
            return
        running.copy.close()
        if ended is not None and self._readable(name, running):
            self._ended(name, ended["document"], now_s)
        else:
            said = str(ended.get("said")) if ended is not None else over
            self._broke(name, running, running.last or said or "it is gone", now_s)

    def _readable(self, name: str, running: Running) -> bool:
        """Return whether a shard was measured, and what came of it can be read."""
        node, ended = self._dealer.nodes[name], running.ended
        if running.bad or ended is None or node.shard is None:
            return False
        try:
            if ended["code"] not in RESULTS_THERE or ended["document"] is None:
                return False
            self._kept.check(self._machines[node.kind], node.shard, ended["document"])
        except copies.BAD as error:
            running.gone = True
            running.last = f"a damaged answer ({type(error).__name__}: {error})"
            return False
        return True

    def _take_all(self, name: str, running: Running) -> None:
        for message in running.handle.messages():
            if running.bad:
                return
            try:
                self._take(name, running, message)
            except copies.BAD as error:
                running.bad = running.gone = running.copy is not None
                running.last = f"a damaged answer ({type(error).__name__}: {error})"
                running.handle.stop()

    def _take(self, name: str, running: Running, message: Message) -> None:
        if "probe" in message:
            self._join(name, running, message["probe"])
        elif "ended" in message:
            running.ended = message["ended"]
        elif "gone" in message or "error" in message:
            running.gone = "gone" in message
            running.last = str(message.get("gone") or message.get("error"))
        elif running.copy is not None and "line" in message:
            self._add_line(name, running, running.copy, message["line"])
        elif running.copy is not None and "file" in message:
            running.copy.add_file(message["file"], message["data"])

    def _add_line(self, name: str, running: Running, copy: copies.Copy, line: str) -> None:
        """Keep a line; the first tells whether this is the machine that the node said it is."""
        if running.other:
            return
        if not copy.lines:
            header = json.loads(line)["header"]
            kind = kind_name(header["environment"], header["code"])
            if kind != self._dealer.nodes[name].kind:
                running.other, running.last = True, f"this time it is another machine: {kind}"
                running.handle.stop()
                return
        copy.add(line)

    def _join(self, name: str, running: Running, probe: Mapping[str, Any]) -> None:
        """Let a node take part, with what it has begun in an earlier sitting."""
        if probe["code"] != self._code:
            running.last = "it has other code than this machine; bring both to one commit"
            return
        if probe.get("pictures", "") != self._pictures:
            running.last = "it has other pictures in --images than this machine; copy them there"
            return
        if self._apart:
            first = self._names.setdefault(str(probe.get("machine", name)), name)
            if first != name:
                running.last = f"it is the machine that {first} is; give one name"
                return
        kind = kind_name(probe["environment"], probe["code"])
        if kind not in self._machines:
            cases = {case.case_id: case for case in map(Case.from_json, probe["cases"])}
            self._machines[kind] = machine = Machine(kind, cases)
            self._dealer.add_kind(kind, forecasts(cases.values(), self._kept.folder.parent))
            self._dealer.settle(kind, self._kept.earlier(machine))
            self._kept.joined(machine)
        shard = None
        if self._kept.open.get(name, ("", None))[0] == kind:
            shard = self._kept.open.pop(name)[1]
        self._dealer.join(name, kind, shard, self._clock())
        if self._all_asked:
            self._settle_open(kind)

    def _end(self) -> None:
        """Begin nothing more: what nobody has begun stays open."""
        for name, node in self._dealer.nodes.items():
            if node.waiting and node.shard is not None:
                machine = self._machines[node.kind]
                complete = self._kept.complete(machine, node.shard)
                self._kept.settled(name, machine, node.shard, complete)
                self._dealer.give_back(name, complete, stored.BUDGET_SPENT, gone=False)
        self._dealer.end(stored.BUDGET_SPENT)

    def _ended(self, name: str, document: Mapping[str, Any], now_s: float) -> None:
        """Keep a shard that was measured; what crashes is for others, until they agree."""
        node = self._dealer.nodes[name]
        assert node.shard is not None  # noqa: S101 - it ran
        shard, given = node.shard, document.get("outcomes", {})
        crashes = {c: given[c][1] for c in shard.cases if c in given and given[c][0] == CRASHED}
        again = self._dealer.crashed(name, crashes)
        complete = [case_id for case_id in shard.cases if case_id not in again]
        self._kept.settled(name, self._machines[node.kind], shard, complete, document)
        out = len(shard.cases) > 1 and not complete
        if again:
            why = f"{text.counted(len(again), 'case')} of shard {shard.name} crashed"
            told = f"{why} ({crashes[min(again)]})"
            then = f"tried elsewhere{f'; {OUT}' if out else ''}"
            self._say(self._kept.failed(name, told, then))
        self._dealer.ended(name, now_s, again, gone=out)

    def _broke(self, name: str, running: Running, told: str, now_s: float) -> None:
        """Let a shard that was not done go on where it was, or be begun anew."""
        node = self._dealer.nodes[name]
        assert node.shard is not None  # noqa: S101 - it ran
        shard, machine = node.shard, self._machines[node.kind]
        counts = journal.GOING_ON not in told
        there = not running.other and name in self._executor.nodes()
        if there and not running.gone and self._dealer.broke(name, now_s, counts=counts):
            then = f"shard {shard.name} goes on there in {node.since_s - now_s:.0f} s"
            self._say(self._kept.failed(name, told, then))
            return
        stays = there and running.gone
        complete = self._kept.complete(machine, shard)
        left = text.counted(len(shard.cases) - len(complete), "case")
        then = f"{left} of shard {shard.name} begun anew" + ("" if stays else f" elsewhere; {OUT}")
        self._say(self._kept.failed(name, told, then))
        self._kept.settled(name, machine, shard, complete)
        self._dealer.give_back(name, complete, f"{name}: {told}", gone=not stays)

    def _tell(self, now_s: float) -> None:
        total = sum(len(machine.cases) for machine in self._machines.values())
        settled = (*self._dealer.done.values(), *self._dealer.given_up.values())
        known = {
            node.name: f"{text.counted(len(node.shard.cases), 'case')}, {self._lines(node.name)}"
            for node in self._dealer.nodes.values()
            if node.shard is not None
        }
        done = sum(map(len, settled))
        left_s = min(max(0.0, self._left_s), self._dealer.left_s(now_s))
        self._draw(f"{done} of {total} cases", left_s, done / max(1, total), known)

    def _draw(self, now: str, left_s: float, share: float, known: Mapping[str, str]) -> None:
        """Show how far it is, where that has changed: drawing disturbs what is measured here."""
        told, now_s = (now, dict(known)), self._clock()
        if told != self._told and (now_s >= self._next_tell_s or share >= 1.0):
            self._told, self._next_tell_s = told, now_s + TELL_S
            self._watch.update(now, left_s, share, known)

    def _lines(self, name: str) -> str:
        running = self._running.get(name)
        if running is None or running.copy is None:
            return "waits"
        return f"{max(0, running.copy.lines - 1)} lines"

    def _stop(self) -> None:
        """Let nodes stop what they do, and keep what they still say."""
        copies_open = [r.copy for r in self._running.values() if r.copy is not None]
        for running in self._running.values():
            running.handle.stop()
        end_s = self._clock() + STOP_S
        while self._running and self._clock() < end_s:
            for name, running in list(self._running.items()):
                self._take_all(name, running)
                if running.handle.over() is not None:
                    del self._running[name]
            self._wait(POLL_S)
        for copy in copies_open:
            copy.close()


class NotReached:
    """A request that did not even begin."""

    def __init__(self, why: str) -> None:
        self._why = why

    def messages(self) -> list[Message]:
        """Return nothing."""
        return []

    def over(self) -> str:
        """Return why."""
        return self._why

    def stop(self) -> None:
        """There is nothing to stop."""


def kind_name(environment: Mapping[str, Any], code: str) -> str:
    """Return what nodes have in common whose times may be compared, as the name of a folder."""
    equal = lasting(environment) | {"code": code}
    digest = hashlib.sha256(json.dumps(equal, sort_keys=True, default=str).encode())
    what = environment.get("accelerator") or f"{environment['cpu']} {environment['cores']} cores"
    return f"{_slug(str(what).partition(';')[0])}-{digest.hexdigest()[:6]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
