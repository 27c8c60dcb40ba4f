"""The gate with stages: false alarms, how long identical code takes, and what only stages show."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.stats.judging import drifted, judge, lacking
from bench.stats.multiplicity import level
from bench.stats.sequential import GATE, Gate, confirm, screen
from bench.stats.stages import CaseStages
from bench.stats.standing import OVERALL
from bench.stats.verdict import ComparisonVerdict, Verdict

STAGES, CASES = 20, 8
NAMES = tuple(f"stage {number}" for number in range(STAGES))
SHARES = np.full(STAGES, 1 / STAGES)
FIRST = np.array([0.03] + [0.97 / (STAGES - 1)] * (STAGES - 1))
"""Shares of a call: the first stage has 3 %."""

Case = tuple[list[float], CaseStages]


def drawn(
    generator: np.random.Generator,
    slower: float = 1.0,
    shares: np.ndarray = SHARES,
    whole_sd: float = 0.01,
    count: int = 80,
) -> Case:
    """Return a case: every stage 1 % between processes, the first one slower; the call more."""
    logs = generator.normal(0, 0.01, (STAGES, count)) + generator.normal(0, 0.004, count)
    logs[0] += math.log(slower)
    of_call = shares[:, None] * np.expm1(logs)
    whole = np.log1p(of_call.sum(axis=0)) + generator.normal(0, whole_sd, count)
    return whole.tolist(), CaseStages(NAMES, logs, of_call)


def first(case: Case, count: int) -> Case:
    whole, stages = case
    few = replace(
        stages, log_ratios=stages.log_ratios[:, :count], of_call=stages.of_call[:, :count]
    )
    return whole[:count], few


def compared(
    cases: dict[str, Case], gate: Gate = GATE, split: bool = True
) -> tuple[ComparisonVerdict, int]:
    """Return the verdict, and how many replicates it took: each look gets what it lacks."""
    used = dict.fromkeys(cases, 0)
    while True:
        so_far = {name: first(case, used[name]) for name, case in cases.items()}
        whole = {name: values for name, (values, _) in so_far.items()}
        stages = {name: stages for name, (_, stages) in so_far.items()} if split else {}
        more = lacking(whole, gate, stages)
        if not any(more.values()):
            return judge(whole, gate, stages), sum(used.values())
        used = {name: used[name] + more[name] for name in used}


def of_cases(generator: np.random.Generator, **slowed: float) -> dict[str, Case]:
    """Return eight cases; those that are named have a first stage that is slower."""
    return {
        name: drawn(generator, slowed.get(name, 1.0), FIRST, whole_sd=0.03) for name in "abcdefgh"
    }


def test_identical_code_with_stages_alarms_no_more_often_than_the_gate_promises() -> None:
    """A strict level made loose, and stages that go with their call: all that is flagged, at once.

    A row is a whole call or a stage; only what decides is drawn, in arrays.
    """
    gate = Gate(screen_p=0.5, clear_p=0.9, alarm_p=0.05, screen_looks=(4,), confirm_looks=(5, 9))
    generator = np.random.default_rng(7)
    count = 600
    shape = (count, CASES, STAGES)

    def draw(replicates: int) -> tuple[np.ndarray, np.ndarray]:
        common = generator.standard_normal((count, CASES, 1, replicates))
        own = generator.standard_normal((*shape, replicates))
        return common + own, common[:, :, 0] + own.mean(axis=2)

    screened, fresh = draw(4), draw(9)
    stages = screen(screened[0].reshape(-1, 4), gate, STAGES).direction.reshape(shape)
    whole = screen(screened[1].reshape(-1, 4), gate).direction.reshape(shape[:2])
    of_case = np.count_nonzero(stages, axis=2)
    flagged = np.count_nonzero(whole, axis=1) + np.count_nonzero(of_case, axis=1)
    tests = np.broadcast_to(np.maximum(of_case, 1)[..., None], shape).ravel()
    many = np.broadcast_to(flagged[:, None, None], shape).ravel()
    stage_p = confirm(fresh[0].reshape(-1, 9), stages.ravel(), many, gate, tests).p_value
    whole_p = confirm(fresh[1].reshape(-1, 9), whole.ravel(), many[::STAGES], gate).p_value
    smallest = np.minimum(stage_p.reshape(count, -1).min(axis=1), whole_p.reshape(count, -1).min(1))
    alarms = float(np.mean(smallest < level(gate.alarm_p, flagged)))
    assert np.mean(of_case > 0) > 0.3
    assert 0 < alarms <= gate.alarm_p


@pytest.mark.slow
def test_identical_code_takes_hardly_longer_with_stages() -> None:
    taken = {}
    for split in (True, False):
        generator = np.random.default_rng(3)
        results = [compared(of_cases(generator), split=split) for _ in range(25)]
        assert {verdict.verdict for verdict, _ in results} == {Verdict.WITHIN_NOISE}
        taken[split] = np.mean([replicates for _, replicates in results])
    assert taken[True] < 1.33 * taken[False]  # 1.17 in 150 comparisons


@pytest.mark.slow
def test_stage_that_doubles_is_found_and_named_where_the_whole_call_says_nothing() -> None:
    found = {True: 0, False: 0}
    for seed in range(10):
        cases = of_cases(np.random.default_rng(seed), c=2.0)
        for split in found:
            verdict, replicates = compared(cases, split=split)
            found[split] += verdict.cases["c"].verdict is Verdict.REGRESSED
            if split:
                assert verdict.verdict is Verdict.REGRESSED
                assert [stage.name for stage in verdict.cases["c"].named] == [NAMES[0]]
                assert (verdict.explaining(), verdict.slowest()) == ("c", "c")
                assert replicates <= 16 * CASES
    assert found[True] == 10
    assert found[False] < 8


def test_estimates_of_a_stage_are_those_of_its_fresh_replicates() -> None:
    verdict, _ = compared({"c": drawn(np.random.default_rng(1), 1.4, FIRST)})
    (stage,) = verdict.cases["c"].named
    assert stage.ratio.value == pytest.approx(1.4, rel=0.02)
    assert stage.of_call.value == pytest.approx(0.012, rel=0.05)
    assert stage.direction == 1
    assert stage.p_value is not None
    assert stage.p_value < GATE.alarm_p
    assert verdict.cases["c"].of_call == stage.of_call.value
    assert len(verdict.cases["c"].stages) == STAGES


def test_what_surely_costs_less_than_the_tolerance_is_told_and_is_no_alarm() -> None:
    case = drawn(np.random.default_rng(1), 1.1, FIRST)  # + 0.3 % of a call
    found, _ = compared({"c": case})
    assert found.verdict is Verdict.WITHIN_NOISE
    assert found.cases["c"].tolerated
    assert found.cases["c"].named[0].name == NAMES[0]
    strict, _ = compared({"c": case}, replace(GATE, tolerance=0.001))
    assert strict.verdict is Verdict.REGRESSED
    assert not strict.cases["c"].tolerated


def test_stages_that_change_in_both_directions_count_together() -> None:
    whole, stages = drawn(np.random.default_rng(1), 1.4, FIRST, whole_sd=0.03)
    faster = stages.log_ratios.copy()
    faster[1] -= math.log(1.4) * 0.55
    of_call = FIRST[:, None] * np.expm1(faster)
    found, _ = compared({"c": (whole, CaseStages(NAMES, faster, of_call))})
    assert {stage.direction for stage in found.cases["c"].named} == {1, -1}
    assert found.cases["c"].of_call == pytest.approx(0.012 - 0.0086, abs=0.001)
    assert found.verdict is Verdict.WITHIN_NOISE


def test_sure_change_of_the_whole_call_is_what_counts() -> None:
    """Stages that are slower in a call that is not are no regression."""
    whole, stages = drawn(np.random.default_rng(1), 1.4, FIRST, whole_sd=0.001)
    equal = [x - math.log1p(0.012) - 0.02 for x in whole]
    found, _ = compared({"c": (equal, stages)})
    assert found.verdict is Verdict.IMPROVED
    assert found.cases["c"].of_call == pytest.approx(-0.02, abs=0.004)


@pytest.mark.parametrize("slower", [1.25, 1.5])
def test_stage_of_all_cases_is_found_in_their_first_replicates(slower: float) -> None:
    """+0.75 % of a call, where a whole call is known to 3 %: six replicates of each case."""
    generator = np.random.default_rng(2)
    cases = {name: drawn(generator, slower, FIRST, whole_sd=0.03) for name in "abcdefgh"}
    found, replicates = compared(cases)
    assert found.overall is not None
    assert found.overall.verdict is Verdict.REGRESSED
    assert found.explaining() == OVERALL
    (stage,) = found.overall.named
    assert stage.name == NAMES[0]
    assert stage.ratio.value == pytest.approx(slower, rel=0.02)
    assert stage.of_call.value == pytest.approx(0.03 * (slower - 1), rel=0.05)
    assert all(case.left_to_overall for case in found.cases.values())
    assert replicates == CASES * (GATE.early_look + GATE.overall_looks[0])


def test_stage_of_all_cases_at_the_tolerance_is_told_and_not_measured_case_by_case() -> None:
    """+0.4 % of a call in every case: surely there over all, and no case is worth minutes."""
    generator = np.random.default_rng(2)
    cases = {name: drawn(generator, 1.133, FIRST, whole_sd=0.03) for name in "abcdefgh"}
    found, replicates = compared(cases)
    assert found.verdict is Verdict.WITHIN_NOISE
    assert found.overall is not None
    assert found.overall.tolerated
    assert [stage.name for stage in found.overall.named] == [NAMES[0]]
    assert replicates <= CASES * 20


def test_stage_that_is_faster_in_a_slower_comparison_is_not_waited_for() -> None:
    """What a commit takes from one stage and gives to another is looked at no longer than that."""
    generator = np.random.default_rng(2)
    cases = {}
    for name in "abcdefgh":
        whole, stages = drawn(generator, 1.5, FIRST, whole_sd=0.03)
        logs, of_call = stages.log_ratios.copy(), stages.of_call.copy()
        logs[1] -= 0.02
        cases[name] = (whole, replace(stages, log_ratios=logs, of_call=of_call))
    found, replicates = compared(cases)
    assert found.verdict is Verdict.REGRESSED
    assert replicates <= CASES * (GATE.early_look + GATE.overall_looks[-1])


def test_stage_of_two_cases_alone_is_found_in_each() -> None:
    found, _ = compared(of_cases(np.random.default_rng(3), a=1.4, b=1.4))
    regressed = [name for name, case in found.by_name.items() if case.verdict is Verdict.REGRESSED]
    assert regressed == ["a", "b"]


def test_one_case_names_the_stage_where_no_stage_is_common() -> None:
    generator = np.random.default_rng(2)
    cases = {}
    for number, name in enumerate("abcdefgh"):
        whole, stages = drawn(generator, 1.5, FIRST)
        own = tuple(f"{stage} of {number}" for stage in stages.names)
        cases[name] = (whole, replace(stages, names=own))
    found, replicates = compared(cases)
    assert found.overall is not None
    assert found.overall.verdict is Verdict.REGRESSED
    named = [name for name, case in found.cases.items() if case.named]
    assert len(named) == 1
    assert found.explaining() == found.slowest() == named[0]
    assert sum(case.left_to_overall for case in found.cases.values()) == CASES - 1
    assert replicates <= 6 * CASES + GATE.confirm_looks[0] + 4 * CASES


def test_small_change_of_all_cases_together_hides_no_case() -> None:
    generator = np.random.default_rng(4)
    cases = {name: drawn(generator, 1.02, FIRST, 0.0005) for name in "abcdefgh"}
    cases["c"] = drawn(generator, 1.6, FIRST, 0.0005)
    found, _ = compared(cases)
    assert found.cases["c"].verdict is Verdict.REGRESSED


def test_control_drifts_in_a_stage_beyond_the_tolerance() -> None:
    generator = np.random.default_rng(1)
    same, small, large = (first(drawn(generator, by, FIRST, 0.03), 12) for by in (1.0, 1.1, 1.4))
    for (whole, stages), expected in ((same, False), (small, False), (large, True)):
        assert drifted({"c": whole}, GATE, {"c": stages}) is expected
        assert not drifted({"c": whole})
