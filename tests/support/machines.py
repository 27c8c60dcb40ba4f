"""Simulated machines: a `Launcher` without processes or clocks, and what machines do to times."""

import math
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.engine import replicate as engine_replicate
from bench.engine.orders import orders
from bench.engine.plan import Plan
from bench.engine.rounds import Rounds
from bench.engine.scheduler import Engine
from bench.engine.stopping import HalfWidth
from bench.machine import contention
from bench.schema.journal import Entries, Journal
from bench.schema.recipe import Recipe
from bench.schema.records import CaseResult, Finding, Replicate
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Task
from bench.selftest.slowdown import Work
from tests.support.factories import CALM, case, facts, finding, replicate, rounds

TWO = (case(), case(batch_size=2))

TRUE_S = {"fpn": 0.05, "panet": 0.075}
SLOWDOWN_PER_CHANNEL = 1e-4
"""Of the time of ``panet``."""


@dataclass(frozen=True)
class Noise:
    """What a machine does to the duration of a call; standard deviations are of logarithms."""

    round_sd: float = 0.0
    process_sd: float = 0.0
    """Of each network in each process, for as long as it lives."""
    server_sd: float = 0.0
    drift: float = 0.0
    """Slow swing of the whole machine."""
    burst_share: float = 0.0
    """Of the calls that take up to twice as long."""
    slow_mode: float = 0.0
    """What a network loses in one process of four, whose memory lies badly."""
    first_in_round: float = 0.0
    """What the first call of a round loses: others have emptied its caches."""
    seed: int = 0

    def rounds(self, task: ReplicateTask, start_s: float) -> dict[str, list[float]]:
        """Return the rounds of a replicate that starts at a second of the simulated clock."""
        return _rounds(self, task, start_s)


def _rounds(noise: Noise, task: ReplicateTask, start_s: float) -> dict[str, list[float]]:
    run = (noise.seed, task.seed, task.server)
    one = np.random.default_rng([*run, task.index, zlib.crc32(task.case.case_id.encode())])
    server = np.random.default_rng(run)
    shift = {
        arm: server.normal(0, noise.server_sd)
        + one.normal(0, noise.process_sd)
        + noise.slow_mode * (one.random() < 0.25)
        for arm in task.arms
    }
    true = {arm: true_s(recipe) for arm, recipe in task.arms.items()}
    if not noise.drift and not noise.first_in_round:  # then the turns make no difference
        size = (len(task.arms), task.rounds)
        logs = one.normal(0, noise.round_sd, size)
        slower = 1 + one.random(size) * (one.random(size) < noise.burst_share)
        return {
            arm: (true[arm] * np.exp(shift[arm] + logs[i]) * slower[i]).tolist()
            for i, arm in enumerate(task.arms)
        }
    seed = f"{task.seed}-{task.case.case_id}"
    turns = orders(tuple(task.arms), seed, task.first_round, task.rounds)
    now_s = start_s
    measured: dict[str, list[float]] = {arm: [] for arm in task.arms}
    jitter = iter(one.normal(0, noise.round_sd, len(turns) * len(task.arms)).tolist())
    for turn in turns:
        for place, arm in enumerate(turn):
            log = shift[arm] + noise.drift * math.sin(now_s / 9) + next(jitter)
            elapsed_s = true[arm] * math.exp(log + noise.first_in_round * (place == 0))
            now_s += elapsed_s
            measured[arm].append(elapsed_s)
    return measured


@dataclass(frozen=True)
class Stages:
    """How calls are split by marks on a simulated machine."""

    shares: dict[str, float]
    """Stage -> share of a call, of every network; they add up to 1."""
    slower: dict[str, dict[str, float]] = field(default_factory=dict)
    """Text of a recipe -> stage -> how many times as long it takes there (0: it is not there)."""
    sd: float = 0.01
    """Of a stage in each process, of the logarithm."""

    def split(
        self, task: ReplicateTask, rounds_s: dict[str, list[float]]
    ) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
        """Return calls, and their spans, which add up to them."""
        seed = [task.seed, task.index, zlib.crc32(task.case.case_id.encode())]
        generator = np.random.default_rng(seed)
        spans_s = {}
        for arm, recipe in task.arms.items():
            slower = self.slower.get(str(recipe), {})
            spans_s[arm] = {
                stage: [x * share * slower.get(stage, 1.0) * factor for x in rounds_s[arm]]
                for stage, share in self.shares.items()
                for factor in [math.exp(generator.normal(0, self.sd))]
                if slower.get(stage, 1.0)
            }
        calls_s = {
            arm: [sum(spans) for spans in zip(*by_stage.values(), strict=True)]
            for arm, by_stage in spans_s.items()
        }
        return calls_s, spans_s


def true_s(recipe: Recipe) -> float:
    """Return what a network takes; 500 channels of work take 5 % of ``panet``."""
    channels = Work.parse(recipe.slowdown).channels if recipe.slowdown else 0
    extra_s = TRUE_S["panet"] * channels * SLOWDOWN_PER_CHANNEL
    if recipe.network.endswith(":KEPT_NETWORK"):
        return TRUE_S["panet"]
    if recipe.network.endswith(":WORK_ALONE"):
        return extra_s
    network = str(Recipe(recipe.network, recipe.side))
    return TRUE_S.get(network, TRUE_S.get(recipe.network, TRUE_S["panet"])) + extra_s


class Machine:
    """A `Launcher` whose processes take simulated seconds and give simulated rounds.

    Args:
        spread: of the log ratio between processes.
        busy: whether the machine is contended during the n-th replicate of all.
        fails: what becomes of a task, instead of a result.
        seconds: how long a task takes.
        noise: makes the rounds, where ``spread`` is too simple.
        stages: splits the calls; without, they are whole.
    """

    def __init__(
        self,
        spread: float = 0.0,
        busy: Callable[[int], bool] = lambda _: False,
        fails: Callable[[Any], Failure | None] = lambda _: None,
        seconds: Callable[[Any], float] = lambda _: 2.0,
        noise: Noise | None = None,
        stages: Stages | None = None,
    ) -> None:
        self.now_s = 0.0
        self.tasks: list[Any] = []
        self.closed = False
        self._spread = spread
        self._busy = busy
        self._fails = fails
        self._seconds = seconds
        self._noise = noise
        self._stages = stages
        self._random = random.Random(1)

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        start_s, elapsed_s = self.now_s, self._seconds(task)
        self.now_s += elapsed_s
        replicates = len(self.replicate_tasks)
        self.tasks.append(task)
        failure = self._fails(task)
        if failure is not None:
            return failure
        if isinstance(task, CheckTask):
            return finding(facts={arm: facts() for arm in task.arms})
        assert isinstance(task, ReplicateTask)
        rounds_s = self._rounds(task, start_s)
        spans_s: dict[str, dict[str, list[float]]] = {}
        if self._stages is not None:
            rounds_s, spans_s = self._stages.split(task, rounds_s)
        return replicate(
            task.index,
            server=task.server,
            first_round=task.first_round,
            rounds_s=rounds_s,
            spans_s=spans_s,
            elapsed_s=elapsed_s,
            contended=self._busy(replicates),
        )

    def close(self) -> None:
        self.closed = True

    def indices(self, case_id: str) -> list[int]:
        return [t.index for t in self.replicate_tasks if t.case.case_id == case_id]

    @property
    def replicate_tasks(self) -> list[ReplicateTask]:
        return [task for task in self.tasks if isinstance(task, ReplicateTask)]

    def _rounds(self, task: ReplicateTask, start_s: float) -> dict[str, list[float]]:
        if self._noise is not None:
            return self._noise.rounds(task, start_s)
        return rounds(1.5 * (1 + self._random.gauss(0, self._spread)), count=task.rounds)


class Calls:
    """Stands in for the clocked rounds of a replicate: every call takes a second, some wait.

    Args:
        busy: whether the n-th call of an arm waits for a CPU as long as it takes.
    """

    def __init__(self, busy: Callable[[str, int], bool]) -> None:
        self._busy = busy
        self._count: Counter[str] = Counter()

    def __call__(self, arms: Mapping[str, Any], turns: Any, **_: object) -> Rounds:
        waited_s: dict[str, list[float]] = {arm: [] for arm in arms}
        took_s: dict[str, list[float]] = {arm: [] for arm in arms}
        for arm in turns(waited_s, took_s):
            waited_s[arm].append(float(self._busy(arm, self._count[arm])))
            took_s[arm].append(1.0)
            self._count[arm] += 1
        spans_s = {
            arm: {"fpn p2 smooth": took_s[arm], "panet n3 fuse": took_s[arm]}
            for arm in {"panet"} & set(arms)
        }
        out = tuple(contention.disturbed(waited_s, took_s, threads=2))
        return Rounds(took_s, None, None, spans_s, out)


def simulate_calls(monkeypatch: pytest.MonkeyPatch, busy: Callable[[str, int], bool]) -> None:
    """Let replicates run without networks and clocks, on a machine that is busy now and then."""
    monkeypatch.setattr(engine_replicate, "_clocked", Calls(busy))
    monkeypatch.setattr(engine_replicate, "make_inputs", lambda _: (None, None))
    monkeypatch.setattr(engine_replicate, "warm_up", lambda *_: None)
    monkeypatch.setattr(engine_replicate, "build_arms", lambda task, *_, **__: dict(task.arms))
    monkeypatch.setattr(contention, "read", lambda _: None)
    monkeypatch.setattr(contention, "between", lambda *_: CALM)


class Silent:
    def update(
        self, now: str, left_s: float, share_done: float, known: Mapping[str, str] | None = None
    ) -> None:
        assert now
        assert left_s >= 0
        assert 0 <= share_done <= 1


class Forgetful(Journal):
    """A journal that writes nothing: thousands of simulated runs need none."""

    def __init__(self) -> None: ...

    def add_finding(self, case_id: str, finding: Finding) -> None: ...

    def add_replicate(self, case_id: str, replicate: Replicate) -> None: ...

    def close(self) -> None: ...


def plan(**values: Any) -> Plan:
    """Return a plan with neutral defaults."""
    defaults: dict[str, Any] = {
        "cases": TWO,
        "budget_s": 10_000.0,
        "timeout_s": 100.0,
        "seed": 0,
        "images_dir": None,
        "scratch_dir": "",
    }
    return Plan(**(defaults | values))


def engine(
    machine: Machine, log: Journal | None = None, entries: Entries | None = None, **values: Any
) -> Engine:
    """Return an engine on a simulated machine."""
    journal = log or Forgetful()
    return Engine(plan(**values), machine, journal, lambda: machine.now_s, Silent(), entries)


def measured(
    machine: Machine,
    log: Journal | None = None,
    entries: Entries | None = None,
    half_width: float = 0.02,
    **values: Any,
) -> list[CaseResult]:
    """Measure cases on a simulated machine until their intervals are so narrow."""
    return engine(machine, log, entries, **values).run(HalfWidth(half_width))


def journal_in(folder: Path, entries: Entries | None) -> Journal:
    """Return the journal of a simulated run, new or gone on with."""
    if entries:
        return Journal.reopen(folder)
    return Journal.create(folder, {"simulated": True})
