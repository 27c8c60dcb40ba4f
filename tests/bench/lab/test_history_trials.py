"""The gate test on simulated machines, with real histories: what it tries, pools and says."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench.compare import measuring
from bench.compare.commit import UndecidedError
from bench.compare.request import ONE_PROCESS, SEPARATE
from bench.lab import history_records, history_trials
from bench.lab.command import KINDS
from bench.lab.edits import BISECTED, PLACED, SLOWER
from bench.lab.history_trials import TRY
from bench.schema.tasks import Task
from tests.support import machines
from tests.support.machines import Machine, Noise


class Reading(Machine):
    """A machine on which code with a slow edit in it takes longer."""

    slower = 1.08

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__(noise=Noise(round_sd=0.03))

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        package = Path(task.sides["head"]) / "panet"
        slow = any(edit.new in (package / edit.file).read_text() for edit in (*SLOWER, *PLACED))
        factor = self.slower if slow else 1.0
        machines.TRUE_S["panet@head"] = machines.TRUE_S["panet"] * factor
        return super().run(task, timeout_s)


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "ServerLauncher", Reading)
    monkeypatch.setitem(machines.TRUE_S, "panet@head", 1.0)


def run(folder: Path, *counts: str, resume: str | None = None, edit: str = "*") -> str:
    arguments = ["lab", "gatetest", "--run-dir", str(folder), "--edit", edit]
    for kind, count in zip(TRY, counts, strict=True):
        arguments += [f"--{kind}", count]
    if resume is not None:
        arguments += ["--resume", resume]
    assert command.main(arguments) == 0
    (own,) = folder.iterdir()
    return own.name


def trials(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*/{history_records.FILE}")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.process
def test_equal_code_passes_and_slower_code_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "2", "2", "1", "1", "0")
    found = trials(tmp_path)
    assert {(t["kind"], t["verdict"]) for t in found} == {
        ("equal", "within_noise"),
        ("slower", "regressed"),
        ("placed", "regressed"),
        ("bisect", "right"),
    }
    true = [t["true_ratio"] for t in found if t["kind"] == "slower"]
    assert true == pytest.approx([Reading.slower] * 2, abs=0.03)
    page = capsys.readouterr().out
    assert "slower by 5% or more | 2 edits, 2 trials | 2 " in " ".join(page.split())
    assert "Small slow-downs in one stage, 1 edit, 1 trial: 1 regressed" in page
    assert "Bisection over 16 commits, 1 edit, 1 trial: 1 named the commit" in page


@pytest.mark.process
def test_what_nothing_flagged_has_a_true_size_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reading, "slower", 1.0)
    run(tmp_path, "0", "2", "0", "0", "0", edit="*full precision")
    found = [(t["verdict"], t["true_ratio"]) for t in trials(tmp_path)]
    assert found == [("within_noise", pytest.approx(1.0, abs=0.03))] * 2


@pytest.mark.process
def test_history_is_kept_where_the_machine_is_too_busy_for_its_true_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise UndecidedError("busy")

    monkeypatch.setattr(history_trials, "commit_log_ratios", busy)
    run(tmp_path, "0", "1", "0", "0", "0")
    assert [(t["verdict"], t["true_ratio"]) for t in trials(tmp_path)] == [("regressed", None)]


@pytest.mark.process
def test_sessions_are_pooled_and_go_on_with_other_edits(tmp_path: Path) -> None:
    name = run(tmp_path, "0", "1", "0", "0", "0")
    run(tmp_path, "0", "1", "0", "0", "0", resume=name)
    edits = [t["edit"] for t in trials(tmp_path)]
    assert edits == [edit.name for edit in SLOWER[:2]]


@pytest.mark.process
def test_the_slow_downs_that_are_chosen_take_turns(tmp_path: Path) -> None:
    name = run(tmp_path, "0", "1", "0", "0", "0", edit="Smooth twice")
    run(tmp_path, "0", "2", "0", "0", "0", resume=name, edit="*twice")
    edits = [t["edit"] for t in trials(tmp_path)]
    assert edits == ["Smooth twice", "Fuse twice", "Fuse twice"]


def test_unknown_slow_down_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["lab", "gatetest", "--run-dir", str(tmp_path), "--edit", "Sleep"]) == 2
    assert "--edit Sleep: matches none of Keep n2 apart from p2, " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.process
def test_pairings_are_compared_by_what_equal_code_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "3", "0", "0", "0", "3")
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.count("|") > 7}
    assert f" {ONE_PROCESS} " in rows[ONE_PROCESS]
    assert rows[SEPARATE].split("|")[2].strip() == "3"


def test_unknown_one_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lab", "gatetest", "--run-dir", str(tmp_path), "--resume", "x"]) == 2
    assert "no such gatetest" in capsys.readouterr().err


def test_bisected_edits_exist() -> None:
    assert len(BISECTED) == 2


def test_every_kind_of_history_can_be_chosen() -> None:
    assert list(KINDS) == list(TRY)
