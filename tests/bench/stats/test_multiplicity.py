"""Corrections for the number of tests, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.multiplicity import bonferroni, holm, level

P_VALUES = st.lists(st.floats(0, 1), max_size=8).map(
    lambda p: dict(zip("abcdefgh", p, strict=False))
)


def test_holm_against_values_worked_out_by_hand() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert corrected == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


@given(P_VALUES)
def test_corrected_values_are_larger_keep_their_order_and_stay_probabilities(
    p_values: dict[str, float],
) -> None:
    corrected = holm(p_values)
    assert set(corrected) == set(p_values)
    for name, value in corrected.items():
        assert p_values[name] <= value <= 1
    ranked = sorted(p_values, key=lambda name: p_values[name])
    assert [corrected[name] for name in ranked] == sorted(corrected.values())


@given(P_VALUES)
def test_holm_rejects_something_exactly_where_the_smallest_passes_the_level(
    p_values: dict[str, float],
) -> None:
    smallest = min(p_values.values(), default=1.0)
    if abs(smallest * len(p_values) - 0.05) > 1e-9:
        rejects = min(holm(p_values).values(), default=1.0) < 0.05
        assert rejects == (smallest < level(0.05, len(p_values)))


def test_level_of_none_is_that_of_one() -> None:
    assert level(0.02, np.array([0, 1, 4])).tolist() == [0.02, 0.02, 0.005]


def test_looks_are_corrected_and_stay_probabilities() -> None:
    corrected = bonferroni(np.array([0.01, 0.5, np.inf]), 3)
    assert corrected == pytest.approx([0.03, 1.0, 1.0])
