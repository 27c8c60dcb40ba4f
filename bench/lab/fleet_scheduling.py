"""How near a fleet's makespan comes to what is possible: the scheduler on a simulated clock.

Machines differ in speed, forecasts are wrong, shards take time to start, some nodes are late or
die. Only the time is simulated; `bench.fleet.scheduling` is the real one, and its CPU time and
memory are measured.
"""

import heapq
import random
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.fleet.queues import Shard
from bench.fleet.scheduling import START_S, Scheduler

TYPICAL_S, SPREAD = 25.0, 0.8
"""Of a case: the median, and the standard deviation of the logarithm."""

WRONG = 0.4
"""Standard deviation of the logarithm of what a case takes over its forecast."""

SPEEDS = 0.15
"""The same of how fast nodes are."""

SIZES = ((1, 500), (10, 2_000), (100, 20_000), (1_000, 100_000))
"""Nodes and cases."""


@dataclass(frozen=True)
class Simulated:
    """What came of a fleet."""

    nodes: int
    cases: int
    makespan_s: float
    bound_s: float
    """What nobody could go below: all work over all speed, or the longest case."""
    shards: int
    done: int
    given_up: int
    measured: int
    """Ends of cases, of which a case that was begun anew has one."""
    cpu_s: float
    """Of the scheduler and of the simulation."""
    peak_bytes: int | None


def simulate(
    nodes: int,
    cases: int,
    late: float = 0.0,
    dying: float = 0.0,
    *,
    seed: int = 0,
    memory: bool = False,
) -> Simulated:
    """Let nodes of one kind measure cases.

    Args:
        nodes: how many.
        cases: how many.
        late: share of nodes that are four times as slow as they should be.
        dying: share of nodes that die in one of their shards and do not come back; never the first.
        seed: of all that is drawn.
        memory: whether the peak is measured, which takes several times as long.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    forecast_s = {f"case-{i:06d}": TYPICAL_S * draw.lognormvariate(0, SPREAD) for i in range(cases)}
    true_s = {case: s * draw.lognormvariate(0, WRONG) for case, s in forecast_s.items()}
    speeds = {f"node-{i}": draw.lognormvariate(0, SPEEDS) for i in range(nodes)}
    slow = set(draw.sample(list(speeds), round(late * nodes)))
    speeds = {n: speed / (4 if n in slow else 1) for n, speed in speeds.items()}
    mortal = draw.sample(list(speeds)[1:], min(nodes - 1, round(dying * nodes)))
    lives = {n: draw.randrange(3) for n in mortal}
    whole_s = sum(true_s.values()) / sum(speeds.values())
    if memory:
        tracemalloc.start()
    begun_s = time.process_time()
    clock = _Clock(forecast_s, true_s, speeds, lives)
    clock.run()
    cpu_s = time.process_time() - begun_s
    peak = tracemalloc.get_traced_memory()[1] if memory else None
    if memory:
        tracemalloc.stop()
    scheduler = clock.scheduler
    return Simulated(
        nodes,
        cases,
        clock.now_s,
        max(whole_s, max(true_s.values()) / max(speeds.values())),
        clock.shards,
        len(scheduler.done[KIND]),
        len(scheduler.given_up[KIND]),
        clock.measured,
        cpu_s,
        peak,
    )


KIND = "kind"


class _Clock:
    """The simulated time of a fleet: what ends next.

    Args:
        forecast_s: of every case.
        true_s: what it takes at a speed of 1, however often.
        speeds: of every node.
        lives: node that dies -> shards that it measures before.
    """

    def __init__(
        self,
        forecast_s: Mapping[str, float],
        true_s: Mapping[str, float],
        speeds: Mapping[str, float],
        lives: Mapping[str, int],
    ) -> None:
        self.now_s, self.shards, self.measured = 0.0, 0, 0
        self._true_s, self._speeds = true_s, speeds
        self._lives = dict(lives)
        self._events: list[tuple[float, str]] = []
        self.scheduler = Scheduler()
        self.scheduler.add_kind(KIND, forecast_s)
        for name in speeds:
            self.scheduler.join(name, KIND)

    def run(self) -> None:
        """Let it end."""
        self._assign()
        while self._events:
            self.now_s, name = heapq.heappop(self._events)
            node = self.scheduler.nodes[name]
            if node.shard is not None and not node.waiting:
                self._end(name, node.shard)
            self._assign()

    def _end(self, name: str, shard: Shard) -> None:
        if self._lives.get(name) != 0:
            self._lives[name] = self._lives.get(name, -1) - 1
            self.shards += 1
            self.measured += len(shard.cases)
            self.scheduler.ended(name, self.now_s)
        elif self.scheduler.broke(name, self.now_s):
            heapq.heappush(self._events, (self.scheduler.nodes[name].since_s, name))
        else:
            self.scheduler.give_back(name, (), "it died", gone=True)

    def _assign(self) -> None:
        for given in self.scheduler.assign(self.now_s):
            work_s = START_S + sum(self._true_s[case] for case in given.shard.cases)
            event = self.now_s + work_s / self._speeds[given.node], given.node
            heapq.heappush(self._events, event)


def table() -> Iterator[str]:
    """Yield a line of Markdown for every size, calm, with late nodes, and with dying ones."""
    yield "| nodes | cases | fleet | makespan | over the bound | shards | CPU | peak of memory |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    fleets = (("calm", 0.0, 0.0), ("a tenth late", 0.1, 0.0), ("a tenth dies", 0.0, 0.1))
    for nodes, cases in SIZES:
        for name, late, dying in fleets if nodes > 1 else fleets[:1]:
            found = simulate(nodes, cases, late, dying)
            peak = simulate(nodes, cases, late, dying, memory=True).peak_bytes or 0
            yield (
                f"| {nodes:,} | {cases:,} | {name} | {found.makespan_s / 3600:.2f} h | "
                f"{found.makespan_s / found.bound_s:.3f} | {found.shards:,} | "
                f"{found.cpu_s:.1f} s | {peak / 2**20:.0f} MiB |"
            )
