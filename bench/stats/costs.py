"""Statistics of rounds, as pure functions of arrays: numpy and scipy, no torch, no clock.

The unit is the replicate: one process, in a run from a server of its own. Rounds of one process are
not independent, so they are reduced to their median and never pooled.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95

POWER = 0.95
"""Of the smallest detectable change: found in 19 cases of 20."""

FIRST_STAGE = 5
"""Replicates before anyone looks at their spread. Fewer make Stein's interval wide (t of 4 degrees
of freedom is 2.8, of 3 it is 3.2), more cost time in calm cases."""

OUTLIER_SDS = 3.5
"""Robust standard deviations from the median (Iglewicz and Hoaglin, 1993)."""

NORMAL_MAD = 0.6744897501960817
"""Median absolute deviation of a normal distribution, in standard deviations."""

MIN_FOR_INTERVAL = 3
"""Two replicates give a t quantile of 12.7: an interval in name only."""

Floats = NDArray[np.float64]
Rounds = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Contrast:
    """Which arms are compared with which; several arms of a side are turns of the same network."""

    arms: tuple[str, ...]
    baselines: tuple[str, ...]


COST = Contrast(("panet",), ("fpn", "fpn_again"))
"""Both turns of FPN are the baseline: a third less variance than with one of them (measured)."""

NOISE = Contrast(("fpn_again",), ("fpn",))
"""The same network twice: the A/A ratio."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `None` bounds where there are too few replicates."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cost:
    """What PANet costs in one case: arm ``panet`` against ``fpn``, and the A/A arm beside it."""

    replicates: int
    rounds: int
    ratio: Estimate
    difference_s: Estimate
    aa_ratio: Estimate
    """``fpn_again`` over ``fpn``: the same network twice, so its distance from 1 is the noise."""
    half_width_ratio: float | None
    """Half of the ratio's interval, relative to the ratio."""
    replicates_needed: int | None
    """For the half-width that was asked for; `None` before the first stage is complete."""
    detectable_ratio: float | None
    """The smallest change of the ratio that two runs such as this one would tell apart."""
    outliers: tuple[int, ...]
    """Positions of replicates that lie far from the others. They count like the others."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def log_ratio(rounds: Rounds, contrast: Contrast = COST) -> float:
    """Return the median over rounds of log(arm / baseline); within a round drift cancels."""
    return log_ratios([rounds], contrast)[0]


def difference_s(rounds: Rounds, contrast: Contrast = COST) -> float:
    """Return the median over rounds of arm - baseline, in seconds."""
    return _medians_of([rounds], contrast, np.subtract)[0]


def log_ratios(replicates: Sequence[Rounds], contrast: Contrast = COST) -> list[float]:
    """Return the `log_ratio` of every replicate."""
    return _medians_of(replicates, contrast, lambda arm, baseline: np.log(arm / baseline))


def _medians_of(
    replicates: Sequence[Rounds], contrast: Contrast, compare: Callable[[Floats, Floats], Floats]
) -> list[float]:
    """Return the medians over rounds of arms against baselines, one per replicate."""
    if len({len(rounds[contrast.arms[0]]) for rounds in replicates}) != 1:  # or there are none
        return [_medians_of([rounds], contrast, compare)[0] for rounds in replicates]
    names = (*contrast.arms, *contrast.baselines)
    seconds = {name: np.array([rounds[name] for rounds in replicates], float) for name in names}
    pairs = itertools.product(contrast.arms, contrast.baselines)
    compared = [compare(seconds[arm], seconds[baseline]) for arm, baseline in pairs]
    found: list[float] = np.median(np.concatenate(compared, axis=1), axis=1).tolist()
    return found


def stein_interval(values: Sequence[float], first_stage: int = FIRST_STAGE) -> Estimate:
    """Return mean and 95 % interval of replicates taken in two stages (Stein, 1945).

    How many replicates are taken depends on the spread of the first ones, so a plain t interval
    over all of them is too narrow. With the variance of the first stage alone the coverage is exact
    for normal replicates, whatever number follows.
    """
    (found,) = _stein_intervals(np.asarray([values], float), first_stage)
    return found


def _stein_intervals(samples: Floats, first_stage: int = FIRST_STAGE) -> list[Estimate]:
    """Return the `stein_interval` of every row: as many replicates each."""
    count = samples.shape[1]
    means: list[float] = samples.mean(axis=1).tolist()
    if count < MIN_FOR_INTERVAL:
        return [Estimate(mean, None, None) for mean in means]
    sds = samples[:, :first_stage].std(axis=1, ddof=1)
    halves = sds * (_t_quantile(min(count, first_stage)) / math.sqrt(count))
    pairs = zip(means, halves.tolist(), strict=True)
    return [Estimate(mean, mean - half, mean + half) for mean, half in pairs]


def ratio_interval(log_ratios: Sequence[float], first_stage: int = FIRST_STAGE) -> Estimate:
    """Return the ratio of replicates' log ratios with its 95 % interval."""
    return _exp(stein_interval(log_ratios, first_stage))


def mean_ratio(cases: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the geometric mean of the cases' ratios with its 95 % interval.

    With the degrees of freedom that the cases' variances leave (Satterthwaite, 1946).

    Args:
        cases: per case the log ratios of its replicates; those with too few do not count.
    """
    known = [np.asarray(values, float) for values in cases if len(values) >= MIN_FOR_INTERVAL]
    if not known:
        return None
    mean = float(np.mean([values.mean() for values in known]))
    errors = np.array([values.var(ddof=1) / values.size for values in known])
    total = float(errors.sum())
    if not total:
        return _exp(Estimate(mean, mean, mean))
    freedom = total**2 / float(np.sum(errors**2 / [values.size - 1 for values in known]))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(total) / len(known)
    return _exp(Estimate(mean, mean - half, mean + half))


def ratio_between(base: Sequence[float], head: Sequence[float]) -> Estimate:
    """Return head over base of two runs that did not take turns, with Welch's 95 % interval.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
    """
    found = _welch(base, head)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, found.freedom)) * found.error
    return _exp(Estimate(found.mean, found.mean - half, found.mean + half))


def beyond_p(base: Sequence[float], head: Sequence[float], threshold: float) -> float:
    """Return the probability of such a difference if the true one is within a threshold.

    Args:
        base: logarithms, one per replicate; two or more.
        head: the same.
        threshold: relative, 0.03: by 3 %, to either side.
    """
    found = _welch(base, head)
    beyond = abs(found.mean) - math.log1p(threshold)
    if not found.error:
        return float(beyond <= 0)
    return min(1.0, 2 * float(stats.t.sf(beyond / found.error, found.freedom)))


@dataclass(frozen=True)
class _Difference:
    mean: float
    error: float
    freedom: float


def _welch(base: Sequence[float], head: Sequence[float]) -> _Difference:
    """Return the difference of two means (Welch, 1947)."""
    samples = [np.asarray(values, float) for values in (base, head)]
    errors = [sample.var(ddof=1) / sample.size for sample in samples]
    total = float(sum(errors))
    parts = sum(e**2 / (s.size - 1) for e, s in zip(errors, samples, strict=True))
    freedom = total**2 / float(parts) if total else 1.0
    mean = float(samples[1].mean() - samples[0].mean())
    return _Difference(mean, math.sqrt(total), freedom)


def detectable_ratio(
    log_ratios: Sequence[float], confidence: float = CONFIDENCE, runs: int = 1
) -> float | None:
    """Return the smallest change (0.02: by 2 %) that replicates such as these find 19 times of 20.

    Args:
        log_ratios: one per replicate.
        confidence: of the two-sided test that has to find it.
        runs: 1 for a change within these replicates, 2 for one between two such runs.

    Returns:
        `None` with fewer than `MIN_FOR_INTERVAL` replicates.
    """
    count = len(log_ratios)
    if count < MIN_FOR_INTERVAL:
        return None
    error = float(np.std(log_ratios, ddof=1)) * math.sqrt(runs / count)
    freedom = runs * (count - 1)
    quantiles = _quantile(0.5 + confidence / 2, freedom) + _quantile(POWER, freedom)
    return math.expm1(quantiles * error)


def outliers(values: Sequence[float]) -> tuple[int, ...]:
    """Return the positions of values far from the others: to be told, never to be dropped.

    Far is measured in median absolute deviations, which a few far values do not widen.
    """
    sample = np.asarray(values, float)
    if sample.size < FIRST_STAGE:
        return ()
    distances = np.abs(sample - np.median(sample))
    limit = OUTLIER_SDS * float(np.median(distances)) / NORMAL_MAD
    return tuple(int(i) for i in np.flatnonzero(distances > limit)) if limit else ()


def replicates_needed(
    values: Sequence[float], half_width: float, first_stage: int = FIRST_STAGE
) -> int | None:
    """Return how many replicates give ``half_width``; `None` before the first stage ends.

    Args:
        values: one per replicate, in the order in which they were taken.
        half_width: in the unit of the values (of logarithms: relative).
        first_stage: replicates whose spread decides.
    """
    sample = np.asarray(values, float)
    if sample.size < first_stage:
        return None
    ratio = _t_quantile(first_stage) * _first_stage_sd(sample, first_stage) / half_width
    return max(first_stage, math.ceil(ratio**2))


def cost(replicates: Sequence[Rounds], half_width: float) -> Cost | None:
    """Return the cost from the rounds of every replicate; `None` without any.

    Args:
        replicates: per replicate the aligned rounds of the arms, in seconds.
        half_width: what was asked for, relative.
    """
    if not replicates:
        return None
    ratios = log_ratios(replicates)
    ratio = ratio_interval(ratios)
    half_width_ratio = None
    if ratio.low is not None and ratio.high is not None:
        half_width_ratio = (ratio.high - ratio.low) / 2 / ratio.value
    return Cost(
        replicates=len(replicates),
        rounds=sum(len(rounds["fpn"]) for rounds in replicates),
        ratio=ratio,
        difference_s=stein_interval(_medians_of(replicates, COST, np.subtract)),
        aa_ratio=_exp(stein_interval(log_ratios(replicates, NOISE))),
        half_width_ratio=half_width_ratio,
        replicates_needed=replicates_needed(ratios, half_width),
        detectable_ratio=detectable_ratio(ratios, runs=2),
        outliers=outliers(ratios),
    )


def latency_s(replicates: Sequence[Rounds], arm: str) -> Estimate | None:
    """Return the latency of an arm: median over rounds, mean over replicates."""
    (found,) = latencies_s([[rounds[arm] for rounds in replicates]])
    return found


def latencies_s(arms: Sequence[Sequence[Sequence[float]]]) -> list[Estimate | None]:
    """Return the latencies of many arms at once, as `latency_s` does; `None` without replicates.

    Args:
        arms: of every arm the rounds of its replicates, in seconds.
    """
    medians = _medians([rounds for replicates in arms for rounds in replicates])
    counts = np.array([len(replicates) for replicates in arms], int)
    starts = np.cumsum(counts) - counts
    found: list[Estimate | None] = [None] * len(arms)
    for count in np.unique(counts[counts > 0]).tolist():
        places = np.flatnonzero(counts == count)
        samples = medians[starts[places, None] + np.arange(count)]
        for place, estimate in zip(places.tolist(), _stein_intervals(samples), strict=True):
            found[place] = estimate
    return found


def _medians(rows: Sequence[Sequence[float]]) -> Floats:
    """Return the median of each row; rows of one length go together."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(place)
    found = np.empty(len(rows))
    for places in by_length.values():
        found[places] = np.median(np.array([rows[place] for place in places], float), axis=1)
    return found


def _first_stage_sd(sample: Floats, first_stage: int) -> float:
    return float(sample[:first_stage].std(ddof=1))


def _t_quantile(count: int) -> float:
    return _quantile(0.5 + CONFIDENCE / 2, count - 1)


@functools.cache
def _quantile(p: float, freedom: int) -> float:
    """Return a quantile of Student's t; scipy takes long for what is asked over and over."""
    return float(stats.t.ppf(p, freedom))


def _exp(estimate: Estimate) -> Estimate:
    bound: Callable[[float | None], float | None] = lambda x: None if x is None else math.exp(x)  # noqa: E731
    return Estimate(math.exp(estimate.value), bound(estimate.low), bound(estimate.high))
