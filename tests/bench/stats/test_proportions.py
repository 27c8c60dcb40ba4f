"""Rates have Wilson's interval."""

import pytest

from bench.stats.proportions import Rate, rate


def test_rates_have_wilsons_interval() -> None:
    never = rate(0, 30)
    assert never.low == 0.0
    assert never.high == pytest.approx(0.1135, abs=1e-4)  # worked out by hand: z^2 / (n + z^2)


def test_without_trials_nothing_is_known() -> None:
    assert rate(0, 0) == Rate(0, 0, None, None)
