"""The gate: has one side become slower than the other? Pure functions: numpy and scipy, no torch.

Two steps. A *screen* looks at every case and flags what might have changed; it is generous, because
a flag costs nothing but time. Then the flagged cases are measured again, and only these fresh
replicates decide: what was flagged by chance is not flagged twice. The p-values of the fresh ones
are corrected for their number (Holm, 1979), so a comparison of identical code raises an alarm with
a probability of at most `Gate.alarm_p`, whatever the screen let through.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats as distributions

from bench import stats


class Verdict(StrEnum):
    """Outcome of a comparison, for a case or for all of them."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    WITHIN_NOISE = "within_noise"
    UNDECIDED = "undecided"
    INCOMPARABLE = "incomparable"
    MISSING = "missing"


@dataclass(frozen=True)
class Gate:
    """How much evidence a verdict needs, and how many replicates give it."""

    screen_p: float = 0.1
    """Two-sided, uncorrected: of eight unchanged cases one is flagged every other time."""
    alarm_p: float = 0.002
    """Of the fresh replicates, towards the flagged side, corrected by Holm."""
    screen_replicates: int = 6
    confirm_replicates: int = 16
    """The fresh ones decide alone and against a strict level, so they are many; only flagged cases
    get them."""


GATE = Gate()


@dataclass(frozen=True)
class Change:
    """What a comparison found out about a case."""

    verdict: Verdict
    ratio: stats.Estimate | None
    """Candidate over baseline; `None` if nothing calm was measured. From the fresh replicates where
    there are some, because those that raised the flag exaggerate."""
    flagged: bool
    p_value: float | None
    """Of the fresh replicates, corrected; `None` where the case was not flagged."""
    detectable_ratio: float | None
    """The smallest change that the screen would have flagged 19 times of 20."""


def screen(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> dict[str, int]:
    """Return the flagged cases and towards which side: 1 slower, -1 faster.

    Args:
        log_ratios: of each case, candidate over baseline, one per calm replicate.
        gate: how much is suspicious.
    """
    return {
        case_id: 1 if float(np.mean(values)) > 0 else -1
        for case_id, values in log_ratios.items()
        if len(values) >= stats.MIN_FOR_INTERVAL and 2 * _tail_p(values, 0) < gate.screen_p
    }


def judge(
    screened: Mapping[str, Sequence[float]],
    fresh: Mapping[str, Sequence[float]],
    gate: Gate = GATE,
) -> dict[str, Change]:
    """Return the verdict of every case.

    Args:
        screened: log ratios of each case that the screen looked at.
        fresh: log ratios of the flagged cases, measured after the screen.
        gate: how much evidence is enough.
    """
    flagged = screen(screened, gate)
    p_values = {
        case_id: _tail_p(fresh[case_id], side)
        for case_id, side in flagged.items()
        if len(fresh.get(case_id, ())) >= stats.MIN_FOR_INTERVAL
    }
    corrected = holm(p_values)
    return {
        case_id: _change(
            values,
            fresh.get(case_id, ()) if case_id in flagged else (),
            flagged.get(case_id),
            corrected.get(case_id),
            gate,
        )
        for case_id, values in screened.items()
    }


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm, 1979)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    ranked = sorted(p_values, key=lambda name: p_values[name])
    for rank, name in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p_values[name]))
        corrected[name] = largest
    return corrected


def overall(changes: Mapping[str, Change]) -> Verdict:
    """Return the verdict for all cases together: an alarm outranks what could not be said."""
    found = {change.verdict for change in changes.values()}
    ranking = (Verdict.REGRESSED, Verdict.UNDECIDED, Verdict.IMPROVED, Verdict.WITHIN_NOISE)
    return next((verdict for verdict in ranking if verdict in found), Verdict.UNDECIDED)


def _change(
    screened: Sequence[float],
    fresh: Sequence[float],
    side: int | None,
    p_value: float | None,
    gate: Gate,
) -> Change:
    verdict = Verdict.WITHIN_NOISE
    if len(screened) < gate.screen_replicates or (
        side is not None and len(fresh) < gate.confirm_replicates
    ):
        verdict = Verdict.UNDECIDED
    elif p_value is not None and p_value < gate.alarm_p:
        verdict = Verdict.REGRESSED if side == 1 else Verdict.IMPROVED
    used = fresh if len(fresh) >= stats.MIN_FOR_INTERVAL else screened
    return Change(
        verdict,
        stats.ratio_interval(used, first_stage=len(used)) if used else None,
        side is not None,
        p_value,
        stats.detectable_ratio(screened, 1 - gate.screen_p),
    )


def _tail_p(values: Sequence[float], side: int) -> float:
    """Return the probability of a mean as far as this, or farther, if there is no difference.

    Args:
        values: log ratios, one per replicate.
        side: 1 counts slower, -1 faster, 0 whichever side it lies on.
    """
    sample = np.asarray(values, float)
    spread = float(sample.std(ddof=1))
    mean = float(sample.mean()) * side if side else abs(float(sample.mean()))
    if not spread:
        return 0.5 if not mean else float(mean < 0)
    return float(distributions.t.sf(mean * math.sqrt(sample.size) / spread, sample.size - 1))
