"""``--energy``: joules per image of both networks, behind the timing.

Every replicate is a fresh process: idle, FPN, FPN + PANet twice, FPN, idle. In a block one arm is
called back to back, and the device is waited for at both ends alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from tabulate import tabulate

from bench.engine.launcher import Launcher
from bench.engine.rounds import warm_up
from bench.machine import contention, gpu
from bench.machine.clock import Clock, Synchronize, synchronizer, wall_s
from bench.machine.contention import Reading
from bench.machine.energy import Counter, counter_of
from bench.machine.environment import usable_cores
from bench.schema.case import Case
from bench.schema.energy import Block, CaseEnergy, EnergyReplicate
from bench.schema.errors import BenchError
from bench.schema.journal import Journal
from bench.schema.recipe import COST_ARMS, TRACED_ARMS, Arms
from bench.schema.records import Status
from bench.schema.tasks import Failure, Task
from bench.stats.energy import HEADS, shown
from bench.workload.arms import Arm, build_arms
from bench.workload.compilation import first_calls
from bench.workload.inputs import make_inputs

NAME = "energy"

HELP = "measure joules per image as well, where the device counts them"

BLOCK_S, SETTLE_S, IDLE_S = 10.0, 2.0, 5.0
"""NVML's counter is new every 0.1 s, 1 % of a block, and some cards look at their power for a
quarter of the time. Before the first block the clocks leave their idle state."""

REPLICATES = 4
"""Of a case, that count; with as many contended ones it stays so."""

REPLICATE_S = 4 * BLOCK_S + SETTLE_S + 2 * IDLE_S

BUSY = "the machine was busy with something else all the time; run again when it is calm"


@dataclass(frozen=True, kw_only=True)
class EnergyTask(Task[EnergyReplicate]):
    """Run the blocks of a replicate."""

    handler: ClassVar[str] = "bench.run.energy:measure_replicate"

    arms: Arms = field(default_factory=lambda: {arm: COST_ARMS[arm] for arm in TRACED_ARMS})
    index: int = 0
    """Of the replicate within its case."""

    def result(self, data: Any) -> EnergyReplicate:  # noqa: ANN401
        """Return the replicate."""
        return EnergyReplicate.from_json(data)


@dataclass(frozen=True)
class Meter:
    """Measures blocks; all that it reads is handed in."""

    case: Case
    counter: Counter
    look: Callable[[Reading | None], Reading]
    """At the machine, and what it did since an earlier look."""
    synchronize: Synchronize
    clock: Clock = wall_s
    wait: Callable[[float], None] = time.sleep

    def replicate(self, first: Arm, second: Arm) -> EnergyReplicate:
        """Return the blocks of two arms as ABBA, and an idle one before and after them."""
        before = self._block(None)
        self._call(first, SETTLE_S)
        turns = [self._block(arm) for arm in (first, second, second, first)]
        return EnergyReplicate(self.counter.method, (before, *turns, self._block(None)))

    def _block(self, arm: Arm | None) -> Block:
        before, start_j, start_s = self.look(None), self.counter.read_j(), self.clock()
        if arm is None:
            self.wait(IDLE_S)
        images = self._call(arm, BLOCK_S) if arm is not None else 0
        end_s, end_j = self.clock(), self.counter.read_j()
        load = contention.between(before, self.look(before))
        return Block(
            arm=arm.name if arm is not None else "",
            images=images,
            elapsed_s=end_s - start_s,
            joules=self.counter.between_j(start_j, end_j),
            contended=self.counter.disturbed(load, self.case.threads, usable_cores()),
            **self.counter.around(load),
        )

    def _call(self, arm: Arm, seconds: float) -> int:
        """Call an arm back to back; return how many images it got."""
        calls, end_s = 0, self.clock() + seconds
        while self.clock() < end_s:
            arm.prepare()
            arm.call()
            calls += 1
        self.synchronize()
        return calls * self.case.batch_size


def measure_replicate(task: EnergyTask) -> dict[str, Any]:
    """Measure a replicate in a process of its own."""
    case, device = task.case, torch.device(task.case.device)
    counter = counter_of(device)
    inputs, _ = make_inputs(task)
    arms = build_arms(task, inputs, compiled=not case.eager, index=task.index)
    if not case.eager:
        first_calls(task, arms)
    warm_up(arms, device)

    def look(before: Reading | None) -> Reading:
        card = before and before.gpu
        return contention.read(gpu.read(device, card.at_us if card else 0))

    meter = Meter(case, counter, look, synchronizer(device))
    return meter.replicate(*(arms[arm] for arm in TRACED_ARMS)).to_json()


def measure(
    task: EnergyTask,
    log: Journal,
    launcher: Launcher,
    timeout_s: float,
    counter_for: Callable[[torch.device], Counter] = counter_of,
) -> CaseEnergy:
    """Measure what the case of a task lacks of its replicates, and store each in the run's log.

    A process has the time-out and, beside it, the time of its blocks.
    """
    case_id = task.case.case_id
    found = log.entries.energy.setdefault(case_id, [])
    try:
        if _lacks(found):
            counter_for(torch.device(task.case.device))
    except BenchError as error:
        return CaseEnergy(case_id, Status.SKIPPED, str(error), tuple(found))
    status, reason = Status.OK, ""
    while not reason and _lacks(found):
        outcome = launcher.run(replace(task, index=len(found)), timeout_s + REPLICATE_S)
        if isinstance(outcome, Failure):
            status, reason = outcome.status, outcome.reason
        else:
            log.add_energy(case_id, outcome)
            found.append(outcome)
    if not reason and all(one.contended for one in found):
        status, reason = Status.CONTENDED, BUSY
    return CaseEnergy(case_id, status, reason, tuple(found))


def _lacks(found: Sequence[EnergyReplicate]) -> bool:
    disturbed = [one.contended for one in found]
    return disturbed.count(False) < REPLICATES > disturbed.count(True)


def tables(cases: Sequence[CaseEnergy]) -> Iterator[str]:
    """Yield what every case takes, as text."""
    for line, rows in (shown(case) for case in cases if case.used):
        cells = tabulate(rows, HEADS, tablefmt="simple", disable_numparse=True)
        yield f"energy, {line}\n{cells}"
