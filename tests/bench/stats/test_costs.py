"""Costs and latencies, from rounds to values that can be worked out."""

import math

import numpy as np
import pytest

from bench import stats
from tests.support.factories import rounds


def test_log_ratio_is_the_median_over_rounds() -> None:
    measured = {"fpn": [1.0] * 3, "panet": [1.5, 1.5, 100.0], "fpn_again": [1.0] * 3}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


def test_drift_cancels_within_a_round() -> None:
    """Both arms become ten times slower over the replicate; their ratio does not."""
    drift = np.geomspace(1, 10, 12)
    measured = {"fpn": list(drift), "panet": list(1.5 * drift), "fpn_again": list(drift)}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


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
