"""Statistics against values that can be worked out, and coverage against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import stats
from tests.support.factories import rounds

VALUES = st.lists(st.floats(-1, 1), min_size=3, max_size=20)


def test_log_ratio_is_the_median_over_rounds() -> None:
    measured = {"fpn": [1.0] * 3, "panet": [1.5, 1.5, 100.0], "fpn_again": [1.0] * 3}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


def test_drift_cancels_within_a_round() -> None:
    """Both arms become ten times slower over the replicate; their ratio does not."""
    drift = np.geomspace(1, 10, 12)
    measured = {"fpn": list(drift), "panet": list(1.5 * drift), "fpn_again": list(drift)}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


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
        sample = list(generator.normal(0.4, 0.015, stats.FIRST_STAGE))
        needed = stats.replicates_needed(sample, 0.01)
        assert needed is not None
        sample += list(generator.normal(0.4, 0.015, needed - len(sample)))
        estimate = stats.stein_interval(sample)
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= 0.4 <= estimate.high
    assert covered / trials >= 0.94


def test_smallest_detectable_change_is_found_nineteen_times_of_twenty() -> None:
    generator = np.random.default_rng(3)
    unit = generator.normal(size=8)
    unit = 0.02 * unit / unit.std(ddof=1)  # replicates whose spread is exactly the true one
    size = stats.detectable_ratio(list(unit))
    assert size is not None
    drawn = generator.normal(math.log1p(size), 0.02, (4000, 8))
    error = drawn.std(axis=1, ddof=1) / math.sqrt(8)
    found = abs(drawn.mean(axis=1)) / error > 2.3646  # t(0.975, 7), from a table
    assert 0.94 < found.mean() < 0.97


def test_change_between_two_runs_must_be_larger_to_be_seen() -> None:
    values = [0.1, 0.11, 0.12, 0.13, 0.14]
    one, two = (stats.detectable_ratio(values, runs=runs) for runs in (1, 2))
    assert one is not None
    assert two is not None
    assert two > one
    assert stats.detectable_ratio(values[:2]) is None


def test_cost_has_ratio_difference_and_noise_floor() -> None:
    found = stats.cost([rounds(1.4, 1.01), rounds(1.5, 0.99), rounds(1.6, 1.0)], 0.02)
    assert found is not None
    # Half of the pairs are with fpn_again, so half of its deviation is in the median.
    assert found.ratio.value == pytest.approx((1.4 * 1.5 * 1.6 / (1.01 * 0.99) ** 0.5) ** (1 / 3))
    assert found.aa_ratio.value == pytest.approx((1.01 * 0.99) ** (1 / 3))
    assert found.difference_s.value == pytest.approx(0.5 * 0.0125, rel=0.01)
    assert found.replicates == 3
    assert found.rounds == 18
    assert found.replicates_needed is None


def test_swapped_arms_give_the_inverse_ratio() -> None:
    measured = [rounds(ratio) for ratio in (1.4, 1.5, 1.7, 1.6)]
    swapped = [{"fpn": r["panet"], "fpn_again": r["panet"], "panet": r["fpn"]} for r in measured]
    there, back = stats.cost(measured, 0.02), stats.cost(swapped, 0.02)
    assert there is not None
    assert back is not None
    assert back.ratio.value == pytest.approx(1 / there.ratio.value)
    assert there.ratio.high is not None
    assert back.ratio.low == pytest.approx(1 / there.ratio.high)


def test_nothing_measured_has_no_cost() -> None:
    assert stats.cost([], 0.02) is None
    assert stats.latency_s([], "fpn") is None


def test_replicate_far_from_the_others_is_told_and_counts() -> None:
    ratios = [1.50, 1.51, 1.49, 1.50, 1.52, 1.48, 1.90]
    found = stats.cost([rounds(ratio) for ratio in ratios], 0.02)
    assert found is not None
    assert found.outliers == (6,)
    assert found.replicates == 7
    assert found.ratio.value == pytest.approx(math.exp(np.mean(np.log(ratios))))


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


def test_suite_is_the_geometric_mean() -> None:
    found = stats.mean_ratio([[math.log(1.1)] * 3, [math.log(0.9)] * 3])
    assert found is not None
    assert found.value == pytest.approx(math.sqrt(1.1 * 0.9))
    spread = stats.mean_ratio([[0.0, 0.02, 0.01], [0.0, -0.02, 0.01]])
    assert spread is not None
    assert spread.low is not None
    assert spread.low < spread.value
    assert stats.mean_ratio([[0.1]]) is None
