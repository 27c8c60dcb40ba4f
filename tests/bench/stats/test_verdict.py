"""The gate: what it flags, what it believes, and what it says when it cannot know."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import Estimate
from bench.stats.sequential import GATE, Gate
from bench.stats.verdict import Change, Judged, Verdict, holm, judge, missing

CALM = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001]
SLOWER = [x + math.log(1.05) for x in CALM]
FASTER = [-x for x in SLOWER]
FRESH = (SLOWER * 3)[: GATE.confirm_looks[0]]
CHANCE = (CALM * 3)[: GATE.confirm_looks[0]]

LATE = Gate(early_look=0)

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8)


def test_slower_in_both_steps_is_a_regression() -> None:
    changes = judge({"a": CALM, "b": SLOWER + FRESH}).cases
    assert changes["a"].verdict is Verdict.WITHIN_NOISE
    assert changes["b"].verdict is Verdict.REGRESSED
    assert changes["b"].replicates == len(SLOWER + FRESH)
    assert changes["b"].ratio is not None
    assert changes["b"].ratio.value == pytest.approx(1.05, abs=0.001)
    assert changes["b"].p_value is not None
    assert changes["b"].p_value < GATE.alarm_p


def test_faster_in_both_steps_is_an_improvement() -> None:
    assert judge({"b": FASTER + [-x for x in FRESH]}).cases["b"].verdict is Verdict.IMPROVED


@pytest.mark.parametrize("fresh", [CHANCE, [-x for x in FRESH]])
def test_flag_that_fresh_replicates_do_not_repeat_is_noise(fresh: list[float]) -> None:
    found = judge({"b": SLOWER + fresh}).cases["b"]
    assert found.verdict is Verdict.WITHIN_NOISE
    assert found.flagged


def test_estimate_of_a_flagged_case_comes_from_the_fresh_replicates() -> None:
    found = judge({"b": SLOWER + CHANCE}).cases["b"]
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(1.0, abs=0.001)


def test_replicates_behind_the_last_look_change_nothing() -> None:
    """Another comparison that shares the case may have wanted them."""
    assert judge({"a": CALM + FRESH}) == judge({"a": CALM})


@pytest.mark.parametrize("values", [[], SLOWER[:3], SLOWER, SLOWER + FRESH[:5]])
def test_too_few_replicates_decide_nothing_and_say_how_many_are_missing(
    values: list[float],
) -> None:
    assert judge({"b": values}).cases["b"].verdict is Verdict.UNDECIDED
    looks = (len(SLOWER), len(SLOWER) + len(FRESH))
    next_look = next(look for look in looks if look > len(values) or values == [])
    assert missing({"b": values}) == {"b": next_look - len(values)}


def test_decided_cases_lack_nothing() -> None:
    assert missing({"a": CALM, "b": SLOWER + FRESH, "c": FASTER + FRESH}) == dict.fromkeys("abc", 0)


def test_suite_that_moved_needs_few_fresh_replicates_of_each_case() -> None:
    names = "abcdefgh"
    screened = dict.fromkeys(names, SLOWER)
    assert missing(screened, LATE) == dict.fromkeys(names, 3)
    measured = dict.fromkeys(names, SLOWER + FRESH[:3])
    assert missing(measured, LATE) == dict.fromkeys(names, 0)
    found = judge(measured, LATE)
    assert found.verdict is Verdict.REGRESSED
    assert found.suite is not None
    assert found.suite.ratio is not None
    assert found.suite.ratio.value == pytest.approx(1.05, abs=0.001)
    assert {c.verdict for c in found.cases.values()} == {Verdict.UNDECIDED}
    assert all(c.settled for c in found.cases.values())


def test_suite_that_moved_does_not_hide_the_case_that_moved_the_other_way() -> None:
    measured = dict.fromkeys("abcdefg", SLOWER + FRESH[:3]) | {
        "h": FASTER + [-x for x in FRESH[:3]]
    }
    assert missing(measured) == dict.fromkeys("abcdefg", 0) | {"h": 5}


def test_large_change_of_all_cases_is_sure_when_the_cases_have_had_their_first_look() -> None:
    names = "abcdefgh"
    assert missing({name: [] for name in names}) == dict.fromkeys(names, 3)
    assert missing(dict.fromkeys(names, SLOWER[:3])) == dict.fromkeys(names, 3)
    assert missing(dict.fromkeys(names, SLOWER)) == dict.fromkeys(names, 0)
    found = judge(dict.fromkeys(names, SLOWER))
    assert found.suite is not None
    assert (found.suite.verdict, found.suite.replicates) == (Verdict.REGRESSED, 6)


def test_unclear_case_needs_no_second_look_once_all_cases_moved() -> None:
    unclear = [0.01, -0.005, 0.01, -0.005, 0.01, 0.005]
    slower = dict.fromkeys("abcdefg", SLOWER)
    assert missing({"h": unclear}) == {"h": 4}
    assert missing(slower | {"h": unclear}) == dict.fromkeys("abcdefgh", 0)
    assert judge(slower | {"h": unclear}).cases["h"].settled


def test_slowest_case_is_named_although_none_was_flagged_alone() -> None:
    generator = np.random.default_rng(1)
    noisy = {n: (0.03 + generator.normal(0, 0.06, 12)).tolist() for n in "abcdefghijklmnop"}
    found = judge(noisy, Gate(screen_p=0.02, early_look=0))
    assert found.suite is not None
    assert found.suite.flagged
    ratios = {n: c.ratio.value for n, c in found.cases.items() if c.ratio}
    assert found.slowest() == max(ratios, key=lambda name: ratios[name])


def test_suite_is_flagged_only_once_every_case_was_looked_at() -> None:
    assert missing({"a": SLOWER, "b": SLOWER[:4]}) == {"a": 0, "b": 2}


def test_case_that_cannot_be_measured_is_no_part_of_the_suite() -> None:
    measured = dict.fromkeys("abcdefg", SLOWER + FRESH[:3]) | {"h": SLOWER[:2]}
    found = judge(measured)
    assert found.suite is not None
    assert found.suite.verdict is Verdict.REGRESSED
    assert found.cases["h"].verdict is Verdict.UNDECIDED
    assert found.verdict is Verdict.REGRESSED


def test_single_case_is_no_suite() -> None:
    assert judge({"a": CALM}).suite is None


def test_unchanged_case_says_how_small_a_change_it_would_have_seen() -> None:
    found = judge({"a": CALM}).cases["a"]
    assert found.detectable_ratio is not None
    assert 0 < found.detectable_ratio < 0.01


def change(found: Verdict) -> Change:
    estimate = Estimate(1.0, None, None)
    return Change(found, estimate, flagged=False, p_value=None, detectable_ratio=None, replicates=6)


@pytest.mark.parametrize(
    ("found", "suite", "expected"),
    [
        ([Verdict.WITHIN_NOISE, Verdict.IMPROVED], Verdict.WITHIN_NOISE, Verdict.IMPROVED),
        ([Verdict.UNDECIDED, Verdict.IMPROVED], Verdict.WITHIN_NOISE, Verdict.UNDECIDED),
        ([Verdict.UNDECIDED, Verdict.REGRESSED], Verdict.WITHIN_NOISE, Verdict.REGRESSED),
        ([Verdict.IMPROVED, Verdict.WITHIN_NOISE], Verdict.REGRESSED, Verdict.REGRESSED),
        ([], None, Verdict.UNDECIDED),
    ],
)
def test_alarm_outranks_what_could_not_be_said(
    found: list[Verdict], suite: Verdict | None, expected: Verdict
) -> None:
    cases = {str(i): change(verdict) for i, verdict in enumerate(found)}
    judged = Judged(cases, None if suite is None else change(suite))
    assert judged.verdict is expected


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


@given(st.lists(st.floats(-0.2, 0.2), min_size=38, max_size=38))
def test_swapped_sides_give_the_opposite_verdict(values: list[float]) -> None:
    there, back = (judge({"a": side}).cases["a"].verdict for side in (values, [-x for x in values]))
    opposite = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}
    assert back is opposite.get(there, there)


def test_equal_replicates_are_certain_and_no_error() -> None:
    changes = judge({"a": [0.0] * 6, "b": [0.05] * 22}).cases
    assert changes["a"].verdict is Verdict.WITHIN_NOISE
    assert changes["b"].verdict is Verdict.REGRESSED
