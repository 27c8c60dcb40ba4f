"""Time is an argument: the timed part, on a clock that only the arms move."""

import gc
from collections.abc import Callable
from itertools import chain

import pytest
import torch

from bench.engine import rounds
from bench.engine.replicate import Undisturbed
from bench.machine.clock import synchronized, synchronizer
from bench.machine.contention import Waiting
from bench.schema.recipe import ARMS
from bench.workload.arms import Arm

CPU = torch.device("cpu")


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


def arm(name: str, call: Callable[[], object], prepare: Callable[[], None] = lambda: None) -> Arm:
    def run() -> tuple[torch.Tensor, ...]:
        call()
        return ()

    return Arm(name, torch.nn.Identity(), run, prepare)


def in_order(*names: str) -> rounds.Turns:
    return lambda *_: names


class Waits(Waiting):
    """A machine on which the n-th call waits so long, and the process so long in front of each."""

    def __init__(self, *waits_s: float, between_s: float = 0.0) -> None:
        super().__init__(None)
        self._waits_s = chain.from_iterable((between_s, wait_s) for wait_s in waits_s)

    def lap_s(self) -> float:
        return next(self._waits_s)


def test_rounds_in_which_a_call_waited_are_named() -> None:
    clock = FakeClock()
    arms = {name: arm(name, lambda: clock.pass_s(1.0)) for name in ("fpn", "panet")}
    turns = in_order(*["fpn", "panet"] * 3)
    # Of two threads and two seconds, five hundredths are 0.2 s.
    waits = Waits(0.0, 0.1, 0.15, 0.15, 0.19, 0.0)
    assert rounds.run_rounds(arms, turns, CPU, 2, clock, waits).disturbed == (1,)


def test_what_a_process_waits_between_its_calls_disturbs_none() -> None:
    """In processes of their own that is as long as all the others take."""
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(1.0))}
    waits = Waits(*[0.0] * 3, between_s=5.0)
    assert rounds.run_rounds(arms, in_order(*["fpn"] * 3), CPU, 2, clock, waits).disturbed == ()


def test_replicate_goes_on_until_enough_rounds_are_undisturbed() -> None:
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(1.0))}
    calm = Undisturbed([("fpn",)] * 9, wanted=3, threads=1)
    busy_at_first = Waits(*[0.5] * 4, *[0.0] * 5)
    found = rounds.run_rounds(arms, calm.turns, CPU, 1, clock, busy_at_first)
    assert len(found.wall_s["fpn"]) == 7
    assert found.disturbed == (0, 1, 2, 3)
    always_busy = Waits(*[0.5] * 9)
    found = rounds.run_rounds(arms, calm.turns, CPU, 1, clock, always_busy)
    assert len(found.wall_s["fpn"]) == 9


def test_nobody_waits_for_an_undisturbed_round_where_none_is_wanted() -> None:
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(1.0))}
    turns = Undisturbed([("fpn",)] * 9, wanted=0, threads=1, least=3).turns
    for waits in ([0.0] * 3, [0.5] * 3):
        found = rounds.run_rounds(arms, turns, CPU, 1, clock, Waits(*waits))
        assert len(found.wall_s["fpn"]) == 3


def test_clock_waits_for_the_device_before_reading() -> None:
    events: list[str] = []

    def clock() -> float:
        events.append("read")
        return 1.0

    read_s = synchronized(clock, lambda: events.append("wait"))
    assert read_s() == 1.0
    assert events == ["wait", "read"]


def test_cpu_needs_no_synchronisation() -> None:
    synchronizer(CPU)()


def test_each_arm_is_timed_by_itself_in_the_order_of_the_round() -> None:
    clock, turns = FakeClock(), []
    takes_s = {"fpn": 2.0, "panet": 3.0, "fpn_again": 2.5}

    def call(name: str) -> None:
        turns.append(name)
        clock.pass_s(takes_s[name])

    arms = {name: arm(name, lambda name=name: call(name)) for name in ARMS}  # type: ignore[misc]
    orders = [("panet", "fpn", "fpn_again"), ("fpn_again", "panet", "fpn")]
    measured = rounds.run_rounds(arms, in_order(*chain.from_iterable(orders)), CPU, 1, clock)
    assert measured.wall_s == {name: [takes_s[name]] * 2 for name in ARMS}
    assert measured.device_s is None
    assert turns == [name for order in orders for name in order]


class Timer:
    """Stands in for the device's events."""

    available = True

    def __init__(self, device: torch.device) -> None:
        pass

    def mark(self) -> float:
        return 0.0

    def between_s(self, start: float, end: float) -> float:
        return 0.5


def test_where_calls_are_asynchronous_their_launch_is_timed_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "DeviceTimer", Timer)
    ticks = iter([1.0, 1.25, 2.0])  # before the call, when it came back, when the device was done
    found = rounds.run_rounds(
        {"fpn": arm("fpn", lambda: ())}, in_order("fpn"), CPU, 1, lambda: next(ticks)
    )
    assert found.wall_s == {"fpn": [1.0]}
    assert found.launch_s == {"fpn": [0.25]}
    assert found.device_s == {"fpn": [0.5]}


def test_preparing_is_outside_the_clock() -> None:
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(1.0), prepare=lambda: clock.pass_s(50.0))}
    assert rounds.run_rounds(arms, in_order("fpn"), CPU, 1, clock).wall_s == {"fpn": [1.0]}


def test_garbage_collector_is_off_during_rounds_and_on_again_after_an_error() -> None:
    states: list[bool] = []

    def fail() -> None:
        states.append(gc.isenabled())
        raise RuntimeError

    try:
        rounds.run_rounds({"fpn": arm("fpn", fail)}, in_order("fpn"), CPU, 1)
    except RuntimeError:
        states.append(gc.isenabled())
    assert states == [False, True]


def test_warm_up_goes_on_until_the_time_has_passed() -> None:
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(0.04))}
    assert rounds.warm_up(arms, CPU, clock) == 4


def test_slow_network_is_warm_after_one_round_on_the_cpu_and_five_elsewhere() -> None:
    clock = FakeClock()
    arms = {"fpn": arm("fpn", lambda: clock.pass_s(10.0))}
    assert rounds.warm_up(arms, CPU, clock) == 1
    assert rounds.MIN_WARMUP_ROUNDS.get("cuda", rounds.OTHER_MIN_WARMUP_ROUNDS) == 5
