"""Processes that take turns: in the drawn order, and nobody waits forever."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.engine import turn_board, turn_token
from bench.engine.orders import orders
from bench.engine.turn_board import WAIT_S, Board, LateError, make_board
from bench.engine.turn_token import LOOK_S, REST_S, Baton, Token, make_inbox, rest

ARMS = ("base", "head", "base_again")


def inboxes(folder: Path, arms: tuple[str, ...] = ARMS) -> dict[str, str]:
    return {arm: make_inbox(folder / arm) for arm in arms}


def baton(own: Sequence[str], boxes: dict[str, str]) -> Baton:
    """Return a process's part in turns that are all its own: nobody else sees its board."""
    return Baton(own, boxes, make_board(Path(boxes[own[0]]).with_name("board"), boxes))


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
    board = make_board(tmp_path / "board", places)
    seen: list[str] = []

    def process(own: tuple[str, ...]) -> None:
        with Baton(own, places, board) as mine:
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
    with baton(("head",), boxes) as mine:
        assert mine.waiting_cpu == 0.0
        mine._tell(boxes["head"], Token(1))
        monkeypatch.setattr(turn_token, "time", fake)
        assert list(turns(mine, [("base", "head")])) == ["head"]
        assert mine.waiting_cpu == 0.25


def test_process_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_board, "WAIT_S", 0.0)
    late = pytest.raises(LateError, match="did not end its start, or its turn, within 0 s")
    with baton(("head",), inboxes(tmp_path)) as mine, late:
        list(turns(mine, [("base", "head")]))


def test_inbox_forgets_an_earlier_replicate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_board, "WAIT_S", 0.0)
    with baton(("base",), inboxes(tmp_path)) as early:
        assert list(turns(early, [("base", "head")])) == ["base"]
    with baton(("head",), inboxes(tmp_path)) as late, pytest.raises(LateError):
        list(turns(late, [("base", "head")]))


class Seconds:
    """Stands in for `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    clock = Seconds()
    monkeypatch.setattr(turn_board, "time", clock)
    return clock


def test_board_tells_every_process_who_has_been_at_work_for_how_long(
    tmp_path: Path, clock: Seconds
) -> None:
    boxes = inboxes(tmp_path)
    path = make_board(tmp_path / "board", boxes)
    mine, theirs = Board(path, boxes), Board(path, boxes)
    clock.now_s += 50
    assert theirs.at_work(50) == ARMS  # all of them start
    mine.wait(boxes["base"])
    mine.wait(boxes["head"])
    theirs.work(boxes["base_again"])
    clock.now_s += 20
    assert mine.at_work(20) == ("base_again",)
    assert mine.at_work(21) == ()
    assert theirs.patience_s() == WAIT_S - 20
    theirs.refuse_if_late()
    mine.work(boxes["head"])  # whoever does something gives the others new patience
    clock.now_s += WAIT_S - 1
    assert theirs.patience_s() == 1
    clock.now_s += 1
    with pytest.raises(LateError):
        theirs.refuse_if_late()


def test_a_round_may_take_longer_than_anybody_waits_for_one_turn(
    tmp_path: Path, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others need most of what one may take, one after the other."""
    boxes = inboxes(tmp_path)
    path = make_board(tmp_path / "board", boxes)
    others = Board(path, boxes)
    steps = iter(["base", "base_again", "head"])

    def select(*_: object) -> tuple[list[int], list[int], list[int]]:
        arm = next(steps)
        clock.now_s += WAIT_S - 1
        if arm == "head":
            return [1], [], []
        others.work(boxes[arm])
        return [], [], []

    with Baton(("head",), boxes, path) as mine:
        mine._tell(boxes["head"], Token(1))
        monkeypatch.setattr(turn_token, "select", SimpleNamespace(select=select))
        assert list(turns(mine, [("base", "base_again", "head")])) == ["head"]


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
