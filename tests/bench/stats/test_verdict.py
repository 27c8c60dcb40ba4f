"""The gate: what it flags, what it believes, and what it says when it cannot know."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import Estimate
from bench.stats.judging import judge, lacking
from bench.stats.sequential import GATE, Gate
from bench.stats.verdict import (
    EXIT_CODES,
    FINE,
    REGRESSED,
    CaseVerdict,
    ComparisonVerdict,
    Verdict,
    overall,
)

CALM = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001]
SLOWER = [x + math.log(1.05) for x in CALM]
FASTER = [-x for x in SLOWER]
FRESH = (SLOWER * 3)[: GATE.confirm_looks[0]]
CHANCE = (CALM * 3)[: GATE.confirm_looks[0]]

LATE = Gate(early_look=0)


def test_slower_in_both_steps_is_a_regression() -> None:
    verdicts = judge({"a": CALM, "b": SLOWER + FRESH}).cases
    assert verdicts["a"].verdict is Verdict.WITHIN_NOISE
    assert verdicts["b"].verdict is Verdict.REGRESSED
    assert verdicts["b"].replicates == len(SLOWER + FRESH)
    assert verdicts["b"].ratio is not None
    assert verdicts["b"].ratio.value == pytest.approx(1.05, abs=0.001)
    assert verdicts["b"].p_value is not None
    assert verdicts["b"].p_value < GATE.alarm_p


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
    assert lacking({"b": values}) == {"b": next_look - len(values)}


def test_decided_cases_lack_nothing() -> None:
    assert lacking({"a": CALM, "b": SLOWER + FRESH, "c": FASTER + FRESH}) == dict.fromkeys("abc", 0)


def test_all_cases_that_changed_together_need_few_fresh_replicates_of_each_case() -> None:
    names = "abcdefgh"
    screened = dict.fromkeys(names, SLOWER)
    assert lacking(screened, LATE) == dict.fromkeys(names, 3)
    measured = dict.fromkeys(names, SLOWER + FRESH[:3])
    assert lacking(measured, LATE) == dict.fromkeys(names, 0)
    found = judge(measured, LATE)
    assert found.verdict is Verdict.REGRESSED
    assert found.overall is not None
    assert found.overall.ratio is not None
    assert found.overall.ratio.value == pytest.approx(1.05, abs=0.001)
    assert {c.verdict for c in found.cases.values()} == {Verdict.UNDECIDED}
    assert all(c.left_to_overall for c in found.cases.values())


def test_case_that_changed_the_other_way_is_not_hidden_by_all_together() -> None:
    measured = dict.fromkeys("abcdefg", SLOWER + FRESH[:3]) | {
        "h": FASTER + [-x for x in FRESH[:3]]
    }
    assert lacking(measured) == dict.fromkeys("abcdefg", 0) | {"h": 5}


def test_large_change_of_all_cases_is_sure_when_the_cases_have_had_their_first_look() -> None:
    names = "abcdefgh"
    assert lacking({name: [] for name in names}) == dict.fromkeys(names, 3)
    assert lacking(dict.fromkeys(names, SLOWER[:3])) == dict.fromkeys(names, 3)
    assert lacking(dict.fromkeys(names, SLOWER)) == dict.fromkeys(names, 0)
    found = judge(dict.fromkeys(names, SLOWER))
    assert found.overall is not None
    assert (found.overall.verdict, found.overall.replicates) == (Verdict.REGRESSED, 6)


def test_unclear_case_needs_no_second_look_once_all_together_changed() -> None:
    unclear = [0.01, -0.005, 0.01, -0.005, 0.01, 0.005]
    slower = dict.fromkeys("abcdefg", SLOWER)
    assert lacking({"h": unclear}) == {"h": 4}
    assert lacking(slower | {"h": unclear}) == dict.fromkeys("abcdefgh", 0)
    assert judge(slower | {"h": unclear}).cases["h"].left_to_overall


def test_slowest_case_is_named_although_none_was_flagged_alone() -> None:
    generator = np.random.default_rng(1)
    noisy = {n: (0.03 + generator.normal(0, 0.06, 12)).tolist() for n in "abcdefghijklmnop"}
    found = judge(noisy, Gate(screen_p=0.02, early_look=0))
    assert found.overall is not None
    assert found.overall.flagged
    ratios = {n: c.ratio.value for n, c in found.cases.items() if c.ratio}
    assert found.slowest() == max(ratios, key=lambda name: ratios[name])


def test_all_together_are_flagged_only_once_every_case_was_looked_at() -> None:
    assert lacking({"a": SLOWER, "b": SLOWER[:4]}) == {"a": 0, "b": 2}


def test_case_that_cannot_be_measured_is_no_part_of_all_together() -> None:
    measured = dict.fromkeys("abcdefg", SLOWER + FRESH[:3]) | {"h": SLOWER[:2]}
    found = judge(measured)
    assert found.overall is not None
    assert found.overall.verdict is Verdict.REGRESSED
    assert found.cases["h"].verdict is Verdict.UNDECIDED
    assert found.verdict is Verdict.REGRESSED


def test_single_case_has_nothing_beside_it() -> None:
    assert judge({"a": CALM}).overall is None


def test_unchanged_case_says_how_small_a_change_it_would_have_seen() -> None:
    found = judge({"a": CALM}).cases["a"]
    assert found.mde_ratio is not None
    assert 0 < found.mde_ratio < 0.01


def verdict_of(found: Verdict, *, left: bool = False) -> CaseVerdict:
    ratio = Estimate(1.0, None, None)
    return CaseVerdict(
        found,
        ratio,
        flagged=False,
        p_value=None,
        mde_ratio=None,
        replicates=6,
        left_to_overall=left,
    )


@pytest.mark.parametrize(
    ("cases", "together", "expected"),
    [
        ([Verdict.WITHIN_NOISE, Verdict.IMPROVED], Verdict.WITHIN_NOISE, Verdict.IMPROVED),
        ([Verdict.UNDECIDED, Verdict.IMPROVED], Verdict.WITHIN_NOISE, Verdict.UNDECIDED),
        ([Verdict.UNDECIDED, Verdict.REGRESSED], Verdict.WITHIN_NOISE, Verdict.REGRESSED),
        ([Verdict.IMPROVED, Verdict.WITHIN_NOISE], Verdict.REGRESSED, Verdict.REGRESSED),
    ],
)
def test_verdict_over_the_cases_counts_all_together_as_one_of_them(
    cases: list[Verdict], together: Verdict, expected: Verdict
) -> None:
    by_case = {str(i): verdict_of(verdict) for i, verdict in enumerate(cases)}
    assert ComparisonVerdict(by_case, verdict_of(together)).verdict is expected


def test_cases_that_were_left_to_all_together_add_nothing() -> None:
    cases = {"a": verdict_of(Verdict.UNDECIDED, left=True)}
    found = ComparisonVerdict(cases, verdict_of(Verdict.IMPROVED))
    assert found.verdict is Verdict.IMPROVED


@pytest.mark.parametrize(
    ("verdicts", "expected", "exit_code"),
    [
        ({Verdict.REGRESSED, Verdict.MISSING, Verdict.UNDECIDED}, Verdict.REGRESSED, 1),
        ({Verdict.MISSING, Verdict.UNDECIDED, Verdict.IMPROVED}, Verdict.MISSING, 1),
        ({Verdict.UNDECIDED, Verdict.IMPROVED, Verdict.WITHIN_NOISE}, Verdict.UNDECIDED, 3),
        ({Verdict.IMPROVED, Verdict.WITHIN_NOISE, Verdict.INCOMPARABLE}, Verdict.IMPROVED, 0),
        ({Verdict.WITHIN_NOISE, Verdict.INCOMPARABLE}, Verdict.WITHIN_NOISE, 0),
        ({Verdict.INCOMPARABLE}, Verdict.INCOMPARABLE, 3),
        (set(), Verdict.INCOMPARABLE, 3),
    ],
)
def test_regressed_outranks_missing_outranks_no_answer_outranks_improved(
    verdicts: set[Verdict], expected: Verdict, exit_code: int
) -> None:
    assert (overall(verdicts), EXIT_CODES[overall(verdicts)]) == (expected, exit_code)


@given(st.sets(st.sampled_from(Verdict)), st.sampled_from(Verdict))
def test_exit_code_is_that_of_the_worst_answer(verdicts: set[Verdict], more: Verdict) -> None:
    """A further verdict never hides a loss, and only an answer outranks what is incomparable."""
    codes = {EXIT_CODES[verdict] for verdict in verdicts | {more}}
    code = EXIT_CODES[overall(verdicts | {more})]
    assert (code == REGRESSED) == (REGRESSED in codes)
    assert code != FINE or Verdict.UNDECIDED not in verdicts | {more}


@given(st.lists(st.floats(-0.2, 0.2), min_size=38, max_size=38))
def test_swapped_sides_give_the_opposite_verdict(values: list[float]) -> None:
    there, back = (judge({"a": side}).cases["a"].verdict for side in (values, [-x for x in values]))
    opposite = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}
    assert back is opposite.get(there, there)


def test_equal_replicates_are_certain_and_no_error() -> None:
    verdicts = judge({"a": [0.0] * 6, "b": [0.05] * 22}).cases
    assert verdicts["a"].verdict is Verdict.WITHIN_NOISE
    assert verdicts["b"].verdict is Verdict.REGRESSED
