"""Two runs that did not take turns: by how much they differ, and what they would tell apart.

Pure functions of arrays. Every value is one replicate's: a process of its own.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from bench.stats import between_runs
from bench.stats.intervals import (
    CONFIDENCE,
    MIN_FOR_INTERVAL,
    Estimate,
    error_of_sum,
    exponential,
    quantile,
)
from bench.stats.moderation import NOTHING_KNOWN, Prior

POWER = 0.95
"""Of the minimum detectable effect: found in 19 cases of 20."""


def ratio_between(base: Sequence[float], head: Sequence[float], apart: float = 0.0) -> Estimate:
    """Return head over base of two runs that did not take turns, with Welch's 95 % interval.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
        apart: standard deviation of what the runs differ by whatever their replicates say.
    """
    mean, error, freedom = _difference(base, head, apart)
    half = quantile(0.5 + CONFIDENCE / 2, freedom) * error
    return exponential(Estimate(mean, mean - half, mean + half))


def beyond_p(
    base: Sequence[float], head: Sequence[float], threshold: float, apart: float = 0.0
) -> float:
    """Return the probability of such a difference if the true one is within a threshold.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
        threshold: relative, 0.03: by 3 %, in either direction.
        apart: as for `ratio_between`.
    """
    mean, error, freedom = _difference(base, head, apart)
    beyond = abs(mean) - math.log1p(threshold)
    if not error:
        return float(beyond <= 0)
    return min(1.0, 2 * float(special.stdtr(freedom, -beyond / error)))


def _difference(
    base: Sequence[float], head: Sequence[float], apart: float
) -> tuple[float, float, float]:
    """Return head less base, its standard error, and its degrees of freedom."""
    first, second = np.asarray(base, float), np.asarray(head, float)
    return (float(second.mean() - first.mean()), *error_of_sum((first, second), apart))


def mde_between_runs(log_ratios: Sequence[float], prior: Prior = NOTHING_KNOWN) -> float | None:
    """Return the change (0.02: by 2 %) that two runs such as this one tell apart 19 times of 20.

    Args:
        log_ratios: of one of the runs, one per replicate.
        prior: what other cases of a run say about the spread.

    Returns:
        `None` with fewer than `MIN_FOR_INTERVAL` replicates.
    """
    count = len(log_ratios)
    if count < MIN_FOR_INTERVAL:
        return None
    variances, freedom = prior.moderated(np.var([log_ratios], axis=1, ddof=1), count - 1)
    of_runs = between_runs.sd(float(np.mean(log_ratios)))
    error = math.sqrt(2 * (variances.item() / count + of_runs**2))
    quantiles = quantile(0.5 + CONFIDENCE / 2, 2 * freedom) + quantile(POWER, 2 * freedom)
    return math.expm1(quantiles * error)
