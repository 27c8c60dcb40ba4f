"""The search for the commit: in a list, and in a real history on a simulated machine."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import __main__ as command
from bench.compare import bisect, junit, measuring
from bench.compare.bisect import replicates_for, search, share_of
from bench.compare.commit import MIN_REPLICATES, Changes, UndecidedError, changed_most_surely
from bench.compare.request import Request
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.schema.tasks import Failure, Task
from bench.stats.standing import WHOLE
from tests.support import machines
from tests.support.factories import case
from tests.support.machines import Machine, Noise, Stages
from tests.support.repositories import commit, new_repository

COMMITS = [f"c{i}" for i in range(16)]


@pytest.mark.parametrize("first", range(16))
def test_the_first_slow_commit_is_found_in_four_steps(first: int) -> None:
    found = search(COMMITS, lambda commit: int(commit[1:]) >= first)
    assert found.suspects == (f"c{first}",)
    assert len(found.tried) - 1 <= 4


@given(st.integers(0, 15), st.sets(st.integers(0, 14)))
def test_commits_that_do_not_run_are_passed_by(first: int, broken: set[int]) -> None:
    def is_slow(commit: str) -> bool | None:
        number = int(commit[1:])
        return None if number in broken else number >= first

    found = search(COMMITS, is_slow)
    assert f"c{first}" in found.suspects or first in broken
    numbers = [int(commit[1:]) for commit in found.suspects]
    assert all(number in broken for number in numbers[:-1])
    assert first in numbers or min(n for n in range(first, 16) if n not in broken) == numbers[-1]


def test_a_small_change_needs_more_replicates() -> None:
    assert replicates_for(math.log(1.05), 0.03) == 11
    assert replicates_for(math.log(1.02), 0.03) == 61
    assert replicates_for(math.log(2.0), 0.03) == 4


def test_share_of_a_change_has_no_sign() -> None:
    assert share_of([0.06, 0.04], 0.1) == pytest.approx(0.5)
    assert share_of([-0.06, -0.04], -0.1) == pytest.approx(0.5)


def test_nothing_to_look_for_is_said() -> None:
    with pytest.raises(BenchError, match="which is not sure: there is nothing to look for"):
        changed_most_surely({WHOLE: changes(0.0)}, 0.005)
    assert changed_most_surely({WHOLE: changes(0.1)}, 0.005) == WHOLE


def changes(by: float, sd: float = 0.03, share: float = 1.0) -> Changes:
    logs = np.random.default_rng(0).normal(by, sd, 10)
    return Changes(logs.tolist(), (share * np.expm1(logs)).tolist())


def test_stage_that_shows_the_change_more_surely_is_followed() -> None:
    whole = {WHOLE: changes(0.1)}
    assert changed_most_surely(whole | {"a": changes(0.4, 0.01, 0.1)}, 0.005) == "a"
    assert changed_most_surely(whole | {"a": changes(0.4, 0.01, 0.001)}, 0.005) == WHOLE
    assert changed_most_surely(whole | {"a": changes(0.0, 0.01, 0.1)}, 0.005) == WHOLE


def test_sure_change_within_the_tolerance_is_nothing_to_look_for() -> None:
    with pytest.raises(BenchError, match=r"surely, but by 0\.20 % of a call"):
        changed_most_surely({WHOLE: changes(0.0), "a": changes(0.02, 0.001, 0.1)}, 0.005)


class Reading(Machine):
    """A machine on which the head takes as long as a file of its commit says."""

    busy_now = False
    stages: Stages | None = None

    def __init__(self, *_: Any, **__: Any) -> None:
        noise = Noise(round_sd=0.05)
        super().__init__(noise=noise, busy=lambda _: self.busy_now, stages=self.stages)

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        speed = (Path(task.sides["head"]) / "speed.txt").read_text()
        if self.stages is not None:  # only one of them takes longer
            self.stages.slower["panet@head"] = {"fpn p3 smooth": float(speed)}
            speed = "1.0"
        if speed == "broken":
            return Failure(Status.CRASHED, "no such layer")
        machines.TRUE_S["panet@head"] = machines.TRUE_S["panet"] * float(speed)
        return super().run(task, timeout_s)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "ServerLauncher", Reading)
    monkeypatch.setitem(machines.TRUE_S, "panet@head", 1.0)
    monkeypatch.setattr(Reading, "busy_now", False)


def history(folder: Path, speeds: list[str]) -> tuple[Path, list[str]]:
    repository = new_repository(folder)
    return repository, [
        commit(repository, {"speed.txt": speed, "n.txt": f"{i}"}, f"Change {i}")
        for i, speed in enumerate(speeds)
    ]


def request(repository: Path, good: str, bad: str) -> Request:
    return Request(good, bad, (case(),), "panet", repository, 600.0, 60.0)


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
@pytest.mark.parametrize(
    ("slow_from", "size"), [(1, "1.05"), (7, "1.05"), (12, "0.9"), (15, "1.2")]
)
def test_commit_is_found_in_a_history_of_sixteen(tmp_path: Path, slow_from: int, size: str) -> None:
    speeds = [size if i >= slow_from else "1.0" for i in range(16)]
    repository, commits = history(tmp_path / "repository", speeds)
    found = bisect.run(
        request(repository, commits[0], commits[-1]), tmp_path / "run", Console(quiet=True)
    )
    assert found.located.suspects == (commits[slow_from],)
    assert found.change.value == pytest.approx(float(size), abs=0.02)
    assert found.lines()[0].startswith(f"{commits[slow_from][:10]} Change {slow_from}: ")
    assert (tmp_path / "run" / bisect.FILE).exists()


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_stage_is_followed_to_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In noise of 5 % between rounds 1.5 % of a call is found with four replicates a step."""
    monkeypatch.setattr(Reading, "stages", Stages({"fpn p3 smooth": 0.03, "other": 0.97}))
    repository, commits = history(tmp_path / "repository", ["1.0"] * 5 + ["1.5"] * 3)
    found = bisect.run(
        request(repository, commits[0], commits[-1]), tmp_path / "run", Console(quiet=True)
    )
    assert found.located.suspects == (commits[5],)
    assert (found.stage, found.replicates) == ("fpn p3 smooth", MIN_REPLICATES)
    assert found.lines()[0].startswith(f"{commits[5][:10]} Change 5: `fpn p3 smooth` +")


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_commits_that_cannot_be_run_are_told(tmp_path: Path) -> None:
    speeds = ["1.0", "1.0", "broken", "1.1", "1.1"]
    repository, commits = history(tmp_path / "repository", speeds)
    found = bisect.run(
        request(repository, commits[0], commits[-1]), tmp_path / "run", Console(quiet=True)
    )
    assert found.located.suspects == (commits[2], commits[3])
    assert f"or one of {commits[2][:10]}, which cannot be run" in found.lines()
    suite = ET.fromstring(junit.render_bisection(found))  # noqa: S314 - our own
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")
    (failed,) = suite.findall("testcase[failure]")
    assert failed.get("name") == f"{commits[3][:10]} Change 3"
    (skipped,) = suite.findall("testcase/skipped")
    assert skipped.get("message") == "cannot be run, and may be the one"


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_busy_machine_finds_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "busy_now", True)
    repository, commits = history(tmp_path / "repository", ["1.0", "1.1"])
    asked = replace(request(repository, commits[0], commits[1]), budget_s=0.2)
    with pytest.raises(UndecidedError, match="too busy"):
        bisect.run(asked, tmp_path / "run", Console(quiet=True))


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_command_says_the_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository, commits = history(tmp_path / "repository", ["1.0", "1.0", "1.1", "1.1"])
    arguments = ["bisect", commits[0], commits[-1], "--repository", str(repository)]
    limits = ["--case", "*-b1-224x224-*-nhwc-*", "--run-dir", str(tmp_path / "runs")]
    verdicts = tmp_path / "verdicts.xml"
    assert command.main([*arguments, *limits, "--junit", str(verdicts)]) == 0
    assert f"{commits[2][:10]} Change 2: +" in verdicts.read_text()
    assert capsys.readouterr().out.startswith(f"{commits[2][:10]} Change 2: +")


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_killed_bisection_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C said "add --resume", and there was none."""
    repository, commits = history(tmp_path / "repository", ["1.0", "1.0", "1.1", "1.1"])
    arguments = ["bisect", commits[0], commits[-1], "--repository", str(repository)]
    arguments += ["--case", "*-b1-224x224-*-nhwc-*", "--run-dir", str(tmp_path / "runs")]
    asked: list[Task[Any]] = []

    class Killed(Reading):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            if len(asked) == 15:  # in the first step, behind the first measurement
                raise KeyboardInterrupt
            asked.append(task)
            return super().run(task, timeout_s)

    class Counted(Reading):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            asked.append(task)
            return super().run(task, timeout_s)

    monkeypatch.setattr(measuring, "ServerLauncher", Killed)
    assert command.main(arguments) == 130
    monkeypatch.setattr(measuring, "ServerLauncher", Counted)
    assert command.main([*arguments, "--resume"]) == 0
    assert capsys.readouterr().out.startswith(f"{commits[2][:10]} Change 2: +")
    done = [(type(t), t.scratch_dir, getattr(t, "index", None)) for t in asked]
    assert len(done) == len(set(done))
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.process
@pytest.mark.usefixtures("simulated")
def test_older_commit_has_to_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository, commits = history(tmp_path / "repository", ["1.0", "1.1"])
    arguments = ["bisect", commits[1], commits[0], "--repository", str(repository)]
    assert command.main([*arguments, "--run-dir", str(tmp_path / "runs")]) == 2
    assert "does not come after" in capsys.readouterr().err
