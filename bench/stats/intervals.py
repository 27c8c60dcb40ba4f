"""Estimates with their 95 % intervals, and how many replicates an interval takes.

Pure functions of arrays. Every value is one replicate's: a process of its own.
"""

import functools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from bench.stats import between_runs
from bench.stats.moderation import NOTHING_KNOWN, Prior, prior_of

CONFIDENCE = 0.95

NORMAL = float(special.ndtri(0.5 + CONFIDENCE / 2))
"""Standard deviations to either side of what the normal distribution holds so often."""

FIRST_STAGE = 5
"""Replicates before anyone looks at their spread. Fewer make Stein's interval wide (t of 4 degrees
of freedom is 2.8, of 3 it is 3.2), more cost time in cases with little noise."""

MODERATED_STAGE = 3
"""The same where the other cases of the run say how far replicates spread."""

PRIOR_SHARE = 0.5
"""Of what the other cases say: a prior is an estimate itself. Drawn from machines whose cases
spread equally to very differently, 95 % intervals hold 94-96 % with half of it, 92.5-95 % with
all."""

OUTLIER_SDS = 3.5
"""Robust standard deviations from the median (Iglewicz and Hoaglin, 1993)."""

MIN_FOR_INTERVAL = 3
"""Two replicates give a t quantile of 12.7: an interval in name only."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `None` bounds where there are too few replicates."""

    value: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """Half of the interval; `None` where it is unknown."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def half_width_ratio(self) -> float | None:
        """Half of the interval over the value; `None` where it is unknown."""
        return None if self.half_width is None else self.half_width / self.value


def t_interval(values: Sequence[float]) -> Estimate:
    """Return mean and 95 % interval (Student, 1908) of replicates whose number was fixed before."""
    (estimate,) = _intervals(np.asarray([values], float), {len(values)}, NOTHING_KNOWN)
    return estimate


def stein_interval(values: Sequence[float], prior: Prior = NOTHING_KNOWN) -> Estimate:
    """Return mean and 95 % interval of replicates taken in two stages (Stein, 1945).

    How many replicates are taken depends on the spread of the first ones, so a plain t interval
    over all of them is too narrow. With the variance of the first stage alone the coverage is exact
    for normal replicates, whatever number follows. Where all of them spread more than that, as with
    one that comes late and lies far off, the interval is as wide as they say: it holds no less.

    Args:
        values: one per replicate, in the order in which they were taken.
        prior: what the first stages of other cases say about the spread.
    """
    (estimate,) = stein_intervals(np.asarray([values], float), prior)
    return estimate


def stein_intervals(samples: Floats, prior: Prior = NOTHING_KNOWN) -> list[Estimate]:
    """Return the `stein_interval` of every row: (samples, replicates)."""
    return _intervals(samples, {first_stage(prior), samples.shape[1]}, prior)


def relative_intervals(
    cases: Sequence[Sequence[float] | Floats], scales: Sequence[float] | None = None
) -> list[Estimate | None]:
    """Return the `stein_interval` of every case of a run; `None` without replicates.

    Args:
        cases: of one quantity the replicates of each case.
        scales: that they spread in proportion to; the means, of a quantity that is positive.
    """
    if scales is None:
        scales = [float(np.mean(values)) if len(values) else 1.0 for values in cases]
    relative = [np.asarray(v, float) / scale for v, scale in zip(cases, scales, strict=True)]
    prior = first_stage_prior(relative)
    counts = np.array([len(values) for values in relative], int)
    estimates: list[Estimate | None] = [None] * len(relative)
    for count in np.unique(counts[counts > 0]).tolist():
        places = np.flatnonzero(counts == count).tolist()
        samples = np.array([relative[place] for place in places])
        for place, found in zip(places, stein_intervals(samples, prior), strict=True):
            estimates[place] = _scaled(found, scales[place])
    return estimates


def first_stage(prior: Prior) -> int:
    """Return how many replicates a case has before anyone looks at their spread."""
    return MODERATED_STAGE if prior.freedom else FIRST_STAGE


def first_stage_prior(cases: Iterable[Sequence[float] | Floats]) -> Prior:
    """Return what the first stages of the cases of a run say about each other's spread."""
    stages = [values[:MODERATED_STAGE] for values in cases if len(values) >= MODERATED_STAGE]
    if not stages:
        return NOTHING_KNOWN
    prior = prior_of(np.var(np.array(stages, float), axis=1, ddof=1).tolist(), MODERATED_STAGE - 1)
    return Prior(prior.variance, prior.freedom * PRIOR_SHARE)


def _intervals(samples: Floats, stages: Collection[int], prior: Prior) -> list[Estimate]:
    """Return an interval per row, from the largest spread of so many of its first replicates."""
    count = samples.shape[1]
    means: list[float] = samples.mean(axis=1).tolist()
    if count < MIN_FOR_INTERVAL:
        return [Estimate(mean, None, None) for mean in means]
    widths = [_half_widths(samples[:, :stage], prior) for stage in stages]
    halves = np.max(widths, axis=0) / math.sqrt(count)
    pairs = zip(means, halves.tolist(), strict=True)
    return [Estimate(mean, mean - half, mean + half) for mean, half in pairs]


def _half_widths(stages: Floats, prior: Prior) -> Floats:
    """Return the half-width that a single replicate would have, per row, from its first stage."""
    variances, freedom = prior.moderated(stages.var(axis=1, ddof=1), stages.shape[1] - 1)
    return quantile(0.5 + CONFIDENCE / 2, freedom) * np.sqrt(variances)


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    low, high = (None if x is None else x * scale for x in (estimate.low, estimate.high))
    return Estimate(estimate.value * scale, low, high)


def t_ratio(log_ratios: Sequence[float]) -> Estimate:
    """Return the ratio of replicates' log ratios, with its `t_interval`."""
    return exponential(t_interval(log_ratios))


def stein_ratios(cases: Sequence[Sequence[float]]) -> list[Estimate | None]:
    """Return the ratio of every case of a run, with an interval; `None` without any.

    Args:
        cases: the log ratios of the replicates of each.
    """
    prior = first_stage_prior(cases)
    return [stein_ratio(logs, prior) if logs else None for logs in cases]


def stein_ratio(log_ratios: Sequence[float], prior: Prior = NOTHING_KNOWN) -> Estimate:
    """Return the ratio of a case; its interval holds for other runs of the machine, too.

    Args:
        log_ratios: as the values of `stein_interval`, whose interval is that of this run's minutes.
        prior: as there.
    """
    within = stein_interval(log_ratios, prior)
    return exponential(_wider(within, between_runs.sd(within.value)))


def stein_shares(
    cases: Sequence[Sequence[float]], scales: Sequence[float] | None = None
) -> list[Estimate | None]:
    """Return shares of the call as `relative_intervals` does, for other runs of the machine, too.

    Args:
        cases: per case, or per part, the shares of its replicates.
        scales: as there.
    """
    found = relative_intervals(cases, scales)
    return [one and _wider(one, between_runs.sd_of_share(one.value)) for one in found]


def mean_ratio(cases: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the geometric mean of the cases' ratios with its 95 % interval.

    Args:
        cases: per case the log ratios of its replicates; as for `mean_of_cases`.
    """
    mean = mean_of_cases(cases)
    return None if mean is None else exponential(mean)


def mean_of_cases(cases: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the mean over the cases with its 95 % interval.

    With the degrees of freedom that the cases' variances leave (Satterthwaite, 1946).

    Args:
        cases: per case its replicates; those with too few do not count.
    """
    known = [np.asarray(values, float) for values in cases if len(values) >= MIN_FOR_INTERVAL]
    if not known:
        return None
    mean = float(np.mean([values.mean() for values in known]))
    error, freedom = error_of_sum(known)
    half = quantile(0.5 + CONFIDENCE / 2, freedom) * error / len(known)
    return Estimate(mean, mean - half, mean + half)


def error_of_sum(samples: Sequence[Floats], known: float = 0.0) -> tuple[float, float]:
    """Return the standard error of a sum of means, and its degrees of freedom.

    Those of Satterthwaite (1946), which of two means are Welch's (1947).

    Args:
        samples: of each mean; two or more values each.
        known: standard deviation of what is added and has a spread that is known.
    """
    errors = [float(values.var(ddof=1)) / values.size for values in samples]
    total = sum(errors) + known**2
    of_each = sum(e**2 / (values.size - 1) for e, values in zip(errors, samples, strict=True))
    return math.sqrt(total), total**2 / of_each if of_each else math.inf


def outliers(values: Sequence[float]) -> tuple[int, ...]:
    """Return the positions of values far from the others: to be reported, never to be dropped.

    Far is measured in median absolute deviations, which a few far values do not widen.
    """
    sample = np.asarray(values, float)
    if sample.size < FIRST_STAGE:
        return ()
    limit = OUTLIER_SDS * float(stats.median_abs_deviation(sample, scale="normal"))
    far = np.abs(sample - np.median(sample)) > limit
    return tuple(int(i) for i in np.flatnonzero(far)) if limit else ()


def replicates_needed(
    log_ratios: Sequence[float], half_width: float, prior: Prior = NOTHING_KNOWN
) -> int | None:
    """Return how many replicates give a ratio's interval a half-width.

    Args:
        log_ratios: one per replicate, in the order in which they were taken.
        half_width: relative.
        prior: what other cases say about the spread.

    Returns:
        `None` before the first stage ends, and where runs of one machine differ by more.
    """
    stage = first_stage(prior)
    left = left_for_replicates(log_ratios, half_width)
    if len(log_ratios) < stage or not left:
        return None
    half = max(_half_width(tuple(log_ratios[:count]), prior) for count in (stage, len(log_ratios)))
    return max(stage, math.ceil((half / left) ** 2))


def left_for_replicates(log_ratios: Sequence[float], half_width: float) -> float:
    """Return what the spread of replicates may add to a half-width; 0: runs differ by more."""
    apart = NORMAL * between_runs.sd(float(np.mean(log_ratios))) if log_ratios else 0.0
    return math.sqrt(max(half_width**2 - apart**2, 0.0))


def _wider(within: Estimate, sd: float) -> Estimate:
    """Return an interval of one run as one that has in it what runs differ by."""
    if within.half_width is None:
        return within
    half = math.hypot(within.half_width, NORMAL * sd)
    return Estimate(within.value, within.value - half, within.value + half)


@functools.lru_cache(4096)
def _half_width(stage: tuple[float, ...], prior: Prior) -> float:
    """Return the only one of `_half_widths`; the engine asks it again before every replicate."""
    return float(_half_widths(np.array([stage], float), prior).item())


def quantile(p: float, freedom: float) -> float:
    """Return a quantile of Student's t."""
    return float(special.stdtrit(freedom, p))


def exponential(estimate: Estimate) -> Estimate:
    """Return the ratio of an estimate of its logarithm."""
    low, high = (None if x is None else math.exp(x) for x in (estimate.low, estimate.high))
    return Estimate(math.exp(estimate.value), low, high)
