"""What others did to a run: shares of time, and what contended replicates suffered from."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bench.schema.records import CaseResult, Load, Status
from reports.analysis import disturbances
from reports.analysis.disturbances import Disturbance
from reports.data import loads, result_files
from reports.data.errors import ReportError
from tests.support.factories import CALM, case, replicate, result
from tests.support.result_files import document, measured, result_file


def under(*machine: Load, **axes: Any) -> CaseResult:
    """A case of a replicate per load; whoever waited is contended."""
    replicates = tuple(
        replicate(i, load=load, contended=load != CALM) for i, load in enumerate(machine)
    )
    return result(Status.OK, case=case(**axes), replicates=replicates)


def busy(**values: Any) -> Load:
    return dataclasses.replace(CALM, **values)


def disturbed(folder: Path, *results: CaseResult) -> list[Disturbance]:
    file = result_files.read(result_file(folder, results))
    return list(disturbances.of_cases(loads.load(file), {results[0].case.case_id: 2}, cores=2))


def test_shares_are_those_of_all_replicates(tmp_path: Path) -> None:
    waiting = busy(waited_s=0.8, foreign_cpu_s=1.0, stolen_s=0.1)
    (found,) = disturbed(tmp_path, under(CALM, CALM, CALM, waiting))
    assert (found.replicates, found.contended) == (4, 1)
    assert found.others == pytest.approx(0.25)
    assert found.waited == pytest.approx(0.1)  # two threads asked for two seconds each time
    assert found.stolen == pytest.approx(0.025)
    assert found.throttled is None


def test_rounds_that_are_left_out_are_counted(tmp_path: Path) -> None:
    replicates = (replicate(0, disturbed=(0, 1, 2)), replicate(1))
    (found,) = disturbed(tmp_path, result(Status.OK, case=case(), replicates=replicates))
    assert found.left_out == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"waited_s": 0.4, "stolen_s": 0.1}, "waited for a CPU (1)"),
        ({"waited_s": 0.1, "stolen_s": 0.1}, "the hypervisor served others (1)"),
        ({"throttled_s": 0.3}, "the quota was used up (1)"),
        ({"clock_throttles": 3, "waited_s": 0.4}, "heat (1)"),
        ({"gpu_foreign_processes": 1}, "others on the GPU (1)"),
        ({"gpu_throttles": "hw_slowdown"}, "GPU: hw_slowdown (1)"),
        ({"waited_s": None, "foreign_cpu_s": 1.0}, "work of others (1)"),
    ],
)
def test_what_took_most_is_named(values: dict[str, Any], why: str, tmp_path: Path) -> None:
    (found,) = disturbed(tmp_path, under(CALM, busy(**values)))
    assert found.why == why


def test_undisturbed_case_suffered_from_nothing(tmp_path: Path) -> None:
    (found,) = disturbed(tmp_path, measured(1.5))
    assert (found.contended, found.why) == (0, "")


def test_run_without_loads_has_none(tmp_path: Path) -> None:
    path = result_file(tmp_path, [measured(1.5)], loads={})
    made = document([measured(1.5)])
    del made["panet"]["loads"]
    file = dataclasses.replace(result_files.read(path), document=made)
    assert not len(loads.load(file))
    assert loads.hints(file) == []


@pytest.mark.parametrize("stored", [{}, 3, {"contended": True}, {"contended": True, "x": 1}])
def test_damaged_load_is_named(stored: Any, tmp_path: Path) -> None:
    made = document([measured(1.5)])
    made["panet"]["loads"] = {"a": [stored]}
    file = dataclasses.replace(
        result_files.read(result_file(tmp_path, [measured(1.5)])), document=made
    )
    with pytest.raises(ReportError, match="damaged load"):
        loads.load(file)
