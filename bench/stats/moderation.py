"""What the cases of a run say about each other's spread: variances moderated towards a common one.

The spread of a few replicates is hardly known, and an interval pays for that (Student's t of 4
degrees of freedom is 2.8, of 2 it is 4.3). But the cases of a run share a machine and an hour, and
each tells something about the others. Smyth (2004, "Linear models and empirical Bayes methods ...",
section 6) estimates from all variances how alike they are, as degrees of freedom of a common one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import digamma, polygamma

Floats = NDArray[np.float64]

MIN_CASES = 4
"""With fewer nobody knows how alike their variances are."""


@dataclass(frozen=True)
class Prior:
    """What is known of a case's variance before it is measured."""

    variance: float = 0.0
    freedom: float = 0.0
    """As if it had been estimated with so many degrees of freedom; 0: nothing is known."""

    def moderated(self, variances: Floats, freedom: int) -> tuple[Floats, float]:
        """Return the variances of cases, and with how many degrees of freedom they are known."""
        whole = self.freedom + freedom
        return (self.freedom * self.variance + freedom * variances) / whole, whole


NOTHING_KNOWN = Prior()


def prior_of(variances: Sequence[float], freedom: int) -> Prior:
    """Return what the variances of several cases say about each of them.

    Args:
        variances: one per case, each with so many degrees of freedom.
        freedom: of each.
    """
    known = np.array([v for v in variances if v > 0], float)
    if known.size < MIN_CASES:
        return NOTHING_KNOWN
    logs = np.log(known) - digamma(freedom / 2) + math.log(freedom / 2)
    excess = float(logs.var(ddof=1)) - float(polygamma(1, freedom / 2))
    # Nor can all others tell more than they have degrees of freedom themselves.
    most = float((known.size - 1) * freedom)
    own = 2 * _inverse_trigamma(excess) if excess > 0 else most
    own = min(own, most)
    centre = float(logs.mean()) + float(digamma(own / 2)) - math.log(own / 2)
    return Prior(math.exp(centre), own)


def _inverse_trigamma(value: float) -> float:
    """Return where the trigamma function has a value; it falls from infinity to 0."""
    low, high = 1e-4, 1e4

    def over(x: float) -> float:
        return float(polygamma(1, x)) - value

    if over(high) > 0:
        return high
    return float(optimize.brentq(over, low, high)) if over(low) > 0 else low
