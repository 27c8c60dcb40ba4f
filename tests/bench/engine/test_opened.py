"""The one way to open an engine: what it opens, it closes; what it is given, it leaves alone."""

from pathlib import Path

import pytest
from rich.console import Console

from bench.engine import opened as openings
from bench.engine.opened import opened
from bench.engine.stopping import HalfWidth
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.records import Status
from tests.support.machines import TWO, Machine, plan

QUIET = Console(quiet=True)
HEADER = {"axes": "these"}
MUST_MATCH = {"axes": "the axes"}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Stands in for the fork servers that are started."""
    machine = Machine()
    monkeypatch.setattr(openings, "ServerLauncher", lambda *_, **__: machine)
    return machine


def test_processes_and_journal_are_closed_at_the_end(machine: Machine, tmp_path: Path) -> None:
    own = plan(scratch_dir=str(tmp_path / "scratch"))
    with opened(own, tmp_path / "run", HEADER, QUIET) as engine:
        results = engine.run(HalfWidth(0.02))
        with pytest.raises(BenchError, match="still going on"):
            journal.Journal.open(tmp_path / "run", HEADER)
        assert not machine.closed
    assert [result.status for result in results] == [Status.OK] * len(TWO)
    assert machine.closed
    journal.Journal.open(tmp_path / "run", HEADER).close()


def test_processes_end_also_where_measuring_fails(machine: Machine, tmp_path: Path) -> None:
    own = plan(scratch_dir=str(tmp_path / "scratch"))
    with pytest.raises(KeyboardInterrupt), opened(own, tmp_path / "run", HEADER, QUIET):
        raise KeyboardInterrupt
    assert machine.closed


def test_launcher_of_the_caller_s_is_left_open(tmp_path: Path) -> None:
    own = Machine()
    with opened(plan(), tmp_path / "run", HEADER, QUIET, launcher=own) as engine:
        engine.check()
    assert not own.closed


def test_what_an_earlier_part_measured_is_gone_on_with(machine: Machine, tmp_path: Path) -> None:
    own = plan(scratch_dir=str(tmp_path / "scratch"))
    for _ in range(2):
        with opened(own, tmp_path / "run", HEADER, QUIET, must_match=MUST_MATCH) as engine:
            engine.run(HalfWidth(0.02))
            measured = len(machine.tasks)
    assert len(machine.tasks) == measured
    assert len(machine.replicate_tasks) == sum(len(s.replicates) for s in engine.states)


@pytest.mark.usefixtures("machine")
def test_another_measurement_in_the_folder_is_refused(tmp_path: Path) -> None:
    own = plan(scratch_dir=str(tmp_path / "scratch"))
    with opened(own, tmp_path / "run", HEADER, QUIET) as engine:
        engine.check()
    other = opened(own, tmp_path / "run", {"axes": "others"}, QUIET, must_match=MUST_MATCH)
    with pytest.raises(BenchError, match="the axes differ"), other:
        pytest.fail("opened")
