"""Stages of both sides, matched by name: the rows of a case, and what adds up to its calls."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bench.schema.records import OTHER
from bench.stats import Calls, Contrast
from bench.stats.stages import NO_STAGES, CaseStages, stages_between
from bench.workload import marks

CONTRAST = Contrast(("head",), ("base", "base_again"))
BASE = {"a": 0.3, "b": 0.5, OTHER: 0.2}


def calls(**arms: dict[str, float]) -> Calls:
    """Return three equal rounds; the arms of the base that are not given take `BASE`."""
    every = {"base": BASE, "base_again": BASE, "head": BASE} | arms
    spans_s = {arm: {name: [s] * 3 for name, s in spans.items()} for arm, spans in every.items()}
    return Calls({arm: [sum(s.values())] * 3 for arm, s in every.items()}, spans_s)


def between(*replicates: Calls) -> CaseStages:
    return stages_between(replicates, CONTRAST)


def test_each_stage_has_its_ratio_and_its_share_of_the_call_per_replicate() -> None:
    found = between(calls(head=BASE | {"a": 0.6}), calls())
    assert found.names == ("a", "b", OTHER)
    assert found.log_ratios[:, 0] == pytest.approx([math.log(2), 0, 0])
    assert found.of_call[:, 0] == pytest.approx([0.3, 0, 0])
    assert found.log_ratios[:, 1] == pytest.approx([0, 0, 0])


def test_both_turns_of_the_base_count() -> None:
    found = between(calls(base_again=BASE | {"a": 0.27}, head=BASE | {"a": 0.3}))
    assert found.log_ratios[0, 0] == pytest.approx(math.log(0.3 / 0.27) / 2)


def test_small_stages_are_compared_with_what_is_in_no_stage() -> None:
    small = BASE | {"tiny": 0.004}
    found = between(calls(base=small, base_again=small, head=small | {"tiny": 0.0041}))
    assert found.names == ("a", "b", OTHER)
    assert found.of_call[2, 0] == pytest.approx(0.0001 / 1.004)


def test_stage_that_is_small_on_one_side_only_is_a_row() -> None:
    small = BASE | {"tiny": 0.004}
    found = between(calls(base=small, base_again=small, head=small | {"tiny": 0.1}))
    assert found.names == ("a", "b", "tiny", OTHER)


def test_code_that_moved_to_a_stage_without_a_partner_cancels() -> None:
    """The stage that it left looks faster, and the whole call is what it was."""
    found = between(calls(head={"a": 0.1, "new": 0.2, "b": 0.5, OTHER: 0.2}))
    assert found.unmatched == {"head": ("new",)}
    assert found.names == ("a", "b", OTHER)
    assert found.of_call[:, 0] == pytest.approx([-0.2, 0, 0.2])
    assert found.of_call[:, 0].sum() == pytest.approx(0)


def test_whole_call_is_left_where_a_side_has_nothing_to_compare_a_part_with() -> None:
    whole = {"a": 0.3, "b": 0.5}
    found = between(calls(base=whole, base_again=whole, head={"a": 0.3, "b": 0.3, "new": 0.2}))
    assert (found.names, found.unmatched) == ((), {"head": ("new",)})


@pytest.mark.parametrize("arm", ["base", "base_again", "head"])
def test_calls_of_which_one_arm_is_not_split_have_no_stages(arm: str) -> None:
    whole = calls()
    spans_s = {name: spans for name, spans in whole.spans_s.items() if name != arm}
    assert between(whole, Calls(whole.rounds_s, spans_s)) is NO_STAGES
    assert between() is NO_STAGES


def test_stage_that_the_clock_cannot_see_is_no_row() -> None:
    found = between(calls(), calls(base=BASE | {"a": 0.0}))
    assert found.names == ("b", OTHER)
    assert np.isfinite(found.log_ratios).all()


def test_what_is_in_no_stage_has_the_name_that_the_marks_give_it() -> None:
    split = marks.Marks(nn.Linear(1, 1), torch.device("cpu"), training=False)
    assert split._names[0] == OTHER
