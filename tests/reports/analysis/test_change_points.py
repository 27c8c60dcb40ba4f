"""Histories with and without a change in them."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.analysis import change_points

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def series(values: "np.ndarray[Any, Any]", case_id: str = "case") -> pd.DataFrame:
    count = len(values)
    return pd.DataFrame(
        {
            **dict.fromkeys(("fingerprint", "metric", "arm", "machine", "month"), "x"),
            "status": "ok",
            "case_id": case_id,
            "run_id": [f"run-{i}" for i in range(count)],
            "date": [pd.Timestamp(START + dt.timedelta(days=i)) for i in range(count)],
            "commit": [f"c{i}" for i in range(count)],
            "message": "",
            "value": values,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("step_at", [10, 30, 50])
def test_a_step_of_three_percent_in_sixty_runs_is_found(step_at: int) -> None:
    far = 0
    for seed in range(30):
        logs = np.random.default_rng(seed).normal(0, 0.01, 60)
        logs[step_at:] += np.log(1.03)
        (found,) = change_points.find(series(np.exp(logs)))
        far += abs(found.position - step_at) > 2
        assert found.change == pytest.approx(0.03, abs=0.012)
        assert found.commit == f"c{found.position}"
    assert far <= 3  # the step is three times the noise: now and then it is found later


@pytest.mark.slow
def test_quiet_histories_have_no_change_points() -> None:
    generator = np.random.default_rng(1)
    tables = [
        series(np.exp(generator.normal(0, 0.01, 60)), case_id=f"case-{i}") for i in range(300)
    ]
    assert len(change_points.find(pd.concat(tables))) <= 1


def test_one_far_run_is_no_change() -> None:
    logs = np.random.default_rng(3).normal(0, 0.01, 40)
    logs[20] += 0.3
    assert change_points.find(series(np.exp(logs))) == []


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_step_among_values_that_are_mostly_equal_is_found(noise: float) -> None:
    """As of a peak of memory: a median of the differences is 0."""
    generator = np.random.default_rng(4)
    logs = noise * (generator.random(40) < 0.2)
    assert change_points.find(series(np.exp(logs))) == []
    logs[25:] += np.log(1.03)
    (found,) = change_points.find(series(np.exp(logs)))
    assert found.position == 25
    assert found.change == pytest.approx(0.03, abs=0.002)


def test_contended_runs_say_nothing_of_a_change() -> None:
    logs = np.random.default_rng(5).normal(0, 0.002, 40)
    logs[30:36] += 0.05
    table = series(np.exp(logs))
    assert len(change_points.find(table)) == 2
    table.loc[30:35, "status"] = "contended"
    assert change_points.find(table) == []


def test_short_and_constant_histories_say_nothing() -> None:
    assert change_points.find(series(np.array([1.0, 2.0, 1.0]))) == []
    assert change_points.find(series(np.ones(40))) == []
