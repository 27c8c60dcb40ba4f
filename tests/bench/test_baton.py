"""Processes that take turns: in the drawn order, and nobody waits forever."""

import threading
from pathlib import Path

import pytest

from bench import baton
from bench.baton import Baton, make_inbox
from bench.errors import BenchError
from bench.orders import orders

ARMS = ("base", "head", "base_again")


def inboxes(folder: Path, arms: tuple[str, ...] = ARMS) -> dict[str, str]:
    return {arm: make_inbox(folder / arm) for arm in arms}


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
            seen.extend(mine.own_turns(drawn))

    threads = [threading.Thread(target=process, args=(own,)) for own in split]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert seen == [arm for order in drawn for arm in order]


def test_process_that_is_gone_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baton, "WAIT_S", 0.0)
    with Baton(("head",), inboxes(tmp_path)) as mine, pytest.raises(BenchError, match="is gone"):
        list(mine.own_turns([("base", "head")]))


def test_inbox_forgets_an_earlier_replicate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baton, "WAIT_S", 0.0)
    with Baton(("base",), inboxes(tmp_path)) as early:
        assert list(early.own_turns([("base", "head")])) == ["base"]
    with Baton(("head",), inboxes(tmp_path)) as late, pytest.raises(BenchError):
        list(late.own_turns([("base", "head")]))
