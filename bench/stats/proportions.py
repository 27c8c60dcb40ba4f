"""How often something happened, with an interval."""

from dataclasses import dataclass

from scipy import stats as distributions


@dataclass(frozen=True)
class Rate:
    """How often something happened, with Wilson's 95 % interval."""

    count: int
    total: int
    low: float | None
    """As `high`: `None` without trials."""
    high: float | None


def rate(count: int, total: int) -> Rate:
    """Return a rate with its interval (Wilson, 1927)."""
    if not total:
        return Rate(count, total, None, None)
    bounds = distributions.binomtest(count, total).proportion_ci(method="wilson")
    return Rate(count, total, float(bounds.low), float(bounds.high))
