"""The probe of the cores: the spread of speed over windows."""

import numpy as np
import pytest

from bench.selftest import background_load, core_speed


def test_even_work_has_no_spread() -> None:
    found = core_speed.spreads(np.arange(0, 5, 0.0002))
    assert found["1"] == pytest.approx(0.0, abs=1e-9)
    assert found["0.001"] == pytest.approx(0.0, abs=1e-6)


def test_core_that_slows_down_for_a_second_in_two_shows_at_every_length() -> None:
    steps = np.where((np.arange(40_000) // 5_000) % 2, 0.0002, 0.0003)
    found = core_speed.spreads(np.cumsum(steps))
    for spread in (found["0.001"], found["0.1"]):
        assert spread == pytest.approx(np.log(1.5) / 2, rel=0.1)


def test_too_short_a_probe_says_nothing_about_long_windows() -> None:
    assert core_speed.spreads(np.arange(0, 0.5, 0.0002))["1"] is None


@pytest.mark.process
def test_every_usable_core_is_probed() -> None:
    import os

    found = core_speed.probe_cores(seconds=0.3)
    assert len(found) == len(os.sched_getaffinity(0))
    assert all(core["0.01"] is not None for core in found)


@pytest.mark.process
@pytest.mark.parametrize("load", [background_load.LIGHT, background_load.HOG])
def test_background_load_runs_as_long_as_the_context_is_open(load: str) -> None:
    import psutil

    before = len(psutil.Process().children())
    with background_load.running(load):
        assert len(psutil.Process().children()) == before + 1
    assert len(psutil.Process().children()) == before
    with background_load.running(background_load.NONE):
        assert len(psutil.Process().children()) == before
