"""How much extra work is a slow-down of 5 %? Measured alone, in processes of its own.

The work without the network and the network without the work take turns. So the size is known to a
few hundredths of itself, which no comparison of the slowed network with the plain one could give.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from bench import stats
from bench.engine import CaseState
from bench.records import Case
from bench.slowdown import KINDS

TRIAL_CHANNELS = (64, 512)
"""Two sizes of the work; what it takes is linear in between and around."""

FIT_REPLICATES, CHECK_REPLICATES = 2, 4

BASE = "base"


@dataclass(frozen=True)
class Slowing:
    """A slow-down of a case: what is asked for, what does it, and how large it truly is."""

    asked: float
    kind: str
    channels: int
    size: float
    """Relative to the network's time."""
    low: float | None
    high: float | None

    @property
    def recipe(self) -> str:
        """The part of an arm's recipe behind the ``+``."""
        return f"{self.kind}:{self.channels}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping."""
        return cls(**data)


Measure = Callable[[Mapping[str, Mapping[str, str]], int], Sequence[CaseState]]
"""From the extra arms of every case, and how many replicates, to the cases measured with these arms
beside ``base``, the network."""


def calibrate(
    cases: Sequence[Case], sizes: Sequence[float], measure: Measure
) -> dict[str, list[Slowing]]:
    """Return for every case a slow-down of each size, of a kind that changes from case to case.

    Args:
        cases: where to slow down.
        sizes: relative, such as 0.05.
        measure: runs processes with the given extra arms.
    """
    kinds = {c.case_id: list(KINDS)[i % len(KINDS)] for i, c in enumerate(cases)}
    trials = {
        case_id: {f"{n}": f"none+{kind}:{n}" for n in TRIAL_CHANNELS}
        for case_id, kind in kinds.items()
    }
    fitted = _shares(measure(trials, FIT_REPLICATES))
    channels = {
        case_id: {size: _channels(found, size) for size in sizes}
        for case_id, found in fitted.items()
    }
    chosen = {
        case_id: {f"{size}": f"none+{kinds[case_id]}:{n}" for size, n in by_size.items()}
        for case_id, by_size in channels.items()
    }
    found = _shares(measure(chosen, CHECK_REPLICATES))
    return {
        case_id: [
            Slowing(size, kinds[case_id], n, share.value, share.low, share.high)
            for size, n in by_size.items()
            for share in [found[case_id][f"{size}"]]
        ]
        for case_id, by_size in channels.items()
    }


def _shares(states: Sequence[CaseState]) -> dict[str, dict[str, stats.Estimate]]:
    """Return, for every case and extra arm, its time relative to the network's."""
    return {
        state.case.case_id: {
            arm: _share(state, arm) for arm in state.replicates[0].rounds_s if arm != BASE
        }
        for state in states
        if state.replicates
    }


def _share(state: CaseState, arm: str) -> stats.Estimate:
    contrast = stats.Contrast((arm,), (BASE,))
    used = state.calm or state.replicates  # a contended calibration is rough; its interval says so
    log_ratios = [stats.log_ratio(replicate.rounds_s, contrast) for replicate in used]
    return stats.ratio_interval(log_ratios, first_stage=max(1, len(log_ratios)))


def _channels(found: Mapping[str, stats.Estimate], size: float) -> int:
    """Return how many channels take ``size``, by the line through the trial sizes."""
    few, many = TRIAL_CHANNELS
    return max(1, round(float(np.interp(size, *_line(found, few, many)))))


def _line(
    found: Mapping[str, stats.Estimate], few: int, many: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return shares and channels of two points far out on the line, to interpolate between."""
    slope = max(1e-9, (found[f"{many}"].value - found[f"{few}"].value) / (many - few))
    start = found[f"{few}"].value - slope * few
    far = 100 * many
    return (start, start + slope * far), (0.0, float(far))
