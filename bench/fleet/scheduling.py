"""Who measures what next: a pure function of forecasts, of what nodes do, and of the time.

Cases wait in one queue per kind, and belong to no node before they begin: a late one is given fewer
of them.

A shard that breaks goes on where it was, some times. Then its node is left alone, and what it has
not finished is begun anew by others of the kind, every case in a shard of its own: whatever breaks
nodes is then alone, too, and given up in the end. A case that crashes is tried by others as well:
a node whose accelerator is lost is the fastest of all.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.fleet.queues import Pace, Queue, Shard

START_S = 12.0
"""Of a shard: pytest, torch, and a fork server; for the time that is left."""

ATTEMPTS = 3
"""Of a shard on its node."""

NODES = 3
"""That a case may break, or crash on."""

WAITS_S = (90.0, 120.0)
"""Before a shard goes on where it broke: a measurement that hears nobody any more has ended then
(`bench.fleet.node.SILENCE_S`, and `LEAVE_S` to stop)."""

BUDGET_SPENT = "the budget was spent before this case; raise --budget"
"""Why nobody has begun a case; as in a run on one machine."""


@dataclass
class Node:
    """What measures one shard at a time."""

    name: str
    kind: str
    shard: Shard | None = None
    since_s: float = 0.0
    """When the attempt under way began, or is to begin."""
    waiting: bool = False
    """Whether it is to begin."""
    gone: bool = False
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True)
class Assignment:
    """A node is to begin a shard, or to go on with it."""

    node: str
    shard: Shard


class Scheduler:
    """Gives the cases of all kinds to nodes.

    Args:
        first: number of the first shard; those before it are of an earlier sitting.
    """

    def __init__(self, first: int = 0) -> None:
        self.nodes: dict[str, Node] = {}
        self.done: dict[str, set[str]] = {}
        """Kind -> cases that need nothing more."""
        self.given_up: dict[str, dict[str, str]] = {}
        """Kind -> case -> why nobody measures it."""
        self._queues: dict[str, Queue] = {}
        self._broke: Counter[tuple[str, str]] = Counter()
        self._crashed: dict[tuple[str, str], dict[str, str]] = {}
        """Kind and case -> node on which it crashes -> why."""
        self._alive: Counter[str] = Counter()
        self._idle: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._numbers = itertools.count(first)

    def add_kind(self, kind: str, seconds: Mapping[str, float]) -> None:
        """Let a kind have cases: id -> forecast; what is known already is left out."""
        self._queues[kind] = Queue(seconds)
        self.done.setdefault(kind, set())
        self.given_up.setdefault(kind, {})

    def join(self, name: str, kind: str, shard: Shard | None = None, now_s: float = 0.0) -> None:
        """Let a node take part, perhaps with a shard that it began in an earlier sitting."""
        self.nodes[name] = node = Node(name, kind)
        self._alive[kind] += 1
        if shard is None:
            self._idle[name] = None
            return
        self._queues[kind].take_out(shard.cases)
        node.shard, node.waiting, node.since_s = shard, True, now_s
        self._waiting[name] = None

    def settle(self, kind: str, cases: Iterable[str]) -> None:
        """Hear that cases need nothing more, as of an earlier sitting."""
        known = set(cases)
        self._queues[kind].take_out(known)
        self.done[kind] |= known

    def assign(self, now_s: float) -> Iterator[Assignment]:
        """Yield what is to begin now."""
        for name in list(self._waiting):
            node = self.nodes[name]
            if node.since_s <= now_s and node.shard is not None:
                node.waiting, node.since_s = False, now_s
                del self._waiting[name]
                yield Assignment(name, node.shard)
        for name in list(self._idle):
            node = self.nodes[name]
            shard = self._next(node)
            if shard is not None:
                node.shard, node.since_s = shard, now_s
                del self._idle[name]
                yield Assignment(name, shard)

    def crashed(self, name: str, cases: Mapping[str, str]) -> set[str]:
        """Hear which cases crash on a node; return those that others of its kind are to try.

        Args:
            name: of the node.
            cases: their ids, and why.
        """
        node = self.nodes[name]
        others = {n.name for n in self.nodes.values() if n.kind == node.kind and not n.gone}
        again = set()
        for case, why in cases.items():
            known = self._crashed.setdefault((node.kind, case), {})
            known[name] = why
            if len(known) < NODES and others - known.keys():
                again.add(case)
        return again

    def ended(
        self, name: str, now_s: float, again: Collection[str] = (), *, gone: bool = False
    ) -> None:
        """Hear that a node has measured its shard.

        Args:
            name: of the node.
            now_s: when.
            again: cases of the shard that others are to try; see `crashed`.
            gone: whether the node is left alone from now on.
        """
        node, queue = self.nodes[name], self._queues[self.nodes[name].kind]
        shard = node.shard
        self._free(node)
        if gone:
            self._leave_alone(node)
        if shard is None:
            return
        self.done[node.kind].update(case for case in shard.cases if case not in again)
        queue.put_alone(case for case in shard.cases if case in again)
        if shard.whole and not again:
            for pace in (node.pace, queue.pace):
                pace.add(shard.forecast_s, now_s - node.since_s)

    def broke(self, name: str, now_s: float, *, counts: bool = True) -> bool:
        """Hear that a shard ended before it was done; return whether it goes on where it was.

        Args:
            name: of the node.
            now_s: when.
            counts: whether that was an attempt.
        """
        node = self.nodes[name]
        if node.shard is None or (counts and node.shard.attempts + 1 >= ATTEMPTS):
            return False
        node.since_s = now_s + WAITS_S[min(node.shard.attempts, len(WAITS_S) - 1)]
        node.shard.attempts += counts
        node.shard.whole = False
        node.waiting = True
        self._waiting[name] = None
        return True

    def give_back(self, name: str, complete: Collection[str], why: str, *, gone: bool) -> None:
        """Take from a node the shard that it has, if any.

        Args:
            name: of the node.
            complete: cases of the shard that need nothing more.
            why: for those that are given up.
            gone: whether the node is left alone from now on.
        """
        node = self.nodes[name]
        shard, queue = node.shard, self._queues[node.kind]
        self._free(node)
        if gone:
            self._leave_alone(node)
        for case in shard.cases if shard is not None else ():
            key = node.kind, case
            self._broke[key] += 1
            if case in complete:
                self.done[node.kind].add(case)
            elif self._broke[key] >= NODES:
                self.given_up[node.kind][case] = why
            else:
                queue.put_alone([case])

    def give_up_where_nobody_is(self, why: str) -> None:
        """Give up what no node is left for, or only nodes on which it crashes."""
        for kind, queue in self._queues.items():
            if not self._alive[kind]:
                self._give_up(kind, why)
                continue
            crashes = {case: self._crashed.get((kind, case), {}) for case in queue.alone}
            if not any(crashes.values()):
                continue
            alive = {n.name for n in self.nodes.values() if n.kind == kind and not n.gone}
            for case, known in crashes.items():
                if alive <= known.keys():
                    queue.take_out([case])
                    self.given_up[kind][case] = "; ".join(f"{n}: {w}" for n, w in known.items())

    def end(self, why: str) -> None:
        """Begin nothing more: give up what waits."""
        for kind in self._queues:
            self._give_up(kind, why)

    @property
    def finished(self) -> bool:
        """Whether nothing waits and nothing runs."""
        measuring = any(node.shard for node in self.nodes.values())
        return not measuring and all(queue.empty for queue in self._queues.values())

    def left_s(self, now_s: float) -> float:
        """Return about how long it takes until all have ended."""
        return max((self._left_s(kind, now_s) for kind in self._queues), default=0.0)

    def budget_s(self, shard: Shard, kind: str, left_s: float) -> float:
        """Return a shard's part of the time that is left to all: it may take what others spare.

        Args:
            shard: that a node was just given.
            kind: of its node.
            left_s: of the whole run.
        """
        waiting_s = self._queues[kind].left_s + shard.forecast_s
        fair = left_s * max(1, self._alive[kind]) * shard.forecast_s / max(waiting_s, 1e-9)
        return max(min(left_s, fair), 1e-3)

    def _left_s(self, kind: str, now_s: float) -> float:
        queue = self._queues[kind]
        pace = queue.pace
        slower = pace.busy_s / pace.done_s if pace.done_s else 1.0  # than was forecast
        nodes = [node for node in self.nodes.values() if node.kind == kind and not node.gone]
        running_s = [
            max(0.0, node.since_s + START_S + slower * node.shard.forecast_s - now_s)
            for node in nodes
            if node.shard
        ]
        equal_s = (slower * queue.left_s + sum(running_s)) / max(1, len(nodes))
        return max(equal_s, *running_s, 0.0)

    def _next(self, node: Node) -> Shard | None:
        queue = self._queues[node.kind]
        if queue.empty:
            return None

        def may(case: str) -> bool:
            return node.name not in self._crashed.get((node.kind, case), ())

        cases = queue.take(node.pace, max(1, self._alive[node.kind]), may)
        if not cases:
            return None
        return Shard(f"{next(self._numbers):05d}", cases, queue.forecast_s(cases))

    def _free(self, node: Node) -> None:
        node.shard, node.waiting = None, False
        self._waiting.pop(node.name, None)
        self._idle[node.name] = None

    def _leave_alone(self, node: Node) -> None:
        if not node.gone:
            node.gone = True
            self._alive[node.kind] -= 1
        self._idle.pop(node.name, None)

    def _give_up(self, kind: str, why: str) -> None:
        left = self._queues[kind].cases
        self._queues[kind].take_out(left)
        self.given_up[kind].update(dict.fromkeys(left, why))
