"""The gate on drawn comparisons: how often it alarms, what it finds, and when it looks again."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import stats
from bench.stats.judging import judge
from bench.stats.mde import mde_of_gate
from bench.stats.sequential import GATE, Gate, confirm, screen
from bench.stats.verdict import Verdict

ALARMS = (Verdict.REGRESSED, Verdict.IMPROVED)
SPREAD = np.array([0.01, -0.01] * 14)
FIRST, SECOND = GATE.screen_looks


def shifted(by: float) -> np.ndarray:
    """Return a row with a mean that is ``by`` standard deviations of the spread."""
    return (SPREAD + by * float(SPREAD.std(ddof=1)))[None]


@pytest.mark.parametrize(
    ("by", "used", "direction"),
    [(0.0, FIRST, 0), (2.0, FIRST, 1), (-2.0, FIRST, -1), (0.5, SECOND, 0)],
)
def test_screen_looks_again_only_where_the_first_look_is_not_clear(
    by: float, used: int, direction: int
) -> None:
    looked = screen(shifted(by), GATE)
    assert (looked.used[0], looked.lacking[0], looked.direction[0]) == (used, 0, direction)


@pytest.mark.parametrize(("available", "used", "lacking"), [(0, 0, 6), (4, 0, 2), (8, 6, 2)])
def test_screen_says_how_many_replicates_it_lacks(available: int, used: int, lacking: int) -> None:
    looked = screen(shifted(0.5)[:, :available], GATE)
    assert (looked.used[0], looked.lacking[0], looked.direction[0]) == (used, lacking, 0)


@pytest.mark.parametrize(("by", "used"), [(0.0, 8), (-3.0, 8), (0.6, 28), (1.1, 16), (2.0, 8)])
def test_fresh_replicates_are_looked_at_again_where_that_may_help(by: float, used: int) -> None:
    looked = confirm(shifted(by), np.array([1]), 1, GATE)
    assert (looked.used[0], looked.lacking[0]) == (used, 0)


def test_case_that_is_not_flagged_needs_no_fresh_replicates() -> None:
    looked = confirm(shifted(3.0), np.array([0]), 1, GATE)
    assert (looked.used[0], looked.lacking[0], looked.p_value[0]) == (0, 0, np.inf)


def test_more_flagged_cases_want_more_evidence() -> None:
    row = shifted(1.05)
    alone, among_eight = (confirm(row, np.array([1]), flagged, GATE) for flagged in (1, 8))
    assert (alone.used[0], among_eight.used[0]) == (16, 28)


@pytest.mark.slow
def test_identical_code_alarms_more_rarely_than_the_gate_promises() -> None:
    """Eight unchanged cases, a strict level made loose so that a few thousand draws can see it."""
    gate = Gate(screen_p=0.5, clear_p=0.9, alarm_p=0.05, screen_looks=(4, 6), confirm_looks=(5, 9))
    generator = np.random.default_rng(11)
    alarms = 0
    for _ in range(500):
        cases = {str(i): v for i, v in enumerate(generator.normal(0, 0.02, (8, 15)).tolist())}
        alarms += any(change.verdict in ALARMS for change in judge(cases, gate).by_name.values())
    assert 0 < alarms / 500 <= 0.05


@pytest.mark.slow
def test_minimum_detectable_effect_is_found_nineteen_times_of_twenty() -> None:
    generator = np.random.default_rng(5)
    size = mde_of_gate([0.02, -0.02] * 20)
    assert size is not None
    sd = float(np.std([0.02, -0.02] * 20, ddof=1))
    draws = generator.normal(np.log1p(size), sd, (1000, SECOND + GATE.confirm_looks[-1]))
    found = sum(judge({"a": row}).verdict is Verdict.REGRESSED for row in draws.tolist())
    assert found / 1000 == pytest.approx(stats.POWER, abs=0.02)


def test_minimum_detectable_effect_needs_an_interval() -> None:
    assert mde_of_gate([0.01] * (stats.MIN_FOR_INTERVAL - 1)) is None
    assert mde_of_gate([0.01] * stats.MIN_FOR_INTERVAL) == GATE.tolerance


@given(st.lists(st.floats(-0.2, 0.2), min_size=38, max_size=38), st.floats(0.1, 10))
def test_looks_do_not_depend_on_the_unit_of_the_noise(values: list[float], scale: float) -> None:
    there, here = (screen(np.array([values]) * s, GATE) for s in (1.0, scale))
    assert there.used[0] >= FIRST
    if np.std(values[:FIRST]) > 1e-6 and np.std(values[:SECOND]) > 1e-6:
        assert (there.used[0], there.direction[0]) == (here.used[0], here.direction[0])


def test_gate_of_an_earlier_self_test_is_read_by_its_old_names() -> None:
    stored = {"calm_p": 0.3, "hopeless_p": 0.2, "suite_looks": [4], "screen_looks": [5, 9]}
    gate = Gate.from_json(stored)
    assert (gate.clear_p, gate.futile_p, gate.overall_looks) == (0.3, 0.2, (4,))
    assert Gate.from_json(json.loads(json.dumps(asdict(gate)))) == gate
