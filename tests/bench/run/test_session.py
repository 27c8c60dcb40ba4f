"""A run that is not what it seems is refused."""

import contextlib
import errno
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench import conftest
from bench.engine import opened as openings
from bench.machine import advice
from bench.run import extra_arms, session
from bench.run.header import MUST_MATCH
from bench.run.request import parse_request
from bench.schema import files
from bench.schema.case import AXES
from bench.schema.errors import BenchError
from tests.support.machines import Machine, Noise


@pytest.fixture(autouse=True)
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the machine, for half a second."""
    monkeypatch.setattr(advice, "give", lambda *_: [])


OPTIONS = (*(axis.option for axis in AXES), "preset", "run_dir", "seed", "images", "budget")


def test_run_whose_code_was_edited_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def opened(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(run=lambda _: [])

    monkeypatch.setattr(session, "opened", opened)
    monkeypatch.setattr(session, "header", lambda *_: {"code": "ours"})
    monkeypatch.setattr(session, "code_digest", lambda: "ours")
    values = dict.fromkeys((*OPTIONS, "timeout", "half_width")) | {"run_dir": str(tmp_path)}
    console = Console(file=io.StringIO())
    run = session.Session(parse_request(values, None, traces=False))
    run.measure([], console)
    assert run.results == {}
    monkeypatch.setattr(session, "code_digest", lambda: "another")
    with pytest.raises(BenchError, match="edited while it was measured"):
        run.measure([], console)


def test_cases_and_their_further_arms_have_the_same_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Machine] = []

    def launcher(*_: object, **__: object) -> Machine:
        made.append(Machine(noise=Noise()))
        return made[-1]

    monkeypatch.setattr(openings, "ServerLauncher", launcher)
    monkeypatch.setattr(session, "header", lambda *_: dict.fromkeys(MUST_MATCH, "ours"))
    monkeypatch.setattr(session, "code_digest", lambda: "ours")
    values = dict.fromkeys((*OPTIONS, "timeout", "half_width")) | {"run_dir": str(tmp_path)}
    parts = extra_arms.EXTRA_ARMS[0]
    run = session.Session(parse_request(values, None, traces=False, extra_arms=(parts,)))
    first = [case.case_id for case in run.request.plan.cases if case.scope == "neck"][:1]
    console = Console(file=io.StringIO())
    with run.servers(first):
        run.measure(first, console)
        run.measure_extra_arms(parts, console)
        (machine,) = made
        assert not machine.closed
    assert machine.closed
    assert {task.case.case_id for task in machine.tasks} == set(first)
    assert {"fpn_again", "panet_alone"} <= {arm for task in machine.tasks for arm in task.arms}


def configured(run_dir: Path, wanted: Path | None = None) -> Any:
    """A pytest that has measured a case."""
    plugin = SimpleNamespace(global_and_fixture_disabled=contextlib.nullcontext)
    measured = SimpleNamespace(results={"a": None}, request=SimpleNamespace(run_dir=run_dir))
    return SimpleNamespace(
        stash={conftest.SESSION: measured, conftest.WANTED_JSON: wanted},
        pluginmanager=SimpleNamespace(getplugin=lambda _: plugin),
    )


def test_full_disk_is_pytests_usage_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    said = pytest.raises(pytest.UsageError, match=r"No space left.*--resume run-1")
    with said, conftest._outside_pytest(configured(tmp_path / "run-1")):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_copy_that_finds_no_room_is_a_usage_error_too(tmp_path: Path) -> None:
    (tmp_path / files.RESULTS).write_text("{}")
    ended: Any = SimpleNamespace(config=configured(tmp_path, tmp_path / "none" / "copy.json"))
    finish = conftest.pytest_sessionfinish(ended)
    next(finish)
    with pytest.raises(pytest.UsageError, match=r"copy.json: No such file.*--resume"):
        next(finish)
