"""Variances of the cases of a run, moderated; and whether intervals made of them hold."""

import numpy as np
import pytest

from bench.stats.intervals import (
    FIRST_STAGE,
    MODERATED_STAGE,
    first_stage,
    first_stage_prior,
    replicates_needed,
    stein_interval,
)
from bench.stats.moderation import NOTHING_KNOWN, Prior, prior_of


def test_few_cases_know_nothing_of_each_other() -> None:
    assert prior_of([1.0, 1.1, 0.9], 4) == NOTHING_KNOWN
    variances, freedom = NOTHING_KNOWN.moderated(np.array([3.0]), 4)
    assert (variances[0], freedom) == (3.0, 4)
    assert first_stage(NOTHING_KNOWN) == FIRST_STAGE


def test_moderated_variance_lies_between_the_case_s_own_and_the_common_one() -> None:
    variance, freedom = Prior(1.0, 12.0).moderated(np.array([5.0]), 4)
    assert variance[0] == pytest.approx((12 * 1.0 + 4 * 5.0) / 16)
    assert freedom == 16


def test_equal_variances_are_known_as_well_as_all_cases_together() -> None:
    draws = np.random.default_rng(0).standard_normal((4000, 5)).var(axis=1, ddof=1)
    prior = prior_of(draws.tolist(), 4)
    assert prior.variance == pytest.approx(1, rel=0.05)
    assert prior.freedom > 100


def test_how_alike_the_variances_are_is_found() -> None:
    """Variances that vary as if known with ten degrees of freedom (scaled inverse chi-square)."""
    random = np.random.default_rng(1)
    true = 2.0 * 10 / random.chisquare(10, 20_000)
    seen = true * random.chisquare(4, true.size) / 4
    prior = prior_of(seen.tolist(), 4)
    assert prior.freedom == pytest.approx(10, rel=0.15)
    assert prior.variance == pytest.approx(2, rel=0.05)


def test_wildly_different_variances_are_left_as_they_are() -> None:
    prior = prior_of([1e-8, 1e-4, 1.0, 1e4, 1e8], 4)
    assert prior.freedom < 0.5


def test_replicates_without_any_spread_do_not_count() -> None:
    assert prior_of([0.0] * 9, 4) == NOTHING_KNOWN


@pytest.mark.slow
@pytest.mark.parametrize("cases", [5, 12])
@pytest.mark.parametrize("spread_of_sds", [0.0, 0.3, 0.5, 1.0])
def test_intervals_of_two_stages_hold(spread_of_sds: float, cases: int) -> None:
    """Runs of several cases, whose standard deviations differ; each goes on until it is sure."""
    random = np.random.default_rng(7)
    held = total = 0
    for _ in range(2000 // cases):
        sds = 0.01 * np.exp(random.normal(0, spread_of_sds, cases))
        first = [random.normal(0, sd, MODERATED_STAGE).tolist() for sd in sds]
        prior = first_stage_prior(first)
        for sd, begun in zip(sds, first, strict=True):
            stage = [*begun, *random.normal(0, sd, first_stage(prior) - MODERATED_STAGE)]
            needed = replicates_needed(stage, 0.01, prior) or 0
            values = [*stage, *random.normal(0, sd, min(needed, 400) - len(stage))]
            found = stein_interval(values, prior)
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 0 <= found.high
            total += 1
    assert held / total > 0.93


def test_common_knowledge_saves_replicates() -> None:
    draws = np.random.default_rng(3).normal(0, 0.01, (40, 12, FIRST_STAGE))
    alone, together = [], []
    for run in draws.tolist():
        prior = first_stage_prior(run)
        alone += [replicates_needed(values, 0.005) or 0 for values in run]
        begun = [values[: first_stage(prior)] for values in run]
        together += [replicates_needed(values, 0.005, prior) or 0 for values in begun]
    assert np.mean(together) < 0.75 * np.mean(alone)
