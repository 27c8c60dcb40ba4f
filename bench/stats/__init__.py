"""Arrays in, arrays out: numpy and scipy, no torch, no clock.

In: rounds of replicates, log ratios. Out: estimates with intervals, costs, and how often and with
how much evidence base and head are distinguished.
"""

from bench.stats.costs import (
    COST,
    NOISE,
    Contrast,
    Cost,
    Rounds,
    cost,
    difference_s,
    latencies_s,
    latency_s,
    log_ratio,
    log_ratios,
)
from bench.stats.intervals import (
    CONFIDENCE,
    FIRST_STAGE,
    MIN_FOR_INTERVAL,
    POWER,
    Estimate,
    Floats,
    beyond_p,
    mde_between_runs,
    mean_ratio,
    outliers,
    ratio_between,
    replicates_needed,
    stein_interval,
    stein_ratio,
    t_interval,
    t_ratio,
)

__all__ = [
    "CONFIDENCE",
    "COST",
    "FIRST_STAGE",
    "MIN_FOR_INTERVAL",
    "NOISE",
    "POWER",
    "Contrast",
    "Cost",
    "Estimate",
    "Floats",
    "Rounds",
    "beyond_p",
    "cost",
    "difference_s",
    "latencies_s",
    "latency_s",
    "log_ratio",
    "log_ratios",
    "mde_between_runs",
    "mean_ratio",
    "outliers",
    "ratio_between",
    "replicates_needed",
    "stein_interval",
    "stein_ratio",
    "t_interval",
    "t_ratio",
]
