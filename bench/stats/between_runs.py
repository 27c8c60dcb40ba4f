"""What runs of one machine differ by, however sure each of them is.

The replicates of a run share its minutes. How fast one layer is beside another moves over hours, as
other programs and other virtual machines leave more or less of the caches and of the memory. No
number of replicates shows that: it is the level of runs in Kalibera and Jones (2013, "Rigorous
benchmarking in reasonable time"). An interval that is to hold for the next run, too, has it in it.
"""

import math

MOVED = 0.015
"""Standard deviation, from run to run on a machine that nobody else uses, of the logarithm of the
time of a part over the time of the rest: ``docs/proof.md`` says of which runs."""


def sd(log_ratio: float) -> float:
    """Return by how much the logarithm of a ratio moves from run to run, as standard deviation.

    Args:
        log_ratio: of a call with a part over the call without it. Where both do the same work it is
            0, and so is the answer: what they share moves both. Of other networks of equal time
            nothing is known here, and nothing is added.
    """
    return -math.expm1(-abs(log_ratio)) * MOVED


def sd_of_share(share: float) -> float:
    """Return by how much a part's share of the call moves from run to run."""
    return share * (1 - share) * MOVED
