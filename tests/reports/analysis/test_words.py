"""The closing paragraph says what the table says, also when the table says the opposite."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.records import CaseResult, Status
from reports.analysis.words import closing_paragraph
from reports.data import frames
from reports.data.costs import cost
from tests.support.factories import case, replicate, result, rounds, split_replicate
from tests.support.result_files import measured, result_file


def table_of(folder: Path, *results: CaseResult) -> pd.DataFrame:
    return cost(frames.load(result_file(folder, results)))


def test_cost_is_given_as_a_range_per_scope_beside_the_macs(tmp_path: Path) -> None:
    text = closing_paragraph(
        table_of(
            tmp_path,
            measured(1.42),
            measured(1.46, batch_size=2),
            measured(1.062, scope="model"),
            measured(1.091, scope="model", batch_size=2),
        )
    )
    assert "PANet adds 42-46 % to the time of the neck (FPN alone); 43 % in MACs." in text
    assert "PANet adds 6.2-9.1 % to the time of the whole model" in text


def test_a_path_that_costs_nothing_is_not_said_to_add(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, measured(0.9), measured(0.8, batch_size=2)))
    assert "PANet takes 10-20 % off and adds nothing to the time of the neck" in text


def test_a_cost_of_either_sign_is_given_with_both_ends(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, measured(0.95), measured(1.2, batch_size=2)))
    assert "PANet adds between -5.0 % and 20 % to the time of the neck" in text


def test_a_single_number_is_no_range(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, measured(1.5)))
    assert "adds 50 % to the time" in text


def at_speeds(*factors: float) -> CaseResult:
    """A case whose ratio stays what it is while the machine is now and then slower."""
    replicates = tuple(
        replicate(i, rounds_s={arm: [x * factor for x in s] for arm, s in rounds(1.5).items()})
        for i, factor in enumerate(factors)
    )
    return result(replicates=replicates)


def test_machine_that_changes_its_speed_is_told(tmp_path: Path) -> None:
    changed = closing_paragraph(table_of(tmp_path, at_speeds(1.0, 1.0, 1.9, 1.3, 1.0)))
    assert "The milliseconds are known to ±" in changed
    assert "the machine's own speed changed while it was measured" in changed
    steady = closing_paragraph(table_of(tmp_path, at_speeds(1.0, 1.02, 1.0, 1.03, 1.0)))
    assert "speed changed" not in steady


def test_contended_cases_give_no_sentence(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, measured(1.5, Status.CONTENDED)))
    assert "PANet adds" not in text
    assert "1 contended" in text


def test_undecided_cases_speak_and_are_counted(tmp_path: Path) -> None:
    text = closing_paragraph(
        table_of(
            tmp_path,
            measured(1.4, Status.TOO_WIDE),
            measured(1.9, Status.CONTENDED, batch_size=2),
        )
    )
    assert "PANet adds 40 % to the time of the neck" in text
    assert "1 too_wide" in text
    assert "1 contended" in text


def wide(width: float, status: Status = Status.TOO_WIDE, **axes: Any) -> CaseResult:
    """A case whose interval has this half-width, relative."""
    # Log ratios of -x and x, alternating, and t of 4 degrees of freedom.
    spread = [width * math.sqrt(5) / 2.776 * sign for sign in (-1, 1, -1, 1, 0)]
    replicates = tuple(
        replicate(i, rounds_s=rounds(1.5 * math.exp(x))) for i, x in enumerate(spread)
    )
    reason = "" if status is Status.OK else "because"
    return result(status, reason, case=case(**axes), replicates=replicates)


def test_closing_words_say_how_many_cases_are_as_narrow_as_requested(tmp_path: Path) -> None:
    cases = [wide(0.01, Status.OK), wide(0.04, batch_size=2), wide(0.07, batch_size=4)]
    busy = wide(0.001, Status.CONTENDED, batch_size=8)
    text = closing_paragraph(table_of(tmp_path, *cases, busy))
    assert "1 of 3 cases are known to the requested ±2.0 %; the rest to ±4.1-7.1 %." in text
    text = closing_paragraph(table_of(tmp_path, *cases[1:], busy))
    assert "0 of 2 cases are known to the requested ±2.0 %; the rest to ±4.1-7.1 %." in text
    text = closing_paragraph(table_of(tmp_path, cases[0]))
    assert "1 of 1 cases are known to the requested ±2.0 %." in text


def test_too_few_processes_have_no_half_width(tmp_path: Path) -> None:
    few = measured(1.5, Status.TOO_WIDE)
    few = dataclasses.replace(few, replicates=few.replicates[:2])
    text = closing_paragraph(table_of(tmp_path, few, wide(0.04, batch_size=2)))
    assert "1 of 2 cases have no interval yet" in text
    assert "0 of 1 cases are known to the requested ±2.0 %; the rest to ±4.1 %." in text


def test_no_headline_rests_on_a_case_without_an_interval(tmp_path: Path) -> None:
    few = measured(1.5, Status.TOO_WIDE)
    few = dataclasses.replace(few, replicates=few.replicates[:2])
    text = closing_paragraph(table_of(tmp_path, few))
    assert "PANet adds" not in text
    assert "1 of 1 cases have no interval yet" in text


def test_training_is_told_apart(tmp_path: Path) -> None:
    trained = measured(1.7, pass_name="training")  # noqa: S106 - no password
    text = closing_paragraph(table_of(tmp_path, measured(1.5), trained))
    assert "PANet adds 50 % to the time of the neck (FPN alone); 43 % in MACs." in text
    assert "PANet adds 70 % to the time of the neck (FPN alone) in training;" in text


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    skipped = result(Status.SKIPPED, "no GPU", case=case(device="cuda:0"), replicates=())
    text = closing_paragraph(table_of(tmp_path, skipped))
    assert text == "Nothing was measured. Without a sure answer: 1 skipped."


def test_noise_floor_and_half_width_are_named(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, result()))
    assert "The same network against itself differs by up to 0.00 %" in text
    assert "1 of 1 cases are known to the requested ±2.0 %" in text


def split(residual: float, spread: float = 0.0, **axes: Any) -> CaseResult:
    steps = (-1, 1, -0.5, 0.5, 0)
    made = tuple(
        split_replicate(i, 1.5, residual * (1 + spread * step)) for i, step in enumerate(steps)
    )
    return result(case=case(**axes), replicates=made)


def test_residual_is_given_over_all_cases(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, split(1.0, 0.002), split(1.0, 0.002, batch_size=2)))
    assert (
        "The cost is read inside the calls. With PANet in it, the rest of a call changes by "
        "+0.0 % ±0.1 % (the residual, over 2 cases)." in text
    )
    assert "(the residual, over 2 cases)" in text
    assert "surely changes" not in text


def test_case_in_which_panet_changes_what_is_around_it_is_named(tmp_path: Path) -> None:
    text = closing_paragraph(
        table_of(tmp_path, split(1.03, 0.002), split(1.0, 0.002, batch_size=2))
    )
    assert "In single cases it surely changes: neck cnn b1 224 nchw +3.0 % ±0.2 %." in text


def test_of_many_cases_those_that_change_most_are_named(tmp_path: Path) -> None:
    changes = {1: 1.02, 2: 1.03, 4: 1.06, 8: 1.05, 16: 1.04}
    cases = [split(change, 0.002, batch_size=size) for size, change in changes.items()]
    text = closing_paragraph(table_of(tmp_path, *cases))
    (named,) = re.findall(r"it surely changes: (.*?)\.(?: |$)", text)
    found = [re.sub(r" [+].*", "", each) for each in named.split("; ")]
    assert found == [f"neck cnn b{size} 224 nchw" for size in (4, 8, 16)] + ["and 2 more cases"]


def test_how_well_the_residual_is_known_is_said(tmp_path: Path) -> None:
    text = closing_paragraph(table_of(tmp_path, split(1.0, 0.03)))
    assert "With PANet in it, the rest of a call changes by +0.0 % ±2.9 %" in text
    assert "surely changes" not in text


def test_case_without_an_undisturbed_round_has_its_cost_and_no_noise(tmp_path: Path) -> None:
    lost = tuple(split_replicate(i, 1.5, disturbed=tuple(range(6))) for i in range(5))
    text = closing_paragraph(table_of(tmp_path, result(replicates=lost)))
    assert "PANet adds 50 %" in text
    assert "against itself" not in text
    assert "around PANet" not in text


def test_whole_calls_have_no_residual(tmp_path: Path) -> None:
    assert "inside the calls" not in closing_paragraph(table_of(tmp_path, measured(1.5)))
