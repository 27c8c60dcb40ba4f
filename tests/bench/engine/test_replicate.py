"""A replicate beside other programs: what is taken again, and when it is thrown away."""

from pathlib import Path
from typing import Any

import pytest

from bench.engine import replicate as engine_replicate
from bench.machine import contention
from bench.schema.records import calls_in
from tests.support.factories import replicate_task
from tests.support.machines import simulate_calls


def measured(monkeypatch: pytest.MonkeyPatch, folder: Path, busy_rounds: int) -> dict[str, Any]:
    simulate_calls(monkeypatch, lambda _, count: count < busy_rounds)
    return engine_replicate.replicate(replicate_task(folder, rounds=2, more={"panet": 2}))


@pytest.mark.parametrize("busy_rounds", [0, 1, 2])
def test_replicate_counts_when_enough_calls_behind_its_rounds_were_undisturbed(
    busy_rounds: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = measured(monkeypatch, tmp_path, busy_rounds)
    undisturbed = 2 - len(found["disturbed"]) + calls_in(found["more_spans_s"]["panet"])
    assert undisturbed >= contention.MIN_UNDISTURBED
    assert not found["contended"]


def test_replicate_that_is_never_left_alone_is_contended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert measured(monkeypatch, tmp_path, 1000)["contended"]
