"""Processes that take turns: in the drawn order, and nobody waits forever."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.engine import turn_token
from bench.engine.orders import orders
from bench.engine.turn_token import LOOK_S, REST_S, Baton, Token, make_inbox, rest
from bench.schema.errors import BenchError

ARMS = ("base", "head", "base_again")


def inboxes(folder: Path, arms: tuple[str, ...] = ARMS) -> dict[str, str]:
    return {arm: make_inbox(folder / arm) for arm in arms}


def turns(
    baton: Baton,
    drawn: Sequence[Sequence[str]],
    wanted: int = 1000,
    was_disturbed: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    return baton.own_turns(drawn, wanted, 0, was_disturbed)


@pytest.mark.parametrize(
    "split", [[("base",), ("head",), ("base_again",)], [("base", "base_again"), ("head",)]]
)
def test_turns_come_in_the_drawn_order(tmp_path: Path, split: list[tuple[str, ...]]) -> None:
    drawn = orders(ARMS, "seed", 0, 30)
    boxes = {arm: make_inbox(tmp_path / group[0]) for group in split for arm in group[:1]}
    places = {arm: boxes[group[0]] for group in split for arm in group}
    seen: list[str] = []

    def process(own: tuple[str, ...]) -> None:
        with Baton(own, places) as mine:
            mine.wait_for_all(drawn)
            seen.extend(turns(mine, drawn))

    threads = [threading.Thread(target=process, args=(own,)) for own in split]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert seen == [arm for order in drawn for arm in order]


def test_cpu_time_of_waiting_is_a_share_of_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = inboxes(tmp_path)
    clocks = {"monotonic": iter([0.0, 2.0]), "process_time": iter([5.0, 5.5])}
    fake = SimpleNamespace(**{name: functools.partial(next, of) for name, of in clocks.items()})
    with Baton(("head",), boxes) as mine:
        assert mine.waiting_cpu == 0.0
        mine._tell(boxes["head"], Token(1))
        monkeypatch.setattr(turn_token, "time", fake)
        assert list(turns(mine, [("base", "head")])) == ["head"]
        assert mine.waiting_cpu == 0.25


def test_process_that_is_gone_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_token, "WAIT_S", 0.0)
    with Baton(("head",), inboxes(tmp_path)) as mine, pytest.raises(BenchError, match="is gone"):
        list(turns(mine, [("base", "head")]))


def test_inbox_forgets_an_earlier_replicate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_token, "WAIT_S", 0.0)
    with Baton(("base",), inboxes(tmp_path)) as early:
        assert list(turns(early, [("base", "head")])) == ["base"]
    with Baton(("head",), inboxes(tmp_path)) as late, pytest.raises(BenchError):
        list(turns(late, [("base", "head")]))


def threads(folder: Path, **states: str) -> Path:
    """Write what proc(5) says of threads: their name and state."""
    for number, state in states.items():
        own = folder / number.removeprefix("t")
        own.mkdir(exist_ok=True)
        (own / "stat").write_text(f"{own.name} (an (odd) R name) {state} 1 1 1 0\n")
    return folder


def test_baton_waits_until_the_other_threads_have_come_to_rest(tmp_path: Path) -> None:
    folder = threads(tmp_path, t1="S", t2="R", **{f"t{threading.get_native_id()}": "R"})
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        threads(folder, t2="S" if len(pauses) == 2 else "R")

    rest(folder, clock=lambda: 0.0, pause=pause)
    assert pauses == [LOOK_S, LOOK_S]


def test_threads_that_never_rest_are_not_waited_for_long(tmp_path: Path) -> None:
    folder, now_s = threads(tmp_path, t1="R"), itertools.count(0.0, REST_S / 4)
    pauses: list[float] = []
    rest(folder, clock=lambda: next(now_s), pause=pauses.append)
    assert len(pauses) == 3


def test_where_the_kernel_tells_nothing_nobody_waits(tmp_path: Path) -> None:
    rest(tmp_path / "none", clock=lambda: 0.0, pause=lambda _: pytest.fail("waited"))
