"""Two runs that did not take turns: by how much they differ, and what they would tell apart.

Pure functions of arrays. Every value is one replicate's: a process of its own.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from bench.stats import between_runs
from bench.stats.intervals import CONFIDENCE, MIN_FOR_INTERVAL, Estimate, exponential, quantile
from bench.stats.moderation import NOTHING_KNOWN, Prior

POWER = 0.95
"""Of the minimum detectable effect: found in 19 cases of 20."""


def ratio_between(base: Sequence[float], head: Sequence[float]) -> Estimate:
    """Return head over base of two runs that did not take turns, with Welch's 95 % interval.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
    """
    with _spread_or_not():
        bounds = stats.ttest_ind(head, base, equal_var=False).confidence_interval(CONFIDENCE)
    mean = float(np.mean(head) - np.mean(base))
    return exponential(Estimate(mean, float(bounds.low), float(bounds.high)))


def beyond_p(base: Sequence[float], head: Sequence[float], threshold: float) -> float:
    """Return the probability of such a difference if the true one is within a threshold.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
        threshold: relative, 0.03: by 3 %, in either direction.
    """
    direction = 1 if np.mean(head) >= np.mean(base) else -1
    least = direction * np.asarray(head, float) - math.log1p(threshold)
    against = direction * np.asarray(base, float)
    with _spread_or_not():
        test = stats.ttest_ind(least, against, equal_var=False, alternative="greater")
    p_value = 2 * float(test.pvalue)
    return 1.0 if math.isnan(p_value) else min(1.0, p_value)  # no spread, and at the threshold


@contextlib.contextmanager
def _spread_or_not() -> Iterator[None]:
    """Let scipy take replicates without any spread, of which it warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


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
