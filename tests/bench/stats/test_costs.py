"""Costs and latencies, from rounds to values that can be worked out."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from bench import stats
from bench.stats import between_runs
from bench.stats.readings import centre
from tests.support.factories import rounds


def turns(*replicates: dict[str, list[float]]) -> list[stats.Calls]:
    return [stats.Calls(rounds_s) for rounds_s in replicates]


def split(fpn: float, part: float, speeds: Sequence[float], slowed: float = 1.0) -> stats.Calls:
    """Return rounds of a machine that runs each call at a speed of its own.

    Args:
        fpn: seconds of FPN alone.
        part: of the bottom-up path.
        speeds: of the machine, three calls to a round.
        slowed: what FPN takes beside the path, relative.
    """
    alone, again, beside = speeds[0::3], speeds[1::3], speeds[2::3]
    spans = {
        "fpn p2 smooth": [fpn * slowed * x * 0.9 for x in beside],
        "fpn p5 lateral": [fpn * slowed * x * 0.1 for x in beside],
        "panet n3 fuse": [part * x * 0.75 for x in beside],
        "panet n4 fuse": [part * x * 0.25 for x in beside],
    }
    rounds_s = {
        "fpn": [fpn * x for x in alone],
        "fpn_again": [fpn * x for x in again],
        "panet": [(fpn * slowed + part) * x for x in beside],
    }
    return stats.Calls(rounds_s, {"panet": spans})


def test_cost_inside_the_call_does_not_feel_the_speed_of_the_machine() -> None:
    speeds = np.random.default_rng(0).lognormal(0, 0.3, (6, 30))
    found = stats.cost([split(1.0, 0.5, row.tolist()) for row in speeds], 0.01)
    assert found is not None
    assert found.inside
    assert found.ratio.value == pytest.approx(1.5)
    # What is left is what runs differ by.
    assert found.half_width_ratio == pytest.approx(1.959964 * between_runs.sd(math.log(1.5)), 1e-3)
    assert found.whole_ratio is not None
    assert found.whole_ratio.low is not None
    assert found.whole_ratio.high is not None
    assert found.whole_ratio.high - found.whole_ratio.low > 0.05


def test_residual_is_what_the_part_does_to_the_rest() -> None:
    found = stats.cost([split(1.0, 0.5, [1.0] * 9, slowed=1.02)] * 5, 0.01)
    assert found is not None
    assert found.ratio.value == pytest.approx(1 + 0.5 / 1.02)
    assert found.residual is not None
    assert found.residual.value == pytest.approx(1.02)
    assert found.whole_ratio is not None
    assert found.whole_ratio.value == pytest.approx(found.ratio.value * found.residual.value)
    assert found.difference_s.value == pytest.approx(0.5)


def test_calls_that_are_not_split_everywhere_are_read_whole() -> None:
    replicates = [split(1.0, 0.5, [1.0] * 9), *turns(rounds(1.5), rounds(1.5))]
    found = stats.cost(replicates, 0.01)
    assert found is not None
    assert not found.inside
    assert found.residual is None
    assert found.ratio == found.whole_ratio


def test_a_network_without_the_part_is_not_split() -> None:
    calls = split(1.0, 0.5, [1.0] * 9)
    without = {s: x for s, x in calls.spans_s["panet"].items() if not s.startswith("panet")}
    assert not stats.is_split([stats.Calls(calls.rounds_s, {"panet": without})])


def test_stages_have_shares_and_latencies_that_add_up() -> None:
    replicates = [split(1.0, 0.5, [1.0] * 9)] * 5
    times = stats.stage_times(replicates, "panet")
    assert sum(time.share.value for time in times.values()) == pytest.approx(1)
    assert sum(time.time_s.value for time in times.values()) == pytest.approx(1.5)


@pytest.mark.filterwarnings("error")
def test_stages_are_those_of_the_replicates_with_undisturbed_calls() -> None:
    calm = split(1.0, 0.5, [1.0] * 9)
    without: dict[str, list[float]] = {stage: [] for stage in calm.spans_s["panet"]}
    disturbed = stats.Calls({arm: [] for arm in calm.rounds_s}, {"panet": without})
    assert stats.stage_times([disturbed, *[calm] * 5], "panet") == stats.stage_times(
        [calm] * 5, "panet"
    )


def test_log_ratio_is_the_median_over_rounds() -> None:
    measured = {"fpn": [1.0] * 3, "panet": [1.5, 1.5, 100.0], "fpn_again": [1.0] * 3}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


def test_drift_cancels_within_a_round() -> None:
    """Both arms become ten times slower over the replicate; their ratio does not."""
    drift = np.geomspace(1, 10, 12)
    measured = {"fpn": list(drift), "panet": list(1.5 * drift), "fpn_again": list(drift)}
    assert stats.log_ratio(measured) == pytest.approx(math.log(1.5))


def test_cost_has_ratio_difference_and_noise_floor() -> None:
    found = stats.cost(turns(rounds(1.4, 1.01), rounds(1.5, 0.99), rounds(1.6, 1.0)), 0.02)
    assert found is not None
    # Half of the pairs are with fpn_again, so half of its deviation is in the median.
    assert found.ratio.value == pytest.approx((1.4 * 1.5 * 1.6 / (1.01 * 0.99) ** 0.5) ** (1 / 3))
    assert found.aa_ratio is not None
    assert found.aa_ratio.value == pytest.approx((1.01 * 0.99) ** (1 / 3))
    assert found.difference_s.value == pytest.approx(0.5 * 0.0125, rel=0.01)
    assert found.replicates == 3
    assert found.rounds == 18
    assert found.replicates_needed is None


def test_swapped_arms_give_the_inverse_ratio() -> None:
    measured = [rounds(ratio) for ratio in (1.4, 1.5, 1.7, 1.6)]
    swapped = [{"fpn": r["panet"], "fpn_again": r["panet"], "panet": r["fpn"]} for r in measured]
    there, back = stats.cost(turns(*measured), 0.02), stats.cost(turns(*swapped), 0.02)
    assert there is not None
    assert back is not None
    assert back.ratio.value == pytest.approx(1 / there.ratio.value)
    assert there.ratio.high is not None
    assert back.ratio.low == pytest.approx(1 / there.ratio.high)


def test_nothing_measured_has_no_cost() -> None:
    assert stats.cost([], 0.02) is None
    assert stats.latencies_s([[]]) == [None]


def test_replicate_far_from_the_others_is_told_and_counts() -> None:
    ratios = [1.50, 1.51, 1.49, 1.50, 1.52, 1.48, 1.90]
    found = stats.cost(turns(*map(rounds, ratios)), 0.02)
    assert found is not None
    assert found.outliers == (6,)
    assert found.replicates == 7
    assert found.ratio.value == pytest.approx(math.exp(np.mean(np.log(ratios))))


@pytest.mark.parametrize("count", range(1, 9))
def test_centre_is_the_median_as_numpy_has_it(count: int) -> None:
    values = np.random.default_rng(count).lognormal(size=count)
    assert centre(values) == np.median(values)
    assert math.isnan(centre(np.append(values, np.nan)))
