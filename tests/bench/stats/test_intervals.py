"""Intervals against values that can be worked out, and coverage against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from bench import stats
from bench.stats import between_runs

VALUES = st.lists(st.floats(-1, 1), min_size=3, max_size=20)


def test_interval_is_that_of_student_where_only_one_stage_was_taken() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    estimate = stats.stein_interval(values)
    half = 2.7764451 * np.std(values, ddof=1) / math.sqrt(5)  # t(0.975, 4), from a table
    assert estimate.value == 3.0
    assert estimate.low == pytest.approx(3.0 - half)
    assert estimate.high == pytest.approx(3.0 + half)


def test_two_replicates_have_no_interval() -> None:
    assert stats.stein_interval([1.0, 2.0]) == stats.Estimate(1.5, None, None)


def test_number_needed_is_not_known_before_the_first_stage_ends() -> None:
    assert stats.replicates_needed([0.1] * 4, 0.01) is None
    assert stats.replicates_needed([0.1] * 5, 0.01) == 5


@given(VALUES, st.floats(-5, 5))
def test_interval_moves_with_the_values(values: list[float], shift: float) -> None:
    before = stats.stein_interval(values)
    after = stats.stein_interval([value + shift for value in values])
    assert before.low is not None
    assert after.low == pytest.approx(before.low + shift, abs=1e-9)


@given(VALUES, st.floats(0.001, 0.5))
def test_number_needed_reaches_the_half_width(values: list[float], half_width: float) -> None:
    needed = stats.replicates_needed(values, half_width)
    if needed is None or needed > 10_000:
        return
    more = values + [float(np.mean(values))] * (needed - len(values))
    estimate = stats.stein_interval(more)
    assert estimate.high is not None
    assert estimate.high - estimate.value <= half_width * (1 + 1e-9)


def test_two_stages_keep_their_coverage() -> None:
    """A rule that stops when the interval looks narrow covers 92 %; Stein's covers what it says."""
    generator = np.random.default_rng(7)
    trials, covered = 4000, 0
    for _ in range(trials):
        sample = list(generator.normal(0.4, 0.03, stats.FIRST_STAGE))
        needed = stats.replicates_needed(sample, 0.02)
        assert needed is not None
        sample += list(generator.normal(0.4, 0.03, needed - len(sample)))
        estimate = stats.stein_interval(sample)
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= 0.4 <= estimate.high
    assert covered / trials >= 0.94


def test_minimum_detectable_effect_of_two_runs_is_found_nineteen_times_of_twenty() -> None:
    generator = np.random.default_rng(3)
    unit = generator.normal(size=8)
    unit = 0.02 * unit / unit.std(ddof=1)  # replicates whose spread is exactly the true one
    size = stats.mde_between_runs(list(unit))
    assert size is not None
    base, head = (generator.normal(mean, 0.02, (4000, 8)) for mean in (0.0, math.log1p(size)))
    error = np.sqrt((base.var(axis=1, ddof=1) + head.var(axis=1, ddof=1)) / 8)
    found = abs(head.mean(axis=1) - base.mean(axis=1)) / error > 2.1448  # t(0.975, 14), a table's
    assert 0.94 < found.mean() < 0.97
    assert stats.mde_between_runs(list(unit[:2])) is None


def test_number_fixed_before_gives_students_interval_over_all_replicates() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 30.0]
    estimate = stats.t_interval(values)
    half = 2.5705818 * np.std(values, ddof=1) / math.sqrt(6)  # t(0.975, 5), from a table
    assert (estimate.low, estimate.high) == pytest.approx((7.5 - half, 7.5 + half))


def test_interval_is_of_the_first_stage_or_as_wide_as_all_replicates_say() -> None:
    of_first = 2.7764451 * math.sqrt(2.5)  # t(0.975, 4), and the variance of 1..5
    near, far = [1.0, 2.0, 3.0, 4.0, 5.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0, 30.0]
    assert stats.stein_interval(near).half_width == pytest.approx(of_first / math.sqrt(6))
    assert stats.stein_interval(far).half_width == stats.t_interval(far).half_width
    equal_work = [(np.array(values) - np.mean(values)).tolist() for values in (near, far)]
    needed = [stats.replicates_needed(values, half_width=1.0) for values in equal_work]
    assert needed == [math.ceil(of_first**2), math.ceil(6 * 11.6624364**2)]


def test_ratio_is_the_exponential_of_the_interval() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 1.5]
    bounds, found, short = stats.t_interval(values), stats.t_ratio(values), stats.t_ratio([0.1, 1])
    assert bounds.low is not None
    assert found.low == pytest.approx(math.exp(bounds.low))
    assert short.low is None
    assert stats.stein_ratio(values[:2]).low is None


def test_ratio_of_a_run_holds_for_the_next_run() -> None:
    """Two calls that differ by a part: its time moves from run to run, the rest does not."""
    generator = np.random.default_rng(0)
    part, held = 0.5, 0
    for moved in generator.normal(0, between_runs.MOVED, 2_000):
        truth = math.log1p(part * math.exp(moved))
        (found,) = stats.stein_ratios([(truth + generator.normal(0, 0.002, 6)).tolist()])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 + part <= found.high
    assert held / 2_000 == pytest.approx(0.955, abs=0.015)


def test_equal_work_is_as_equal_in_every_run() -> None:
    assert between_runs.sd(0.0) == 0
    assert between_runs.sd(math.log(2)) == between_runs.sd(math.log(0.5)) == between_runs.MOVED / 2
    assert stats.left_for_replicates([0.0] * 3, 0.01) == 0.01


def test_what_runs_differ_by_is_left_for_no_replicate() -> None:
    logs = [math.log(1.5) + 0.001 * x for x in (-1, 0, 1, 2, -2)]
    left = stats.left_for_replicates(logs, 0.01)
    assert math.hypot(left, 1.959964 * between_runs.MOVED / 3) == pytest.approx(0.01, rel=1e-3)
    assert stats.left_for_replicates(logs, 0.005) == 0
    assert stats.replicates_needed(logs, 0.005) is None
    assert stats.replicates_needed(logs, 0.01) == 5


def test_seconds_of_several_cases_spread_in_proportion() -> None:
    """Four cases of very different length, alike relative to it: each is known better."""
    cases = [[scale * x for x in (0.98, 1.0, 1.02)] for scale in (0.001, 0.01, 0.1, 1.0)]
    alone, together = stats.relative_intervals(cases[:1]), stats.relative_intervals(cases)
    for found, case in zip(together, cases, strict=True):
        assert found is not None
        assert found.high is not None
        assert found.value == pytest.approx(case[1])
        assert 0.02 * case[1] < found.high - found.value < 0.04 * case[1]
    assert alone[0] is not None
    assert alone[0].high == pytest.approx(0.001 * (1 + 4.3027 * 0.02 / math.sqrt(3)), rel=1e-4)


def test_two_runs_are_told_apart_as_welch_does() -> None:
    """Variances 0.01 and 0.1 over 3 and 5 replicates (Welch, 1947), worked out beside it."""
    base, head = [0.9, 1.0, 1.1], [2.6, 2.8, 3.0, 3.2, 3.4]
    estimate = stats.ratio_between(base, head)
    error = math.sqrt(0.01 / 3 + 0.1 / 5)
    freedom = error**4 / ((0.01 / 3) ** 2 / 2 + (0.1 / 5) ** 2 / 4)
    half = float(distributions.t.ppf(0.975, freedom)) * error
    assert estimate.low is not None
    assert math.log(estimate.value) == pytest.approx(2.0)
    assert math.log(estimate.low) == pytest.approx(2.0 - half)
    expected = 2 * float(distributions.t.sf((2.0 - math.log(6.5)) / error, freedom))
    assert stats.beyond_p(base, head, 5.5) == pytest.approx(expected)
    assert stats.beyond_p(head, base, 5.5) == pytest.approx(expected)


def test_two_runs_are_told_apart_beyond_what_runs_differ_by() -> None:
    """Equal code, whose runs move apart by a hundredth: 5 of 100 differ at p = 0.05."""
    generator = np.random.default_rng(0)
    found = held = 0
    for base, head in generator.normal(0, 0.01 / math.sqrt(2), (1_000, 2)):
        first, second = (each + generator.normal(0, 0.003, 5) for each in (base, head))
        found += stats.beyond_p(first.tolist(), second.tolist(), 0.0, 0.01) < 0.05
        ratio = stats.ratio_between(first.tolist(), second.tolist(), 0.01)
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= 1 <= ratio.high
    assert found == 1_000 - held
    assert found / 1_000 == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("head", "threshold", "p_value"), [(0.25, 0.0, 1.0), (0.5, 0.1, 0.0), (0.5, 0.5, 1.0)]
)
def test_runs_without_any_spread_differ_surely_or_not_at_all(
    head: float, threshold: float, p_value: float
) -> None:
    ratio = math.exp(head - 0.25)
    assert stats.ratio_between([0.25] * 3, [head] * 3) == stats.Estimate(ratio, ratio, ratio)
    found = stats.beyond_p([0.25] * 3, [head] * 3, threshold)
    assert found == pytest.approx(p_value, abs=1e-12)


@given(VALUES, st.floats(0.1, 10), st.floats(-5, 5))
def test_outliers_do_not_depend_on_unit_or_origin(
    values: list[float], factor: float, shift: float
) -> None:
    rounded = [round(value, 3) for value in values]
    moved = [factor * value + shift for value in rounded]
    inner = [abs(v - np.median(rounded)) for v in rounded]
    limit = 3.5 * 1.4826 * float(np.median(inner))
    if all(abs(distance - limit) > 1e-6 for distance in inner) and limit > 1e-6:
        assert stats.outliers(moved) == stats.outliers(rounded)


def test_few_replicates_have_no_outliers() -> None:
    assert stats.outliers([1.0, 1.0, 1.0, 9.0]) == ()
    assert stats.outliers([1.0] * 6) == ()


def test_all_cases_together_are_their_geometric_mean() -> None:
    found = stats.mean_ratio([[math.log(1.1)] * 3, [math.log(0.9)] * 3])
    assert found is not None
    assert found.value == pytest.approx(math.sqrt(1.1 * 0.9))
    spread = stats.mean_ratio([[0.0, 0.02, 0.01], [0.0, -0.02, 0.01]])
    assert spread is not None
    assert spread.low is not None
    assert spread.low < spread.value
    assert stats.mean_ratio([[0.1]]) is None
