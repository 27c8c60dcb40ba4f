"""What PANet costs: from rounds of replicates to ratios, differences and latencies.

The unit is the replicate: one process, in a run from a server of its own. Rounds of one process are
not independent, so they are reduced to their median and never pooled.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.stats.intervals import (
    Estimate,
    Floats,
    mde_between_runs,
    outliers,
    replicates_needed,
    stein_interval,
    stein_intervals,
    stein_ratio,
)

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
    """For the half-width that was requested; `None` before the first stage is complete."""
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


def cost(replicates: Sequence[Rounds], half_width: float) -> Cost | None:
    """Return the cost from the rounds of every replicate; `None` without any.

    Args:
        replicates: per replicate the aligned rounds of the arms, in seconds.
        half_width: what was requested, relative.
    """
    if not replicates:
        return None
    ratios = log_ratios(replicates)
    ratio = stein_ratio(ratios)
    half_width_ratio = None
    if ratio.low is not None and ratio.high is not None:
        half_width_ratio = (ratio.high - ratio.low) / 2 / ratio.value
    return Cost(
        replicates=len(replicates),
        rounds=sum(len(rounds["fpn"]) for rounds in replicates),
        ratio=ratio,
        difference_s=stein_interval(_medians_of(replicates, COST, np.subtract)),
        aa_ratio=stein_ratio(log_ratios(replicates, NOISE)),
        half_width_ratio=half_width_ratio,
        replicates_needed=replicates_needed(ratios, half_width),
        detectable_ratio=mde_between_runs(ratios),
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
        for place, estimate in zip(places.tolist(), stein_intervals(samples), strict=True):
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
