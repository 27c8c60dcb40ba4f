"""A replicate beside other programs: what is taken again, and when it is thrown away."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.engine import replicate as engine_replicate
from bench.engine.rounds import Rounds
from bench.machine import contention
from bench.schema.records import calls_in
from tests.support.factories import CALM, replicate_task


class Beside:
    """Stands in for the clock; while it is busy, every call waits for a CPU."""

    def __init__(self, busy_calls: int) -> None:
        self._left = busy_calls

    def __call__(self, arms: Mapping[str, Any], turns: Any, **_: object) -> Rounds:
        waited_s: dict[str, list[float]] = {arm: [] for arm in arms}
        took_s: dict[str, list[float]] = {arm: [] for arm in arms}
        for arm in turns(waited_s, took_s):
            waited_s[arm].append(1.0 if self._left > 0 else 0.0)
            took_s[arm].append(1.0)
            self._left -= 1
        spans_s = {"panet": {"fpn p2 smooth": took_s["panet"], "panet n3 fuse": took_s["panet"]}}
        out = tuple(contention.disturbed(waited_s, took_s, threads=2))
        return Rounds(took_s, None, None, spans_s, out)


def measured(monkeypatch: pytest.MonkeyPatch, folder: Path, busy_calls: int) -> dict[str, Any]:
    monkeypatch.setattr(engine_replicate, "_clocked", Beside(busy_calls))
    monkeypatch.setattr(engine_replicate, "make_inputs", lambda _: (None, None))
    monkeypatch.setattr(engine_replicate, "warm_up", lambda *_: None)
    monkeypatch.setattr(engine_replicate, "build_arms", lambda task, *_, **__: dict(task.arms))
    monkeypatch.setattr(contention, "read", lambda _: None)
    monkeypatch.setattr(contention, "between", lambda *_: CALM)
    return engine_replicate.replicate(replicate_task(folder, rounds=2, more={"panet": 2}))


@pytest.mark.parametrize("busy_calls", [0, 3, 6])
def test_replicate_counts_when_enough_calls_behind_its_rounds_were_undisturbed(
    busy_calls: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = measured(monkeypatch, tmp_path, busy_calls)
    undisturbed = 2 - len(found["disturbed"]) + calls_in(found["more_spans_s"]["panet"])
    assert undisturbed >= contention.MIN_UNDISTURBED
    assert not found["contended"]


def test_replicate_that_is_never_left_alone_is_contended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert measured(monkeypatch, tmp_path, 1000)["contended"]
