"""What the trials of the self-test prove: rates with intervals, and what the noise is made of.

Pure functions of the trials' replicates: everything can be computed again from the journals.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats as distributions

from bench import stats
from bench.schema.records import undisturbed
from bench.selftest import trials
from bench.selftest.trials import Outcome
from bench.stats import sequential as gates
from bench.stats.sequential import Floats, Gate, Ints
from bench.stats.verdict import SUITE, Verdict

ALARMS = (Verdict.REGRESSED, Verdict.IMPROVED)

RESAMPLED = 20_000
"""Comparisons drawn from the recorded replicates: a rate of 0.2 % is known to 0.03 %."""

MIN_RESAMPLED_REPLICATES = 20
"""With fewer recorded replicates a cell has too few different draws to speak of."""


@dataclass(frozen=True)
class Rate:
    """How often something happened, with Wilson's 95 % interval."""

    count: int
    total: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Detection:
    """How comparisons with a slow-down of one size ended."""

    asked: float
    true_low: float
    true_high: float
    """Smallest and largest calibrated size."""
    found: Rate
    wrong: int
    """An alarm in an untouched case, or the wrong side named."""
    undecided: int
    alone_s: float | None
    """What such a comparison would take by itself; median."""


def rate(count: int, total: int) -> Rate:
    """Return a rate with its interval (Wilson, 1927); no bounds without trials."""
    if not total:
        return Rate(count, total, None, None)
    bounds = distributions.binomtest(count, total).proportion_ci(method="wilson")
    return Rate(count, total, float(bounds.low), float(bounds.high))


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return everything that the trials of one load and number of threads show."""
    by_gate: dict[Gate, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_gate[outcome.trial.gate].append(outcome)
    replicates = [r for o in outcomes for found in o.replicates.values() for r in found]
    shares = [o.timed_s / o.elapsed_s for o in outcomes if o.elapsed_s]
    first = outcomes[0].trial
    return {
        "load": first.load,
        "threads": first.threads,
        "sittings": sorted({o.trial.sitting for o in outcomes}),
        "trials": len(outcomes),
        "replicates": len(replicates),
        "contended": sum(r.contended for r in replicates),
        "gates": [_verdicts(outcomes, gate, found) for gate, found in by_gate.items()],
        "coverage": asdict(coverage(outcomes)),
        "cases": {case_id: _case(outcomes, case_id) for case_id in outcomes[0].cases},
        "components": {
            "cost": components(outcomes, trials.COST),
            "identical": components(outcomes, trials.IDENTICAL),
        },
        "elapsed_s": _median([o.elapsed_s for o in outcomes]),
        "timed_share": _median(shares),
    }


def _verdicts(every: Sequence[Outcome], gate: Gate, own: Sequence[Outcome]) -> dict[str, Any]:
    """Return what depends on the gate: what it said in its own trials, and what it would say.

    Args:
        every: trials whose replicates are drawn from: what they measured does not depend on a gate.
        gate: one of those that were in use.
        own: the trials that it decided.
    """
    endings = [ending(outcome, None) for outcome in own]
    changes = [change for outcome in own for change in outcome.judged[None].cases.values()]
    return {
        "gate": asdict(gate),
        "trials": len(own),
        "false_alarms": asdict(rate(endings.count("wrong"), len(endings))),
        "undecided": endings.count("undecided"),
        "flagged_share": sum(change.flagged for change in changes) / max(1, len(changes)),
        "detectable_ratio": {
            case_id: _median([o.judged[None].cases[case_id].detectable_ratio for o in own])
            for case_id in own[0].cases
        },
        "detections": [asdict(found) for found in _detections(own)],
        "resampled": resampled(every, gate),
        "alone_s": _median([trials.comparison_alone_s(o, None) for o in own]),
    }


def _detections(outcomes: Sequence[Outcome]) -> list[Detection]:
    by_size: dict[float, list[tuple[Outcome, str]]] = defaultdict(list)
    for outcome in outcomes:
        for arm, slowing in outcome.trial.slowings.items():
            by_size[slowing.asked].append((outcome, arm))
    return [_detection(size, pairs) for size, pairs in sorted(by_size.items())]


def _detection(size: float, pairs: Sequence[tuple[Outcome, str]]) -> Detection:
    endings = [ending(outcome, arm) for outcome, arm in pairs]
    sizes = [outcome.trial.slowings[arm].size for outcome, arm in pairs]
    return Detection(
        size,
        min(sizes),
        max(sizes),
        rate(endings.count("right"), len(endings)),
        endings.count("wrong"),
        endings.count("undecided"),
        _median([trials.comparison_alone_s(outcome, arm) for outcome, arm in pairs]),
    )


def ending(outcome: Outcome, arm: str | None) -> str:
    """Return how a comparison of a trial ended, against what is known to be true.

    Args:
        outcome: the trial.
        arm: the slowed one; `None` for identical code.

    Returns:
        ``right`` or ``wrong``; ``missed`` for a slow-down that was not seen; ``undecided``.
    """
    judged = outcome.judged[arm]
    slowed = None if arm is None else outcome.trial.slowed_cases[arm]
    # With one case of eight the suite is slower, too.
    true = {} if arm is None else dict.fromkeys((slowed, SUITE), outcome.expected(arm))
    alarms = {n: change.verdict for n, change in judged.changes.items() if change.verdict in ALARMS}
    if alarms.items() - true.items():
        return "wrong"
    if alarms:
        return "right"
    asked = judged.cases.values() if slowed is None else [judged.cases[slowed]]
    if any(change.verdict is Verdict.UNDECIDED for change in asked):
        return "undecided"
    return "right" if slowed is None else "missed"


def coverage(outcomes: Sequence[Outcome]) -> Rate:
    """Return how often the 95 % interval of the cost holds the mean of the other trials."""
    covered = total = 0
    for case_id in outcomes[0].cases:
        per_trial = [_log_ratios(o, case_id, trials.COST) for o in outcomes]
        for number, own in enumerate(per_trial):
            others = [x for other in per_trial[:number] + per_trial[number + 1 :] for x in other]
            interval = stats.stein_interval(own, max(1, len(own))) if own else None
            if interval is None or interval.low is None or interval.high is None or not others:
                continue
            total += 1
            covered += interval.low <= float(np.mean(others)) <= interval.high
    return rate(covered, total)


def _case(outcomes: Sequence[Outcome], case_id: str) -> dict[str, Any]:
    costs = [_log_ratios(o, case_id, trials.COST) for o in outcomes]
    means = [math.exp(float(np.mean(values))) for values in costs if values]
    identical = [_log_ratios(o, case_id, trials.IDENTICAL) for o in outcomes]
    every = [x for values in identical for x in values]
    return {
        "replicates": len(every),
        "cost": float(np.mean(means)) if means else None,
        "cost_max_over_min": max(means) / min(means) if means else None,
        "replicate_sd": float(np.std(every, ddof=1)) if len(every) > 1 else None,
    }


def _log_ratios(outcome: Outcome, case_id: str, contrast: stats.Contrast) -> list[float]:
    """Return those of the screen's first look: their number does not depend on what they show."""
    first_look = undisturbed(outcome.replicates.get(case_id, ()))[
        : outcome.trial.gate.screen_looks[0]
    ]
    return stats.log_ratios([replicate.rounds_s for replicate in first_look], contrast)


def resampled(
    outcomes: Sequence[Outcome], gate: Gate, count: int = RESAMPLED
) -> dict[str, Any] | None:
    """Return rates of comparisons drawn, with replacement, from all that were not disturbed.

    The two sides of identical code are interchangeable, so every drawn log ratio gets a sign by
    chance: what the few recorded ones have in common by luck is not taken for a difference.
    """
    pools = _pools(outcomes)
    if not pools or min(pool.size for pool in pools.values()) < MIN_RESAMPLED_REPLICATES:
        return None
    generator = np.random.default_rng(0)
    draws = {name: _Draws(pool, gate, count, generator) for name, pool in pools.items()}
    sizes = sorted({s.asked for o in outcomes for s in o.trial.slowings.values()})
    return {
        "replicates_per_case": min(pool.size for pool in pools.values()),
        "false_alarm_rate": _false_alarm_rate(list(draws.values()), gate),
        "detection_rate": {
            f"{size}": {name: drawn.detection_rate(size) for name, drawn in draws.items()}
            for size in sizes
        },
    }


def _pools(outcomes: Sequence[Outcome]) -> dict[str, Floats]:
    found: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for case_id in outcome.cases:
            replicates = outcome.replicates.get(case_id, ())
            found[case_id] += [
                stats.log_ratio(r.rounds_s, trials.IDENTICAL) for r in undisturbed(replicates)
            ]
    return {case_id: np.asarray(values) for case_id, values in found.items()}


class _Draws:
    """Comparisons of one case drawn from its recorded replicates."""

    def __init__(
        self, pool: Floats, gate: Gate, count: int, generator: np.random.Generator
    ) -> None:
        def draw(replicates: int) -> Floats:
            chosen = generator.choice(pool, (count, replicates))
            return np.asarray(chosen * generator.choice((-1.0, 1.0), chosen.shape))

        self._gate = gate
        self.screened, self.fresh = draw(gate.screen_looks[-1]), draw(gate.confirm_looks[-1])

    def side(self, change: float = 0.0) -> Ints:
        """Return towards which side the case is flagged in every comparison, 0 where it is not."""
        return gates.screen(self.screened + change, self._gate).side

    def p_value(self, side: Ints, flagged: Ints | int, change: float = 0.0) -> Floats:
        """Return what the fresh replicates say; infinity where the case was not flagged."""
        return gates.confirm(self.fresh + change, side, flagged, self._gate).p_value

    def detection_rate(self, size: float) -> float:
        """Return how often a change of ``size`` in this case alone raises an alarm."""
        change = math.log1p(size)
        side = self.side(change)
        p_value = self.p_value(side, 1, change)
        return float(np.mean((side > 0) & (p_value < self._gate.alarm_p)))


def _false_alarm_rate(draws: Sequence[_Draws], gate: Gate) -> float:
    sides = [drawn.side() for drawn in draws]
    together = np.stack([np.hstack([drawn.screened, drawn.fresh]) for drawn in draws])
    suite = gates.screen_suite(together, gate)
    flagged = np.count_nonzero([*sides, suite.side], axis=0)
    p_values = [drawn.p_value(side, flagged) for drawn, side in zip(draws, sides, strict=True)]
    p_values.append(gates.confirm_suite(together, suite, flagged, gate).p_value)
    # Holm rejects something exactly where the smallest p-value passes Bonferroni.
    smallest = np.min(p_values, axis=0)
    return float(np.mean(smallest < gate.alarm_p / np.maximum(flagged, 1)))


def components(outcomes: Sequence[Outcome], contrast: stats.Contrast) -> dict[str, float | None]:
    """Return what the spread of a log ratio is made of, as standard deviations.

    ``round``: between rounds of a process. ``process``: what the rounds of a process share, and
    those of another do not. ``turn``: what replicates of different cases share that ran within
    the same turn, from one server. ``trial``: what replicates of a case share within a trial
    (minutes). Each is the mean product of deviations of pairs that share it, less the next.
    """
    halves: list[tuple[float, float]] = []
    round_variances: list[float] = []
    by_turn: dict[tuple[int, int], list[float]] = defaultdict(list)
    by_trial: dict[tuple[int, str], list[float]] = defaultdict(list)
    for case_id in outcomes[0].cases:
        found = [(i, r) for i, o in enumerate(outcomes) for r in undisturbed(o.replicates[case_id])]
        values = stats.log_ratios([r.rounds_s for _, r in found], contrast)
        center = float(np.mean(values)) if values else 0.0
        for (trial, replicate), value in zip(found, values, strict=True):
            odd, even = (_half(replicate.rounds_s, contrast, start) for start in (0, 1))
            halves.append((odd - center, even - center))
            round_variances.append(_round_variance(replicate.rounds_s, contrast))
            by_turn[trial, replicate.server].append(value - center)
            by_trial[trial, case_id].append(value - center)
    if len(halves) < MIN_RESAMPLED_REPLICATES:
        return dict.fromkeys(("round", "process", "turn", "trial"))
    turn, trial_share = _shared(by_turn.values()), _shared(by_trial.values())
    process = float(np.mean([a * b for a, b in halves])) - max(0.0, turn)
    variances = {
        "round": float(np.mean(round_variances)),
        "process": process,
        "turn": turn,
        "trial": trial_share,
    }
    return {name: math.sqrt(max(0.0, variance)) for name, variance in variances.items()}


def _half(rounds: stats.Rounds, contrast: stats.Contrast, start: int) -> float:
    return stats.log_ratio({arm: values[start::2] for arm, values in rounds.items()}, contrast)


def _round_variance(rounds: stats.Rounds, contrast: stats.Contrast) -> float:
    count = len(next(iter(rounds.values())))
    each = [
        stats.log_ratio({arm: values[i : i + 1] for arm, values in rounds.items()}, contrast)
        for i in range(count)
    ]
    return float(np.var(each, ddof=1))


def _shared(groups: Iterable[Sequence[float]]) -> float:
    """Return the mean product of two deviations of the same group."""
    products = [a * b for group in groups for a, b in itertools.combinations(group, 2)]
    return float(np.mean(products)) if products else 0.0


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
