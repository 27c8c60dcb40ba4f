"""What PANet costs: from the readings of replicates to ratios, differences and latencies."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.stats.intervals import (
    Estimate,
    Floats,
    first_stage_prior,
    outliers,
    relative_intervals,
    replicates_needed,
    stein_ratios,
    stein_shares,
)
from bench.stats.readings import (
    NOISE,
    PART,
    Timed,
    all_spans_s,
    centre,
    difference_s,
    inside_log_ratios,
    is_split,
    log_ratios,
    part_s,
    residuals,
)
from bench.stats.two_runs import mde_between_runs


@dataclass(frozen=True)
class Cost:
    """What PANet costs in one case, with the A/A arm beside it."""

    replicates: int
    rounds: int
    ratio: Estimate
    """FPN + PANet over FPN: inside the calls, where they are split; otherwise of whole calls."""
    inside: bool
    """Which of the two `ratio` is."""
    difference_s: Estimate
    """What PANet adds, read as `ratio` is."""
    whole_ratio: Estimate | None
    """Of whole calls that take turns; `None` where every round was disturbed."""
    residual: Estimate | None
    """What is around PANet, beside it over without it; `None` where calls are not split."""
    aa_ratio: Estimate | None
    """``fpn_again`` over ``fpn``: the same network twice, so its distance from 1 is the noise."""
    half_width_ratio: float | None
    """Half of the ratio's interval, relative to the ratio."""
    replicates_needed: int | None
    """For the half-width that was requested; `None` before the first stage is complete, and where
    runs differ by more."""
    detectable_ratio: float | None
    """The smallest change of the ratio that two runs such as this one would tell apart."""
    outliers: tuple[int, ...]
    """Positions of replicates that lie far from the others. They count like the others."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class StageTime:
    """What a stage takes."""

    time_s: Estimate
    share: Estimate
    """Of the call."""


@dataclass(frozen=True)
class _Readings:
    """What the replicates of a case say, one number each."""

    replicates: int
    rounds: int
    inside: bool
    ratios: list[float]
    """Logarithms, as those of the next three."""
    whole_ratios: list[float]
    residuals: list[float]
    aa_ratios: list[float]
    differences_s: list[float]


def cost(replicates: Sequence[Timed], half_width: float) -> Cost | None:
    """Return the cost of a case by itself; `None` without any replicate."""
    (found,) = costs([replicates], half_width)
    return found


def costs(cases: Sequence[Sequence[Timed]], half_width: float) -> list[Cost | None]:
    """Return the costs of the cases of a run, which tell each other how far replicates spread.

    Args:
        cases: the replicates of each, with the arms ``fpn``, ``panet`` and ``fpn_again``; `None` is
            the answer where there are none.
        half_width: what was requested, relative.
    """
    readings = [_read(replicates) for replicates in cases]
    prior = first_stage_prior([found.ratios for found in readings])
    ratios = stein_ratios([found.ratios for found in readings])
    whole_ratios = stein_ratios([found.whole_ratios for found in readings])
    residuals_ = stein_ratios([found.residuals for found in readings])
    aa_ratios = stein_ratios([found.aa_ratios for found in readings])
    differences_s = relative_intervals([found.differences_s for found in readings])
    costs: list[Cost | None] = []
    for i, found in enumerate(readings):
        ratio, whole, aa, difference = ratios[i], whole_ratios[i], aa_ratios[i], differences_s[i]
        if ratio is None or difference is None:
            costs.append(None)
            continue
        costs.append(
            Cost(
                replicates=found.replicates,
                rounds=found.rounds,
                ratio=ratio,
                inside=found.inside,
                difference_s=difference,
                whole_ratio=whole,
                residual=residuals_[i],
                aa_ratio=aa,
                half_width_ratio=ratio.half_width_ratio,
                replicates_needed=replicates_needed(found.ratios, half_width, prior),
                detectable_ratio=mde_between_runs(found.ratios, prior),
                outliers=outliers(found.ratios),
            )
        )
    return costs


def _read(replicates: Sequence[Timed]) -> _Readings:
    turns = [replicate for replicate in replicates if len(replicate.rounds_s[PART])]
    rounds_s = [replicate.rounds_s for replicate in turns]
    whole = log_ratios(rounds_s)
    inside = bool(replicates) and is_split(replicates)
    return _Readings(
        replicates=len(replicates),
        rounds=sum(len(rounds["fpn"]) for rounds in rounds_s),
        inside=inside,
        ratios=inside_log_ratios(replicates) if inside else whole,
        whole_ratios=whole,
        residuals=residuals(turns) if inside else [],
        aa_ratios=log_ratios(rounds_s, NOISE),
        differences_s=[centre(part_s(all_spans_s(one, PART))) for one in replicates]
        if inside
        else [difference_s(rounds) for rounds in rounds_s],
    )


def stage_times(replicates: Sequence[Timed], arm: str) -> dict[str, StageTime]:
    """Return what every stage of an arm takes, in the order of the calls."""
    times: dict[str, list[tuple[float, float]]] = {}
    for replicate in replicates:
        spans_s = all_spans_s(replicate, arm)
        call_s = np.sum([*spans_s.values()], axis=0)
        if not call_s.size:  # all rounds were disturbed, and only another arm has calls behind them
            continue
        for stage, span_s in spans_s.items():
            times.setdefault(stage, []).append((centre(span_s), centre(span_s / call_s)))
    seconds = relative_intervals([[time_s for time_s, _ in values] for values in times.values()])
    shares = stein_shares([[share for _, share in values] for values in times.values()])
    found = zip(times, seconds, shares, strict=True)
    return {stage: StageTime(t, share) for stage, t, share in found if t and share}


def latencies_s(arms: Sequence[Sequence[Sequence[float]]]) -> list[Estimate | None]:
    """Return the latencies of all arms of a run; `None` without replicates.

    Args:
        arms: of every arm the rounds of its replicates, in seconds.
    """
    medians = _medians([rounds for replicates in arms for rounds in replicates])
    ends = np.cumsum([len(replicates) for replicates in arms])
    return relative_intervals(np.split(medians, ends[:-1]))


def _medians(rows: Sequence[Sequence[float]]) -> Floats:
    """Return the median of each row; rows of one length go together."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(place)
    medians = np.empty(len(rows))
    for places in by_length.values():
        medians[places] = np.median(np.array([rows[place] for place in places], float), axis=1)
    return medians
