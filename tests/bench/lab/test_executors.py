"""The page of `local` beside `ray`: what differs is told, and a further call measures the rest."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.lab import executors
from bench.lab.executors import LOCAL, RAY, READINGS, Compared, Measured, order, readings, render
from bench.stats.verdict import Verdict
from tests.support.factories import rounds, split_replicate

MACHINE = {"cpu": "a CPU", "cores": 2, "libraries": {"torch": "2.15.0"}}


def run(executor: str, number: int, slower: float = 0.0) -> Measured:
    """Return a run whose readings are logarithms of small numbers; Ray's are larger by so much."""
    values = {r.name: {"a": 0.01 * number + slower * (executor == RAY)} for r in READINGS}
    return Measured(executor, f"{number}/k/results.json", values)


def test_order_is_balanced_and_begins_with_either() -> None:
    assert order(3) == [LOCAL, RAY, RAY, LOCAL, LOCAL, RAY]


def test_difference_is_over_pairs_in_whichever_order_they_ran() -> None:
    runs = [run(executor, 0, math.log(1.02)) for executor in order(4)]
    page = render(runs, [], MACHINE)
    (row,) = (line for line in page.splitlines() if "ms of fpn " in line and "| all" in line)
    assert "+2.00 % ±0.00 %" in row
    (shares,) = (line for line in page.splitlines() if "disturbed" in line and "| all" in line)
    assert "+1.98 %" in shares
    assert "4 pairs of runs" in page
    assert "No pair" in render(runs[:1], [], MACHINE)


def test_what_two_executors_are_told_apart_by_stands_beside_one() -> None:
    runs = [run(executor, number) for number, executor in enumerate(order(2))]
    fine, alarm = (
        frozenset({Verdict.WITHIN_NOISE}),
        frozenset({Verdict.WITHIN_NOISE, Verdict.UNDECIDED}),
    )
    said = ((False, alarm), (True, fine), (False, fine))
    gates = [Compared(of_one=of_one, verdicts=verdicts) for of_one, verdicts in said]
    page = render(runs, gates, MACHINE)
    assert "one by `local`, one by `ray`: 1 of 2 told apart (95 %: " in page
    assert "both by the same: 0 of 1 told apart" in page


def test_further_call_measures_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def measured(_folder: Path, executor: str, _budget_s: float) -> Measured:
        begun.append(executor)
        return run(executor, len(begun))

    monkeypatch.setattr(executors, "_run", measured)
    monkeypatch.setattr(
        executors, "compared", lambda *_: Compared(of_one=True, verdicts=frozenset())
    )
    monkeypatch.setattr(executors, "describe", lambda: MACHINE)
    executors.measure(tmp_path, 1, 1.0, Console(quiet=True))
    with (tmp_path / executors.RECORDS).open("a") as records:
        records.write('{"executor": "lo')  # a kill has cut it
    page = executors.measure(tmp_path, 2, 1.0, Console(quiet=True))
    assert begun == order(2)
    assert (tmp_path / executors.PAGE).read_text() == page


def test_readings_are_those_of_the_replicates() -> None:
    measured = [split_replicate(number, 1.5) for number in range(4)]
    again = [[x * (1 + number / 1000) for x in rounds()["fpn"]] for number in range(4)]
    replicates = [
        replace(each, rounds_s={**each.rounds_s, "fpn_again": turn})
        for each, turn in zip(measured, again, strict=True)
    ]
    found = readings({"a": replicates})
    assert set(found) == {reading.name for reading in READINGS}
    times = [found[f"ms of {arm}"]["a"] for arm in ("fpn", "panet")]
    assert math.exp(times[1] - times[0]) == pytest.approx(1.5, rel=0.1)
    assert found["cost, inside"]["a"] == pytest.approx(math.log(1.5))
    assert found["A/A"]["a"] == pytest.approx(0.0015, rel=0.01)
    assert math.exp(found["A/A, sd between processes"]["a"]) == pytest.approx(0.00129, rel=0.01)
    assert found["disturbed rounds"]["a"] == 0.0
