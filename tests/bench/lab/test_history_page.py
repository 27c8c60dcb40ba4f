"""The page of the gate test counts edits: an edit that is tried again is the same edit."""

from typing import Any

import pytest

from bench.lab.history_page import render, true_sizes
from bench.lab.history_records import HistoryTrial


def trial(edit: str, verdict: str = "regressed", **values: Any) -> HistoryTrial:
    defaults: dict[str, Any] = {"kind": "slower", "elapsed_s": 1.0, "session": "now"}
    return HistoryTrial(edit=edit, verdict=verdict, **{**defaults, **values})


def rows(*trials: HistoryTrial) -> dict[str, list[str]]:
    """Return the confusion matrix, by its first column."""
    lines = render(trials).split("\n\n")[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_repeats_of_an_edit_narrow_no_interval() -> None:
    once = [trial("Fuse twice", true_ratio=1.15), trial("Smooth twice", true_ratio=1.55)]
    row = rows(*once, *once, *once)["slower by 5% or more"]
    assert row[0] == "2 edits, 6 trials"
    assert row[1] == "6"  # trials
    assert row[-2] == "2 of 2 (95 %: 34% to 100%)"
    assert row[-2] == rows(*once)["slower by 5% or more"][-2]


def test_edit_counts_as_found_if_all_its_trials_were() -> None:
    missed = trial("Fuse twice", "within_noise", true_ratio=1.15)
    row = rows(missed, trial("Fuse twice", true_ratio=1.15), trial("Smooth twice", true_ratio=1.5))
    assert row["slower by 5% or more"][:2] == ["2 edits, 3 trials", "2"]
    assert row["slower by 5% or more"][-2].startswith("1 of 2 ")


def test_an_edit_has_one_size_and_stands_in_one_row() -> None:
    """Sizes are measured with noise: the row must not depend on it trial by trial."""
    layout = [trial("Plain layout", true_ratio=ratio) for ratio in (1.038, 1.057, 1.036)]
    assert true_sizes(layout) == {"Plain layout": pytest.approx(0.038)}
    assert rows(*layout)["slower by 3% to 5%"][0] == "1 edit, 3 trials"
    assert "slower by 5% or more" not in rows(*layout)


def test_histories_of_equal_code_are_all_different() -> None:
    equal = [trial("Rename, Remark", "within_noise", kind="equal") for _ in range(20)]
    row = rows(*equal)["equal code"]
    assert row[0] == "20 histories"
    assert row[-2] == "0 of 20 (95 %: 0% to 16%)"


def test_slow_down_without_a_true_size_is_not_counted_as_small() -> None:
    small = trial("Fuse twice", "within_noise", true_ratio=1.01)
    found = rows(small, trial("Fuse twice", "within_noise"))
    assert found["slower by less than 3%, or no slower"][0] == "1 edit, 1 trial"
    assert found["slower, size unknown"][0] == "1 edit, 1 trial"


def test_bisections_say_how_many_edits_they_rest_on() -> None:
    page = render([trial("Fuse twice", "right", kind="bisect") for _ in range(5)])
    assert "Bisection over 16 commits, 1 edit, 5 trials: 5 named the commit" in page


def test_small_slow_downs_are_listed_with_the_stage_that_was_named() -> None:
    def placed(edit: str, named: str, *regressed: str) -> HistoryTrial:
        return trial(
            edit,
            "regressed" if regressed else "within_noise",
            kind="placed",
            stage="fpn p2 lateral",
            named=dict.fromkeys(("b1", "b2"), (named, 0.012, 0.01, 0.014)),
            regressed=regressed,
            ratios={"b1": 1.0, "b2": 1.0},
        )

    page = render(
        [
            placed("right", "fpn p2 lateral", "b1", "b2"),
            placed("wrong", "fpn p2 smooth", "b1"),
            placed("small", "fpn p2 lateral"),
        ]
    )
    assert "3 edits, 3 trials: 2 regressed; in 1 of these" in page
    rows = [" ".join(line.split()) for line in page.splitlines()]
    assert any(
        "right | fpn p2 lateral | +1.20% (+1.20% to +1.20%) | regressed | 2 of 2" in x for x in rows
    )
    assert any("wrong | fpn p2 lateral | - | regressed | 1 of 2 | fpn p2 smooth" in x for x in rows)
