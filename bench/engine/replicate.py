"""The rounds of one fresh process: build, warm up, take turns, and say what the machine did."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from bench.engine.orders import orders
from bench.engine.rounds import Rounds, Turns, run_rounds, warm_up
from bench.engine.turn_token import Baton
from bench.machine import contention, gpu
from bench.machine.contention import Waiting
from bench.machine.environment import usable_cores
from bench.schema.records import Replicate, calls_in, without
from bench.schema.tasks import ReplicateTask
from bench.workload.arms import Arm, build_arms
from bench.workload.compilation import FirstCall, first_calls
from bench.workload.compiler_cache import compiler_cache
from bench.workload.exported import WEIGHTS, weights_read_s
from bench.workload.inputs import make_inputs

STRETCH = 3
"""A replicate takes so many times its rounds at most, until enough of them are undisturbed."""

Calls = Mapping[str, Sequence[float]]
"""Arm -> seconds of each."""


@dataclass(frozen=True)
class Undisturbed:
    """Turns until enough rounds were undisturbed.

    Whether to go on depends on the machine alone, so it selects no times.
    """

    orders: Sequence[Sequence[str]]
    wanted: int
    """Undisturbed rounds."""
    threads: int
    least: int = 0
    """Rounds in any case."""

    def turns(self, waited_s: Calls, rounds_s: Calls) -> Iterator[str]:
        """Yield whose turn it is, round by round."""
        left = self.wanted
        for count, order in enumerate(self.orders, start=1):
            yield from order
            left -= not self._last_disturbed(waited_s, rounds_s)
            if left <= 0 and count >= self.least:
                return

    def turns_among(self, baton: Baton) -> Turns:
        """Return the turns of one process of several, all of which must have been undisturbed."""

        def turns(waited_s: Calls, rounds_s: Calls) -> Iterator[str]:
            def was_disturbed() -> bool:
                return self._last_disturbed(waited_s, rounds_s)

            return baton.own_turns(self.orders, self.wanted, self.least, was_disturbed)

        return turns

    def _last_disturbed(self, waited_s: Calls, rounds_s: Calls) -> bool:
        waited = {arm: calls[-1:] for arm, calls in waited_s.items()}
        took = {arm: calls[-1:] for arm, calls in rounds_s.items()}
        return bool(contention.disturbed(waited, took, self.threads))


def replicate(task: ReplicateTask) -> dict[str, Any]:
    """Measure a replicate."""
    start_s = time.perf_counter()
    own = task.own or tuple(task.arms)
    mine = task.in_way_of(own)
    case = mine.case
    device = torch.device(case.device)
    inputs, _ = make_inputs(mine)
    before_bytes = _resident_bytes() if task.start_up else 0
    compiled = not case.eager
    arms = build_arms(mine, inputs, compiled=compiled, index=task.index, marked=True)
    loaded_s = _loaded_s(mine, arms) if task.start_up else {}
    first = first_calls(mine, arms) if compiled or task.start_up else {}
    warm_up(arms, device)
    seed = f"{task.seed}-{task.case.case_id}"
    balanced = task.order == "balanced"
    most = task.rounds * (STRETCH if balanced else 1)
    turns = orders(tuple(task.arms), seed, task.first_round, most, task.order)
    clocked = functools.partial(_clocked, device=device, threads=case.threads)
    with Baton(own, task.inboxes, task.board) as baton:
        baton.wait_for_all(turns)
        # Beside calls that need no partner, rounds are for the residual alone: nobody waits for it.
        wanted = 0 if task.more else task.rounds
        calm = Undisturbed(turns, wanted, case.threads, least=task.rounds)
        if task.inboxes:
            taken = calm.turns_among(baton)
        else:
            taken = calm.turns if balanced else lambda *_: itertools.chain.from_iterable(turns)
        card = gpu.read(device)
        before = contention.read(card)
        rounds = clocked(arms, taken)
        undisturbed = len(rounds.wall_s[own[0]]) - len(rounds.disturbed)
        lacking = contention.MIN_UNDISTURBED - undisturbed  # of a slow case every round may be lost
        more = {
            arm: _more(clocked, {arm: arms[arm]}, max(count, lacking), case.threads)
            for arm, count in task.more.items()
        }
        card = gpu.read(device, card.at_us if card else 0)
        load = contention.between(before, contention.read(card))
    further: dict[str, Any] = {}
    if task.start_up:
        further["resident_bytes"] = dict.fromkeys(own, _resident_bytes() - before_bytes)
        further["waiting_cpu"] = dict.fromkeys(own, baton.waiting_cpu)
    undisturbed += sum(map(calls_in, more.values()))
    return Replicate(
        index=task.index,
        server=task.server,
        first_round=task.first_round,
        rounds_s=rounds.wall_s,
        device_rounds_s=rounds.device_s,
        launch_rounds_s=rounds.launch_s,
        spans_s=rounds.spans_s,
        more_spans_s=more,
        disturbed=rounds.disturbed,
        compile_s={arm: _ready_s(arms[arm], call, loaded_s) for arm, call in first.items()} or None,
        elapsed_s=time.perf_counter() - start_s,
        load=load,
        contended=contention.contended(load, case.threads, usable_cores(), undisturbed),
        **further,
    ).to_json()


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _loaded_s(task: ReplicateTask, arms: Mapping[str, Arm]) -> dict[str, float]:
    """Return what reading their weights takes the arms that torch runs; runtimes tell theirs."""
    return {
        name: weights_read_s(arm.network, compiler_cache(task, name) / WEIGHTS)
        for name, arm in arms.items()
        if arm.exported is None
    }


def _ready_s(arm: Arm, first: FirstCall, loaded_s: Mapping[str, float]) -> float:
    """Return how long it took until the first call was back."""
    load_s = loaded_s.get(arm.name, 0.0) if arm.exported is None else arm.exported.load_s
    return load_s + first.seconds


def _clocked(arms: Mapping[str, Arm], turns: Turns, device: torch.device, threads: int) -> Rounds:
    # More threads than cores wait for each other, and that is nobody's disturbance.
    waiting = Waiting() if threads <= usable_cores() else None
    return run_rounds(arms, turns, device, threads, waiting=waiting)


def _more(
    clocked: Callable[[Mapping[str, Arm], Turns], Rounds],
    arm: Mapping[str, Arm],
    count: int,
    threads: int,
) -> dict[str, list[float]]:
    """Return the spans of so many undisturbed calls of one arm."""
    calls = [tuple(arm)] * (count * STRETCH)
    rounds = clocked(arm, Undisturbed(calls, count, threads).turns)
    (spans_s,) = rounds.spans_s.values()
    return without(rounds.disturbed, spans_s)
