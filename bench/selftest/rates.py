"""What the trials of the self-test prove: false alarms, detections, coverage, spread.

Pure functions of the trials' replicates: everything can be computed again from the journals.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench import stats
from bench.schema.records import Replicate, undisturbed
from bench.selftest import trials
from bench.selftest.noise_components import Components, components
from bench.selftest.resampling import Resampled, resampled
from bench.selftest.trials import IDENTICAL_CODE, MeasuredTrial
from bench.stats.proportions import Rate, rate
from bench.stats.sequential import Gate
from bench.stats.standing import OVERALL
from bench.stats.verdict import Verdict

ALARMS = (Verdict.REGRESSED, Verdict.IMPROVED)


class Ending(StrEnum):
    """How a comparison of a trial ended, against what is known to be true."""

    RIGHT = "right"
    WRONG = "wrong"
    """An alarm in an untouched case, or in the wrong direction."""
    MISSED = "missed"
    """A slow-down that was not seen."""
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Detections:
    """How the comparisons with a slow-down of one size ended."""

    requested: float
    true_low: float
    true_high: float
    """Smallest and largest calibrated size."""
    detected: Rate
    named: Rate
    """Of those found whose slow-down is in one stage alone: the verdict names it."""
    wrong: int
    undecided: int
    alone_s: float | None
    """What such a comparison would take by itself; median."""


@dataclass(frozen=True)
class GateSummary:
    """What depends on the gate: what it said in its own trials, and what it would say."""

    gate: Gate
    trials: int
    false_alarms: Rate
    undecided: int
    flagged_share: float
    """Of the cases of identical code."""
    mde_ratio: dict[str, float | None]
    """Case -> minimum detectable effect; median over the trials."""
    detections: tuple[Detections, ...]
    """The smallest slow-down first."""
    resampled: Resampled | None
    """`None`: too few replicates yet."""
    alone_s: float | None
    """What a comparison of identical code would take by itself; median."""


@dataclass(frozen=True)
class CaseSummary:
    """What the trials show of a case; `None` where too little was measured."""

    replicates: int
    cost: float | None
    """Mean over the trials of PANet over FPN."""
    cost_max_over_min: float | None
    """Over the trials."""
    replicate_sd: float | None
    """Of the log ratio of identical code."""


@dataclass(frozen=True)
class SetupSummary:
    """What the trials of one load and number of threads show."""

    load: str
    threads: int
    sessions: tuple[str, ...]
    trials: int
    replicates: int
    contended: int
    gates: tuple[GateSummary, ...]
    """The oldest first."""
    coverage: Rate
    """Of the 95 % intervals of the cost: those that hold the mean of the other trials."""
    cases: dict[str, CaseSummary]
    cost_components: Components
    identical_components: Components
    elapsed_s: float | None
    """Of a trial; median."""
    timed_share: float | None
    """Of it in timed rounds; median."""


def summary(measured: Sequence[MeasuredTrial]) -> SetupSummary:
    """Return everything that the trials of one load and number of threads show."""
    by_gate: dict[Gate, list[MeasuredTrial]] = defaultdict(list)
    for each in measured:
        by_gate[each.trial.gate].append(each)
    replicates = [r for m in measured for of_case in m.replicates.values() for r in of_case]
    first = measured[0].trial
    return SetupSummary(
        load=first.load,
        threads=first.threads,
        sessions=tuple(sorted({m.trial.session for m in measured})),
        trials=len(measured),
        replicates=len(replicates),
        contended=sum(r.contended for r in replicates),
        gates=tuple(_of_gate(measured, gate, own) for gate, own in by_gate.items()),
        coverage=coverage(measured),
        cases={case_id: _of_case(measured, case_id) for case_id in measured[0].cases},
        cost_components=components(measured, trials.COST),
        identical_components=components(measured, trials.IDENTICAL),
        elapsed_s=_median([m.elapsed_s for m in measured]),
        timed_share=_median([m.timed_s / m.elapsed_s for m in measured if m.elapsed_s]),
    )


def _of_gate(
    every: Sequence[MeasuredTrial], gate: Gate, own: Sequence[MeasuredTrial]
) -> GateSummary:
    """Return what depends on the gate.

    Args:
        every: trials whose replicates are drawn from: what they measured does not depend on a gate.
        gate: one of those that were in use.
        own: the trials that it decided.
    """
    endings = [ending(m, IDENTICAL_CODE) for m in own]
    identical = [m.judged[IDENTICAL_CODE] for m in own]
    changes = [change for judged in identical for change in judged.cases.values()]
    return GateSummary(
        gate=gate,
        trials=len(own),
        false_alarms=rate(endings.count(Ending.WRONG), len(endings)),
        undecided=endings.count(Ending.UNDECIDED),
        flagged_share=sum(change.flagged for change in changes) / max(1, len(changes)),
        mde_ratio={
            case_id: _median([judged.cases[case_id].mde_ratio for judged in identical])
            for case_id in own[0].cases
        },
        detections=_detections(own),
        resampled=resampled(every, gate),
        alone_s=_median([trials.comparison_alone_s(m, IDENTICAL_CODE) for m in own]),
    )


def _detections(measured: Sequence[MeasuredTrial]) -> tuple[Detections, ...]:
    by_size: dict[float, list[tuple[MeasuredTrial, str]]] = defaultdict(list)
    for each in measured:
        for arm, slowed in each.trial.slowed.items():
            by_size[slowed.slowing.requested].append((each, arm))
    return tuple(_of_size(size, pairs) for size, pairs in sorted(by_size.items()))


def _of_size(size: float, pairs: Sequence[tuple[MeasuredTrial, str]]) -> Detections:
    endings = [ending(each, arm) for each, arm in pairs]
    sizes = [each.trial.slowed[arm].slowing.size for each, arm in pairs]
    found = [pair for pair, end in zip(pairs, endings, strict=True) if end is Ending.RIGHT]
    named = [right for each, arm in found if (right := names_the_stage(each, arm)) is not None]
    return Detections(
        size,
        min(sizes),
        max(sizes),
        rate(endings.count(Ending.RIGHT), len(endings)),
        rate(sum(named), len(named)),
        endings.count(Ending.WRONG),
        endings.count(Ending.UNDECIDED),
        _median([trials.comparison_alone_s(each, arm) for each, arm in pairs]),
    )


def ending(measured: MeasuredTrial, comparison: str) -> Ending:
    """Return how a comparison of a trial ended.

    Args:
        measured: the trial.
        comparison: one of `Trial.comparisons`.
    """
    judged = measured.judged[comparison]
    slowed = measured.trial.slowed.get(comparison)
    # With one case of eight all of them together are slower, too.
    true = {slowed.case_id: slowed.expected, OVERALL: slowed.expected} if slowed else {}
    alarms = {n: change.verdict for n, change in judged.by_name.items() if change.verdict in ALARMS}
    if alarms.items() - true.items():
        return Ending.WRONG
    if alarms:
        return Ending.RIGHT
    decisive = [judged.cases[slowed.case_id]] if slowed else judged.cases.values()
    if any(change.verdict is Verdict.UNDECIDED for change in decisive):
        return Ending.UNDECIDED
    return Ending.MISSED if slowed else Ending.RIGHT


def names_the_stage(measured: MeasuredTrial, comparison: str) -> bool | None:
    """Return whether the headline names the stage with the slow-down; `None`: it is in no one."""
    stage = measured.trial.slowed[comparison].slowing.stage
    if stage is None:
        return None
    judged = measured.judged[comparison]
    explaining = judged.explaining()
    return explaining is not None and judged.by_name[explaining].named[0].name == stage


def coverage(measured: Sequence[MeasuredTrial]) -> Rate:
    """Return how often the 95 % interval of a trial holds the mean cost of the other trials."""
    cases = measured[0].cases
    costs = [[_costs(trial, case_id) for case_id in cases] for trial in measured]
    covered = total = 0
    for number, own in enumerate(costs):
        for place, interval in enumerate(stats.stein_ratios(own)):
            others = [x for other in costs[:number] + costs[number + 1 :] for x in other[place]]
            if interval is None or interval.low is None or interval.high is None or not others:
                continue
            total += 1
            covered += interval.low <= math.exp(float(np.mean(others))) <= interval.high
    return rate(covered, total)


def _of_case(measured: Sequence[MeasuredTrial], case_id: str) -> CaseSummary:
    costs = [_costs(m, case_id) for m in measured]
    means = [math.exp(float(np.mean(values))) for values in costs if values]
    identical = [
        x
        for m in measured
        for x in stats.log_ratios([r.rounds_s for r in _first(m, case_id)], trials.IDENTICAL)
    ]
    return CaseSummary(
        replicates=len(identical),
        cost=float(np.mean(means)) if means else None,
        cost_max_over_min=max(means) / min(means) if means else None,
        replicate_sd=float(np.std(identical, ddof=1)) if len(identical) > 1 else None,
    )


def _costs(measured: MeasuredTrial, case_id: str) -> list[float]:
    """Return the logarithm of PANet's cost per replicate, inside the calls where they are split."""
    replicates = _first(measured, case_id)
    if replicates and stats.is_split(replicates, trials.BASE):
        return stats.inside_log_ratios(replicates, trials.BASE)
    return stats.log_ratios([replicate.rounds_s for replicate in replicates], trials.COST)


def _first(measured: MeasuredTrial, case_id: str) -> Sequence[Replicate]:
    """Return those of the screen's first look: their number does not depend on what they show."""
    return undisturbed(measured.replicates.get(case_id, ()))[: measured.trial.gate.screen_looks[0]]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
