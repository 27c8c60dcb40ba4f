"""Ceilings: the best of several tries, kept for as long as the environment is the same."""

import itertools
from pathlib import Path

import pytest

from bench.profiling import ceilings
from bench.schema import files
from tests.support.factories import case


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "GEMM_SIZES", (8,))
    monkeypatch.setattr(ceilings, "CONVOLUTIONS", ((1, 4, 8, 3),))
    monkeypatch.setattr(ceilings, "STREAM_BYTES", 4096)


@pytest.mark.usefixtures("small")
def test_rates_come_from_the_shortest_call() -> None:
    """The clock passes 10 ms between two readings, and now and then a second."""
    steps = itertools.cycle([0.01] * 7 + [1.0])
    now = itertools.accumulate(steps)
    found = ceilings.measure(case(), lambda: next(now), seconds_each=5.0)
    assert found.gemm_flops_per_s == pytest.approx(2 * 8**3 / 0.01)
    assert found.convolution_flops_per_s == pytest.approx(2 * (4 * 8 * 3) ** 2 / 0.01)
    assert found.copy_bytes_per_s == pytest.approx(2 * 4096 / 0.01)
    assert found.triad_bytes_per_s == pytest.approx(3 * 4096 / 0.01)
    assert found.bytes_per_s == found.triad_bytes_per_s
    assert found.flops_per_s == found.convolution_flops_per_s


def test_ceilings_hold_for_device_dtype_and_threads() -> None:
    assert ceilings.name_of(case()) == ceilings.name_of(case(batch_size=8, scope="model"))
    assert ceilings.name_of(case()) != ceilings.name_of(case(threads=1))
    assert ceilings.name_of(case()) != ceilings.name_of(case(dtype="bfloat16"))


def test_they_are_kept_until_the_environment_changes(tmp_path: Path) -> None:
    here = {"cpu": "one", "cores": 2}
    assert ceilings.known(tmp_path, here, "cpu-float32-t2") is None
    kept = ceilings.keep(tmp_path, here, "cpu-float32-t2", {"flops_per_s": 1.0})
    assert ceilings.known(tmp_path, here, "cpu-float32-t2") == kept
    assert "measured" in kept
    assert ceilings.known(tmp_path, {**here, "cpu": "another"}, "cpu-float32-t2") is None
    assert ceilings.known(tmp_path, here, "cpu-float32-t1") is None


def test_a_damaged_file_is_measured_anew(tmp_path: Path) -> None:
    (tmp_path / files.CEILINGS).write_text("{")
    assert ceilings.known(tmp_path, {}, "cpu-float32-t2") is None
    ceilings.keep(tmp_path, {}, "cpu-float32-t2", {"flops_per_s": 1.0})
    assert ceilings.known(tmp_path, {}, "cpu-float32-t2") is not None
