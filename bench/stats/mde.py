"""The minimum detectable effect of the gate: found by trying it on drawn replicates."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize
from scipy import stats as distributions

from bench.stats.intervals import MIN_FOR_INTERVAL
from bench.stats.multiplicity import level
from bench.stats.sequential import GATE, Gate, confirm, screen
from bench.stats.two_runs import POWER

DRAWN = 20_000
"""Comparisons that are drawn to find the minimum detectable effect: 95 % are known to 0.15 %."""


def mde_of_gate(log_ratios: Sequence[float], gate: Gate = GATE, flagged: int = 1) -> float | None:
    """Return the change (0.02: by 2 %) of a whole call that the gate finds 19 times of 20.

    Args:
        log_ratios: of replicates such as will be taken.
        gate: which has to find it, in this case alone.
        flagged: how much of the case will be: 2 where its stages are looked at, too, and show it.

    Returns:
        `None` with fewer than `MIN_FOR_INTERVAL` replicates.
    """
    if len(log_ratios) < MIN_FOR_INTERVAL:
        return None
    sd = float(np.std(log_ratios, ddof=1))
    sure = math.expm1(_mde_sds(gate, flagged) * sd)
    error = sd / math.sqrt(gate.confirm_looks[0])
    return max(sure, gate.tolerance + float(distributions.norm.ppf(POWER)) * error)


@functools.cache
def _mde_sds(gate: Gate, flagged: int) -> float:
    """Return that change in standard deviations of a replicate, by trying it on drawn ones."""
    generator = np.random.default_rng(0)
    screened, fresh = (
        generator.standard_normal((DRAWN, looks[-1]))
        for looks in (gate.screen_looks, gate.confirm_looks)
    )

    def surplus(change: float) -> float:
        direction = screen(screened + change, gate).direction
        p_value = confirm(fresh + change, direction, flagged, gate).p_value
        sure = p_value < level(gate.alarm_p, flagged)
        return float(np.mean(sure & (direction == 1))) - POWER

    return float(optimize.brentq(surplus, 0.0, 100.0, xtol=0.001))
