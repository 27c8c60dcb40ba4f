"""The gate: what it flags, what it believes, and what it says when it cannot know."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import verdict
from bench.stats import Estimate
from bench.verdict import GATE, Change, Gate, Verdict, holm, judge, overall, screen

CALM = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001]
SLOWER = [x + math.log(1.05) for x in CALM]
FRESH = (SLOWER * 3)[: GATE.confirm_replicates]
CHANCE = (CALM * 3)[: GATE.confirm_replicates]

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8)


def test_screen_flags_what_moved_and_tells_the_side() -> None:
    assert screen({"a": CALM, "b": SLOWER, "c": [-x for x in SLOWER]}) == {"b": 1, "c": -1}


def test_slower_in_both_steps_is_a_regression() -> None:
    changes = judge({"a": CALM, "b": SLOWER}, {"b": FRESH})
    assert changes["a"].verdict is Verdict.WITHIN_NOISE
    assert changes["b"].verdict is Verdict.REGRESSED
    assert changes["b"].ratio is not None
    assert changes["b"].ratio.value == pytest.approx(1.05, abs=0.001)
    assert changes["b"].p_value is not None
    assert changes["b"].p_value < GATE.alarm_p


def test_faster_in_both_steps_is_an_improvement() -> None:
    changes = judge({"b": [-x for x in SLOWER]}, {"b": [-x for x in FRESH]})
    assert changes["b"].verdict is Verdict.IMPROVED


@pytest.mark.parametrize("fresh", [CHANCE, [-x for x in FRESH]])
def test_flag_that_fresh_replicates_do_not_repeat_is_noise(fresh: list[float]) -> None:
    changes = judge({"b": SLOWER}, {"b": fresh})
    assert changes["b"].verdict is Verdict.WITHIN_NOISE
    assert changes["b"].flagged


def test_estimate_of_a_flagged_case_comes_from_the_fresh_replicates() -> None:
    changes = judge({"b": SLOWER}, {"b": CHANCE})
    assert changes["b"].ratio is not None
    assert changes["b"].ratio.value == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(
    ("screened", "fresh"), [(SLOWER[:3], FRESH), (SLOWER, FRESH[:5]), ([], []), (SLOWER, [])]
)
def test_too_few_replicates_decide_nothing(screened: list[float], fresh: list[float]) -> None:
    if screened:
        assert judge({"b": screened}, {"b": fresh})["b"].verdict is Verdict.UNDECIDED


def test_unchanged_case_says_how_small_a_change_it_would_have_seen() -> None:
    change = judge({"a": CALM}, {})["a"]
    assert change.detectable_ratio is not None
    assert 0 < change.detectable_ratio < 0.01


def change(found: Verdict) -> Change:
    estimate = Estimate(1.0, None, None)
    return Change(found, estimate, flagged=False, p_value=None, detectable_ratio=None)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([Verdict.WITHIN_NOISE, Verdict.IMPROVED], Verdict.IMPROVED),
        ([Verdict.UNDECIDED, Verdict.IMPROVED], Verdict.UNDECIDED),
        ([Verdict.UNDECIDED, Verdict.REGRESSED], Verdict.REGRESSED),
        ([], Verdict.UNDECIDED),
    ],
)
def test_alarm_outranks_what_could_not_be_said(found: list[Verdict], expected: Verdict) -> None:
    assert overall({str(i): change(v) for i, v in enumerate(found)}) is expected


def test_holm_against_values_worked_out_by_hand() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert corrected == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


@given(P_VALUES)
def test_corrected_values_are_larger_keep_their_order_and_stay_probabilities(
    p_values: dict[str, float],
) -> None:
    corrected = holm(p_values)
    assert set(corrected) == set(p_values)
    for name, value in corrected.items():
        assert p_values[name] <= value <= 1
    ranked = sorted(p_values, key=lambda name: p_values[name])
    assert [corrected[name] for name in ranked] == sorted(corrected.values())


@given(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6), st.booleans())
def test_swapped_sides_give_the_opposite_verdict(values: list[float], confirmed: bool) -> None:
    fresh = (values * 3)[: GATE.confirm_replicates] if confirmed else CHANCE
    there = judge({"a": values}, {"a": fresh})["a"].verdict
    back = judge({"a": [-x for x in values]}, {"a": [-x for x in fresh]})["a"].verdict
    opposite = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}
    assert back is opposite.get(there, there)


def test_identical_code_alarms_more_rarely_than_the_gate_promises() -> None:
    """Eight unchanged cases, a strict level made loose so that a few thousand draws can see it."""
    gate = Gate(screen_p=0.5, alarm_p=0.05, screen_replicates=5, confirm_replicates=5)
    generator = np.random.default_rng(11)
    alarms = 0
    for _ in range(1500):
        draws = generator.normal(0, 0.02, (2, 8, 5)).tolist()
        screened, fresh = ({str(i): v for i, v in enumerate(half)} for half in draws)
        changes = judge(screened, fresh, gate)
        alarms += any(c.verdict in (Verdict.REGRESSED, Verdict.IMPROVED) for c in changes.values())
    assert 0 < alarms / 1500 <= 0.05


def test_equal_replicates_are_certain_and_no_error() -> None:
    assert verdict.screen({"a": [0.0] * 6, "b": [0.05] * 6}) == {"b": 1}
