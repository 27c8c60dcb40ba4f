"""Several tests of one comparison: how sure each must be, so that all of them together are.

`bench compare`, `bench bisect`, `reports compare` and the self-test correct by these.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.stats.intervals import Floats

Name = TypeVar("Name", bound=Hashable)


def level(family_p: float, tests: NDArray[np.int64] | int) -> Floats:
    """Return below which p one of several tests rejects (Bonferroni); of none, as of one."""
    return np.asarray(family_p / np.maximum(tests, 1))


def bonferroni(p_values: Floats, tests: NDArray[np.int64] | int) -> Floats:
    """Return p-values of tests of which any may reject, corrected for their number."""
    return np.minimum(1.0, p_values * tests)


def holm(
    p_values: Mapping[Name, float], weights: Mapping[Name, float] | None = None
) -> dict[Name, float]:
    """Return p-values of several questions, corrected for their number (Holm, 1979).

    Something is rejected exactly where the smallest passes the `level` of as many tests.

    Args:
        p_values: of questions with a weight, divided by it.
        weights: of each; without any, all weigh the same. Of a question in several parts the parts
            share its weight.
    """
    names = sorted(p_values, key=lambda name: p_values[name])
    weight = np.array([1.0 if weights is None else weights[name] for name in names])
    left = np.cumsum(weight[::-1])[::-1]
    scaled = np.minimum(1.0, left * np.array([p_values[name] for name in names]))
    return dict(zip(names, np.maximum.accumulate(scaled).tolist(), strict=True))
