"""The timed part: every arm once per round, in the order that was drawn for the round."""

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch

from bench.machine import contention
from bench.machine.clock import Clock, DeviceTimer, synchronized, synchronizer, wall_s
from bench.machine.contention import Waiting
from bench.workload.arms import Arm

WARMUP_S = 0.15
"""Rounds go untimed until this has passed: first calls create oneDNN's primitives."""

MIN_WARMUP_ROUNDS = {"cpu": 1}
"""A CPU settles within a call; elsewhere graphs are captured and kernels chosen first."""
OTHER_MIN_WARMUP_ROUNDS = 5


@dataclass(frozen=True)
class Rounds:
    """Seconds per arm, aligned round by round."""

    wall_s: dict[str, list[float]]
    device_s: dict[str, list[float]] | None
    """By events of the device's stream; `None` where calls are not asynchronous, as on the CPU."""
    launch_s: dict[str, list[float]] | None
    """Until the call came back, the device perhaps still working; `None` as above."""
    spans_s: dict[str, dict[str, list[float]]]
    """Arm -> stage -> its part of every round, for the arms whose calls are split."""
    disturbed: tuple[int, ...]
    """Rounds in which threads waited for a CPU (`bench.machine.contention`)."""


def warm_up(arms: Mapping[str, Arm], device: torch.device, clock: Clock = wall_s) -> int:
    """Run untimed rounds until the process has settled; return how many."""
    read_s = synchronized(clock, synchronizer(device))
    rounds, start_s = 0, read_s()
    while (
        rounds < MIN_WARMUP_ROUNDS.get(device.type, OTHER_MIN_WARMUP_ROUNDS)
        or read_s() - start_s < WARMUP_S
    ):
        for arm in arms.values():
            arm.prepare()
            arm.call()
        rounds += 1
    return rounds


Turns = Callable[[Mapping[str, list[float]], Mapping[str, list[float]]], Iterable[str]]
"""Gets what the calls of every arm waited and took so far, and tells whose turn is next."""


def run_rounds(
    arms: Mapping[str, Arm],
    turns: Turns,
    device: torch.device,
    threads: int,
    clock: Clock = wall_s,
    waiting: Waiting | None = None,
) -> Rounds:
    """Time one call per turn. The garbage collector waits: its pauses are nobody's cost.

    Args:
        arms: by name.
        turns: whose turn it is.
        device: that the arms run on.
        threads: of the case.
        clock: that the calls are timed by.
        waiting: what the calls waited for a CPU; not known without it.
    """
    read_s = synchronized(clock, synchronizer(device))
    timer = DeviceTimer(device)
    elapsed_s: dict[str, list[float]] = {arm: [] for arm in arms}
    launch_s: dict[str, list[float]] = {arm: [] for arm in arms}
    waited_s: dict[str, list[float]] = {arm: [] for arm in arms}
    events: dict[str, list[tuple[torch.Event, torch.Event]]] = {arm: [] for arm in arms}
    gc.collect()
    gc.disable()
    waiting = waiting or Waiting(None)
    waiting.begin()
    try:
        for name in turns(waited_s, elapsed_s):
            arm, marks = arms[name], arms[name].marks
            arm.prepare()
            waiting.lap_s()  # nobody's call: in processes of their own, the others have had theirs
            start = timer.mark()
            start_s = read_s()
            if marks is not None:
                marks.begin()
            outputs = arm.call()
            if marks is not None:
                marks.end()
            launched_s = clock()
            end = timer.mark()
            end_s = read_s()
            waited_s[name].append(waiting.lap_s())
            del outputs  # outside the clock, and before the next arm needs the memory
            if marks is not None:
                marks.keep()
            elapsed_s[name].append(end_s - start_s)
            launch_s[name].append(launched_s - start_s)
            if start is not None and end is not None:
                events[name].append((start, end))
    finally:
        waiting.close()
        gc.enable()
    spans_s = {name: arm.marks.spans_s() for name, arm in arms.items() if arm.marks is not None}
    out = tuple(contention.disturbed(waited_s, elapsed_s, threads))
    if not timer.available:
        return Rounds(elapsed_s, None, None, spans_s, out)
    device_s = {arm: [timer.between_s(*pair) for pair in pairs] for arm, pairs in events.items()}
    return Rounds(elapsed_s, device_s, launch_s, spans_s, out)
