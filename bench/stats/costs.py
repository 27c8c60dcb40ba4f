"""What PANet costs: from rounds of replicates to ratios, differences and latencies.

The unit is the replicate: one process, in a run from a server of its own. Rounds of one process are
not independent, so they are reduced to one number (`centre`) and never pooled.

There are two readings of one cost. *Inside* a call of FPN + PANet, from its spans: the call over
the same call without the bottom-up path's part. The machine's speed is in both and cancels, so this
one leads where calls are split by marks. *Whole calls* that take turns: FPN + PANet over FPN. What
is between them is the *residual*: the rest beside the part over the rest without it, which is what
PANet does to what is around it (caches, memory). Round by round, whole = inside x residual.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from bench.stats.intervals import (
    Estimate,
    Floats,
    first_stage_prior,
    mde_between_runs,
    outliers,
    relative_intervals,
    replicates_needed,
    stein_ratios,
)

Rounds = Mapping[str, Sequence[float]]
Spans = Mapping[str, Mapping[str, Sequence[float]]]

PART = "panet"
"""The part whose cost is asked: of a network, and what the names of its stages begin with."""


class Timed(Protocol):
    """The rounds of one replicate: `bench.schema.records.Replicate`, or `Calls`."""

    @property
    def rounds_s(self) -> Rounds:
        """Arm -> seconds of a call, aligned round by round."""

    @property
    def spans_s(self) -> Spans:
        """Arm -> stage -> seconds of it, of arms whose calls are split."""

    @property
    def more_spans_s(self) -> Spans:
        """The same of calls behind the rounds."""


@dataclass(frozen=True)
class Calls:
    """The rounds of one replicate, as they are read from a result file."""

    rounds_s: Rounds
    spans_s: Spans = field(default_factory=dict)
    more_spans_s: Spans = field(default_factory=dict)


@dataclass(frozen=True)
class Contrast:
    """Which arms are compared with which; several arms of a side are turns of the same network."""

    arms: tuple[str, ...]
    baselines: tuple[str, ...]


COST = Contrast((PART,), ("fpn", "fpn_again"))
"""Both turns of FPN are the baseline: a third less variance than with one of them (measured)."""

NOISE = Contrast(("fpn_again",), ("fpn",))
"""The same network twice: the A/A ratio."""


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
    """For the half-width that was requested; `None` before the first stage is complete."""
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
                half_width_ratio=_half_width_of(ratio),
                replicates_needed=replicates_needed(found.ratios, half_width, prior),
                detectable_ratio=mde_between_runs(found.ratios, prior),
                outliers=outliers(found.ratios),
            )
        )
    return costs


def _half_width_of(ratio: Estimate) -> float | None:
    return None if ratio.half_width is None else ratio.half_width / ratio.value


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


def is_split(replicates: Sequence[Timed], arm: str = PART) -> bool:
    """Return whether the calls of an arm with the part were split in every replicate."""
    return all(_of_part(replicate.spans_s.get(arm, ())) for replicate in replicates)


def cost_log_ratios(replicates: Sequence[Timed]) -> list[float]:
    """Return the logarithm of the cost per replicate: inside the calls, where they are split."""
    if replicates and is_split(replicates):
        return inside_log_ratios(replicates)
    return log_ratios([replicate.rounds_s for replicate in replicates])


def inside_log_ratios(replicates: Sequence[Timed], arm: str = PART) -> list[float]:
    """Return log(1 + part / rest) per replicate, from the spans of all calls of an arm."""
    logs = []
    for replicate in replicates:
        spans_s = all_spans_s(replicate, arm)
        call_s = np.sum([*spans_s.values()], axis=0)
        logs.append(centre(np.log(call_s / (call_s - part_s(spans_s)))))
    return logs


def residuals(replicates: Sequence[Timed]) -> list[float]:
    """Return log(rest beside the part / rest without it) per replicate.

    The rest without the part are the calls of the baselines, which took their turn in each round.
    """
    logs = []
    for replicate in replicates:
        rest_s = np.asarray(replicate.rounds_s[PART], float) - part_s(replicate.spans_s[PART])
        without = [np.asarray(replicate.rounds_s[name], float) for name in COST.baselines]
        logs.append(centre(np.concatenate([np.log(rest_s / alone) for alone in without])))
    return logs


def all_spans_s(replicate: Timed, arm: str) -> dict[str, Floats]:
    """Return the spans of an arm in all its calls: stage -> seconds, those of the rounds first."""
    more = replicate.more_spans_s.get(arm, {})
    return {s: np.array([*x, *more.get(s, ())], float) for s, x in replicate.spans_s[arm].items()}


def part_s(spans_s: Mapping[str, Sequence[float] | Floats], part: str = PART) -> Floats:
    """Return the seconds of a part, call by call."""
    found = [np.asarray(spans_s[stage], float) for stage in _of_part(spans_s, part)]
    return np.asarray(np.sum(found, axis=0))


def _of_part(stages: Iterable[str], part: str = PART) -> list[str]:
    """Return which stages are a part's: they begin with its name."""
    return [stage for stage in stages if stage == part or stage.startswith(f"{part} ")]


def stage_times(replicates: Sequence[Timed], arm: str) -> dict[str, StageTime]:
    """Return what every stage of an arm takes, in the order of the calls."""
    times: dict[str, list[tuple[float, float]]] = {}
    for replicate in replicates:
        spans_s = all_spans_s(replicate, arm)
        call_s = np.sum([*spans_s.values()], axis=0)
        for stage, span_s in spans_s.items():
            times.setdefault(stage, []).append((centre(span_s), centre(span_s / call_s)))
    seconds, shares = (
        relative_intervals([[both[i] for both in values] for values in times.values()])
        for i in (0, 1)
    )
    found = zip(times, seconds, shares, strict=True)
    return {stage: StageTime(t, share) for stage, t, share in found if t and share}


def centre(values: Floats) -> float:
    """Return the one number that stands for the rounds of a replicate: their median."""
    return float(np.median(values))


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
    medians: list[float] = np.median(np.concatenate(compared, axis=1), axis=1).tolist()
    return medians


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
