"""Comparing two sides, on simulated machines: verdicts, exit codes, and what the reviewer reads."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import __main__ as command
from bench.compare import comment, junit, measuring, run
from bench.compare.request import AGAIN, BASE, HEAD, ONE_PROCESS, own_cases
from bench.compare.result import ComparisonResult, Measured, Sides
from bench.compare.revisions import Code
from bench.compare.run import CONTRAST, CONTROL, measure
from bench.fleet import side_by_side
from bench.lab.git_history import make
from bench.profiling.profile_diff import Explanation, StageChange
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Task
from bench.stats import Contrast
from bench.stats.sequential import GATE
from bench.stats.verdict import Verdict
from tests.support import machines
from tests.support.factories import case, recipes
from tests.support.machines import TWO, Machine, Noise, Stages, engine

ARMS = recipes(**{BASE: "panet@base", HEAD: "panet@head", AGAIN: "panet@base"})


CODES = {side: Code(side, Path(), "0123456789abcdef", f"{side} it") for side in (BASE, HEAD)}
ENVIRONMENT = {"cpu": "a CPU", "cores": 2, "libraries": {"torch": "2.15.0"}}
SIDES = Sides(CODES, {BASE: ENVIRONMENT, HEAD: ENVIRONMENT}, ONE_PROCESS)


def compared(
    monkeypatch: pytest.MonkeyPatch, slower: float = 0.0, **machine: Any
) -> ComparisonResult:
    """Compare on a simulated machine; the head takes ``slower`` more."""
    base_s = machines.TRUE_S["panet"]
    monkeypatch.setitem(machines.TRUE_S, "panet@head", base_s * (1 + slower))
    values: dict[str, Any] = {"noise": Noise(round_sd=0.02)} | machine
    return measure(engine(Machine(**values), arms=ARMS), GATE, SIDES, time.monotonic())


def test_slower_code_is_found_in_all_cases_together(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch, slower=0.05)
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSED, 1)
    together = found.timed.overall
    assert together is not None
    assert together.verdict is Verdict.REGRESSED
    assert together.ratio is not None
    assert together.ratio.value == pytest.approx(1.05, abs=0.01)
    assert str(found) == found._repr_markdown_() == comment.render(found)
    beside = side_by_side.verdicts(json.loads(json.dumps(found.to_json())))
    assert beside["all together"].startswith("regressed, +")
    assert beside["verdict"] == "regressed"


def test_equal_code_is_within_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch)
    assert (found.verdict, found.exit_code) == (Verdict.WITHIN_NOISE, 0)


def test_faster_code_is_an_improvement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch, slower=-0.08)
    assert (found.verdict, found.exit_code) == (Verdict.IMPROVED, 0)


CALM = Noise(round_sd=0.02)


def of_equal_code(folder: Path) -> list[str]:
    """Return the command that compares a commit with itself, in a repository of its own."""
    history = make(folder / "repository", [])
    arguments = ["compare", "HEAD", "HEAD", "--repository", str(history.folder)]
    return [*arguments, "--run-dir", str(folder / "runs")]


class Dying(Machine):
    """Is killed while it measures."""

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        if len(self.tasks) == 30:
            raise KeyboardInterrupt
        return super().run(task, timeout_s)


@pytest.mark.process
def test_killed_comparison_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    arguments = of_equal_code(tmp_path)
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Dying(noise=CALM))
    assert command.main(arguments) == 130
    (folder,) = (tmp_path / "runs").iterdir()
    before = journal.read(folder / "journal")
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Machine(noise=CALM))
    assert command.main([*arguments, "--resume"]) == 0
    after = journal.read(folder / "journal")
    for case_id, replicates in after.replicates.items():
        assert [r.index for r in replicates] == list(range(len(replicates)))
        kept = before.replicates.get(case_id, [])
        assert replicates[: len(kept)] == kept
    assert (folder / "comment.md").exists()
    for more, said in ((["--apart"], "pairing differ"), (["--resume", "x"], "there is: compare-")):
        assert command.main([*arguments, "--resume", *more]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(measuring, "code_digest", lambda: "another")
    assert command.main([*arguments, "--resume"]) == 2
    assert "the code of panet/ or bench/ differ" in capsys.readouterr().err


@pytest.mark.process
def test_code_that_is_edited_while_it_is_measured_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    history = make(tmp_path / "repository", [])

    class Editing(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            (history.folder / "panet" / "fpn.py").write_text('"Another."')
            return super().run(task, timeout_s)

    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Editing(noise=CALM))
    arguments = ["compare", "HEAD", str(history.folder), "--repository", str(history.folder)]
    assert command.main([*arguments, "--run-dir", str(tmp_path / "runs")]) == 2
    assert "its code changed while it was measured" in capsys.readouterr().err


class Losing(Machine):
    """Loses a process of a case while it is measured."""

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        if isinstance(task, ReplicateTask) and task.case == TWO[0] and task.index == 2:
            return Failure(Status.CRASHED, "head: killed by signal 9")
        return super().run(task, timeout_s)


def test_case_that_dies_while_it_is_measured_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    simulated = engine(Losing(noise=CALM), arms=ARMS)
    found = measure(simulated, GATE, SIDES, time.monotonic())
    assert found.died == {TWO[0].case_id: "crashed: head: killed by signal 9"}
    assert found.verdict is Verdict.UNDECIDED
    assert "a process died while it was measured" in comment.render(found)
    assert "undecided, died while it was measured: crashed" in junit.render(found)


@pytest.mark.process
def test_case_that_died_is_still_undecided_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    arguments = of_equal_code(tmp_path)

    class First(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            if isinstance(task, ReplicateTask) and task.case.batch_size == 2 and task.index == 1:
                return Failure(Status.CRASHED, "killed by signal 9")
            return super().run(task, timeout_s)

    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: First(noise=CALM))
    assert command.main(arguments) == 3
    assert command.main([*arguments, "--resume"]) == 3
    assert "missing" not in capsys.readouterr().out


@pytest.mark.process
def test_comparison_that_is_still_going_on_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = make(tmp_path / "repository", [])
    folder = tmp_path / "runs" / "compare-x"
    (folder / "code-base").mkdir(parents=True)
    arguments = ["compare", "HEAD", "HEAD", "--repository", str(history.folder)]
    with journal.locked(folder):
        found = command.main([*arguments, "--run-dir", str(tmp_path / "runs"), "--resume"])
    assert found == 2
    assert "still going on in another process" in capsys.readouterr().err
    assert (folder / "code-base").exists()


def test_a_busy_machine_says_what_is_known_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"] * 1.05)
    simulated = engine(Machine(noise=CALM, busy=lambda _: True), arms=ARMS, budget_s=100.0)
    found = measure(simulated, GATE, SIDES, time.monotonic())
    assert (found.verdict, found.exit_code) == (Verdict.UNDECIDED, 3)
    count = found.measured[TWO[0].case_id].contended
    said = comment.render(found)
    assert f"the budget was spent and the machine busy: {count} of {count} replicates" in said
    assert re.search(r"contended; provisionally \+[45]\.\d % ±", said)


def test_a_busy_spell_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch, slower=0.05, busy=lambda number: number < 40)
    assert found.verdict is Verdict.REGRESSED
    assert found.measured[TWO[0].case_id].contended > 10


def test_a_control_that_moves_makes_every_answer_worthless(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lopsided(Noise):
        """The control arm of the base is slower than the base, which nothing can explain."""

        def rounds(self, task: Any, start_s: float) -> dict[str, list[float]]:
            found = super().rounds(task, start_s)
            return {**found, AGAIN: [x * 1.2 for x in found[AGAIN]]}

    found = compared(monkeypatch, slower=0.3, noise=Lopsided(round_sd=0.02))
    assert found.control_drifted
    assert (found.verdict, found.exit_code) == (Verdict.UNDECIDED, 3)
    assert "differs from itself" in comment.render(found)


def test_a_case_that_no_longer_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(task: Any) -> Failure | None:
        broken = isinstance(task, CheckTask) and task.case == TWO[1]
        return Failure(Status.CRASHED, "no such layer") if broken else None

    found = compared(monkeypatch, fails=fails)
    assert found.failed == {TWO[1].case_id: "crashed: no such layer"}
    assert (found.verdict, found.exit_code) == (Verdict.MISSING, 1)


def test_a_regression_outranks_a_case_that_no_longer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case that fails was the headline, and what became slower was not even profiled."""

    def fails(task: Any) -> Failure | None:
        broken = isinstance(task, CheckTask) and task.case == TWO[1]
        return Failure(Status.CRASHED, "no such layer") if broken else None

    found = compared(monkeypatch, slower=0.3, fails=fails)
    assert found.failed
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSED, 1)
    text = comment.render(found)
    assert "head it` is slower" in text.splitlines()[0]
    assert f"- **missing** `{TWO[1].case_id}`: crashed: no such layer" in text


@pytest.mark.process
def test_a_regression_beside_a_case_that_no_longer_runs_is_profiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            if HEAD in task.arms and task.case.batch_size == 2:
                return Failure(Status.CRASHED, "no such layer")
            return super().run(task, timeout_s)

    profiled: list[str] = []
    monkeypatch.setitem(machines.TRUE_S, "panet@head", 1.3 * machines.TRUE_S["panet"])
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Broken(noise=CALM))
    monkeypatch.setattr(run, "explained", lambda *given: profiled.append(given[-1]))
    assert command.main(of_equal_code(tmp_path)) == 1
    said = capsys.readouterr().out
    assert " is slower: +" in said.splitlines()[0]
    assert "- **missing** `" in said
    assert len(profiled) == 1


class Unable(Machine):
    """Runs no case that some sides are in."""

    def __init__(self, *sides: str) -> None:
        super().__init__(noise=CALM)
        self._unable = set(sides)

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        if self._unable & set(task.arms):
            return Failure(Status.CRASHED, "broken")
        return super().run(task, timeout_s)


@pytest.mark.process
def test_a_head_that_runs_in_no_case_is_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Unable(HEAD))
    verdicts = tmp_path / "new" / "folder" / "verdicts.xml"
    assert command.main([*of_equal_code(tmp_path), "--junit", str(verdicts)]) == 1
    assert "is no longer able to run some cases" in capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "compare.json").read_text())["verdict"] == "missing"
    assert "<failure" in verdicts.read_text()


@pytest.mark.process
def test_a_wrong_use_leaves_no_folder_and_a_comparison_nothing_that_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Machine(noise=CALM))
    arguments = of_equal_code(tmp_path)
    assert command.main([arguments[0], "no-such-revision", *arguments[2:]]) == 2
    assert [*(tmp_path / "runs").iterdir()] == []
    assert command.main(arguments) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} == {"compare.json", "comment.md", "journal"}
    assert "both sides are the same code" in capsys.readouterr().err


@pytest.mark.process
def test_if_the_base_runs_in_no_case_either_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "ServerLauncher", lambda *_, **__: Unable(HEAD, BASE))
    assert command.main(of_equal_code(tmp_path)) == 2
    assert "no case can be compared, the base cannot run any" in capsys.readouterr().err


@pytest.mark.process
def test_junit_file_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    wanted = str(tmp_path / "file" / "verdicts.xml")
    assert command.main([*of_equal_code(tmp_path), "--junit", wanted]) == 2
    assert f"--junit {wanted}: " in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.process
def test_a_defect_of_ours_is_no_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_into(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(run, "run", run_into)
    assert command.main(of_equal_code(tmp_path)) == 70
    assert "a defect of this program" in capsys.readouterr().err


def test_comment_says_what_moved_and_what_could_have_been_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = comment.render(compared(monkeypatch, slower=0.05))
    assert text.startswith("### `0123456789 head it` is slower: +")
    assert "- **regressed** all cases together: +" in text
    assert "would have been noticed 19 times of 20" in text
    assert re.search(r"\| left to overall(, slower)? +\|.*\d → \d", text)
    assert text.split("</summary>")[1].splitlines()[2].split()[-2:] == ["MDE", "|"]
    assert len(text.split("<details>")[0].splitlines()) <= 10


def test_junit_counts_what_ci_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = ET.fromstring(junit.render(compared(monkeypatch, slower=0.05)))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "2")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("regressed: head / base = 1.0")
    times = [test.get("time") for test in suite.findall("testcase")]
    assert [time is None for time in times] == [False, False, True]  # all together have none


@pytest.mark.parametrize(
    ("base_s", "head_s", "said"),
    [
        (0.0123, 0.9994, "12.3 → 999"),
        (0.9996, 1.2804, "1,000 → 1,280"),
        (3e-5, 3e-5, "0.03 → 0.03"),
    ],
)
def test_comment_writes_milliseconds_as_people_do(base_s: float, head_s: float, said: str) -> None:
    measured = Measured(5, 0, {BASE: base_s, HEAD: head_s})
    assert comment._milliseconds(measured) == said


def test_comment_tells_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = StageChange("panet n3 fuse", 1e-3, 1.3e-3, 8 * 2**20, 16 * 2**20, 2, 3)
    why = Explanation("a case", (stage,), {"aten::clone": (0.0, 1.0)}, repeats_within=0.043)
    found = replace(compared(monkeypatch, slower=0.05), explanation=why)
    text = comment.render(found)
    assert "panet n3 fuse 1.00 → 1.30 ms, 2 → 3 operators, 8.0 → 16.0 MiB moved" in text
    assert "`aten::clone` 0 → 1 calls (traces of both sides: `traces/a case`)" in text
    small = replace(why, stages=(replace(stage, base_s=4e-6, head_s=3e-5),))
    assert "panet n3 fuse 4.0 → 30.0 µs" in comment.render(replace(found, explanation=small))
    timed = replace(why, stages=(replace(stage, head_bytes=8 * 2**20, head_operators=2),))
    text = comment.render(replace(found, explanation=timed))
    assert "1.30 ms; `aten::clone` 0 → 1 calls (the base twice: its stages differ by 4.3 %" in text
    text = comment.render(replace(found, explanation=replace(timed, named=True)))
    assert "1.30 ms; `aten::clone` 0 → 1 calls (traces of both sides" in text
    assert found.to_json()["explanation"]["stages"][0]["name"] == "panet n3 fuse"


FPN_P3, N3 = "fpn p3 smooth", "panet n3 fuse"
SPLIT = {"backbone c2": 0.3, FPN_P3: 0.03, N3: 0.3, "other": 0.37}


def with_stages(monkeypatch: pytest.MonkeyPatch, sides: str, **slower: float) -> ComparisonResult:
    """Compare on a simulated machine with noisy whole calls; on some side stages are slower."""
    stages = Stages(SPLIT, {sides: {name.replace("_", " "): by for name, by in slower.items()}})
    return compared(monkeypatch, noise=Noise(round_sd=0.02, process_sd=0.03), stages=stages)


def test_stage_that_is_slower_is_named_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_stages(monkeypatch, "panet@head", fpn_p3_smooth=1.4)
    assert (found.verdict, found.exit_code) == (Verdict.REGRESSED, 1)
    assert found.timed.overall is not None
    assert found.timed.overall.of_call == pytest.approx(0.012, rel=0.1)
    said = comment.render(found)
    headline = (
        r"is slower: `fpn p3 smooth` \+4\d\.\d % ±.* % \(\+1\.\d\d % of a call\) over all 2 cases"
    )
    assert re.search(headline, said.splitlines()[0])
    assert "- **regressed** all cases together: `fpn p3 smooth`" in said
    assert "`fpn p3 smooth` +4" in said.split("</summary>")[1]
    suite = ET.fromstring(junit.render(found))  # noqa: S314 - our own
    failures = [str(failure.get("message")) for failure in suite.findall("testcase/failure")]
    assert failures
    assert all("`fpn p3 smooth` +4" in failure for failure in failures)
    stored = json.loads(json.dumps(found.to_json()))
    assert (stored["schema"], stored["tolerance"]) == (5, 0.005)
    stages = {stage["name"]: stage for stage in stored["overall"]["stages"]}
    assert list(stages) == list(SPLIT)
    assert stages[FPN_P3]["sure"]
    assert not stages[N3]["sure"]


def test_change_within_the_tolerance_is_told_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = with_stages(monkeypatch, "panet@head", fpn_p3_smooth=1.1)
    assert (found.verdict, found.exit_code) == (Verdict.WITHIN_NOISE, 0)
    said = comment.render(found)
    assert "- surely there, but within the tolerance of 0.5 % of a call: all cases" in said
    assert "within tolerance" in said.split("</summary>")[1]
    assert "surely there, within the tolerance" in junit.render(found)


@pytest.mark.process
def test_stage_that_regressed_is_what_is_profiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled: list[tuple[str, list[str]]] = []
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    stages = Stages(SPLIT, {"panet@head": {FPN_P3: 1.4}})
    noise = Noise(round_sd=0.02, process_sd=0.03)
    monkeypatch.setattr(
        measuring, "ServerLauncher", lambda *_, **__: Machine(noise=noise, stages=stages)
    )
    monkeypatch.setattr(run, "explained", lambda *given: profiled.append(given[-2:]))
    assert command.main(of_equal_code(tmp_path)) == 1
    ((_, named),) = profiled
    assert named == [FPN_P3]


@pytest.mark.process
def test_tolerance_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(machines.TRUE_S, "panet@head", machines.TRUE_S["panet"])
    stages = Stages(SPLIT, {"panet@head": {FPN_P3: 1.4}})
    noise = Noise(round_sd=0.02, process_sd=0.03)
    monkeypatch.setattr(
        measuring, "ServerLauncher", lambda *_, **__: Machine(noise=noise, stages=stages)
    )
    arguments = [*of_equal_code(tmp_path), "--no-traces"]
    assert command.main([*arguments, "--tolerance", "5%"]) == 0
    assert "within the tolerance of 5.0 % of a call" in capsys.readouterr().out
    assert command.main([*arguments, "--tolerance", "often"]) == 2
    assert "--tolerance 'often': give a share of a call" in capsys.readouterr().err


ABOUT_22 = r"2[1-4]\.\d\d(?: to 2[1-4]\.\d\d)?"
"""Milliseconds of 0.3 of 75 ms, in two cases."""


def one_sided(
    monkeypatch: pytest.MonkeyPatch, slower: dict[str, dict[str, float]]
) -> tuple[ComparisonResult, str]:
    """Return a comparison whose sides have different stages, and the headline of its comment."""
    noise = Noise(round_sd=0.02, process_sd=0.03)
    found = compared(monkeypatch, noise=noise, stages=Stages(SPLIT, slower))
    return found, comment.render(found).splitlines()[0]


def test_stages_without_a_partner_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found, headline = one_sided(monkeypatch, {"panet@base": {N3: 0.0}})
    assert found.verdict is Verdict.REGRESSED
    said = comment.render(found)
    assert f"- stages that only the head has, compared with what is in no stage: `{N3}`" in said
    of_call = r"\+4[1-4]\.\d\d % of a call"  # 0.3 of 0.7
    told = rf"a stage that the base has not, `{N3}`: {ABOUT_22} ms \({of_call}\)"
    assert re.search(rf" is slower: {told} over all 2 cases$", headline)
    assert re.search(rf"\*\*regressed\*\* all cases together: {told};", said)
    assert "`other`" not in said
    assert f"a stage that the base has not, `{N3}`" in junit.render(found)
    stored = json.loads(json.dumps(found.to_json()))["measured"][TWO[0].case_id]
    assert stored["one_sided_s"]["head"][N3] == pytest.approx(0.0225, rel=0.1)


def test_stage_that_is_gone_is_no_time_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    found, headline = one_sided(monkeypatch, {"panet@head": {N3: 0.0}})
    assert found.verdict is Verdict.IMPROVED
    told = rf"without the base's stage `{N3}`: {ABOUT_22} ms \(-(29|30)\.\d\d % of a call\)"
    assert re.search(rf" is faster: {told} over all 2 cases$", headline)


def test_stage_in_place_of_another_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = {"panet@base": {N3: 0.0}, "panet@head": {FPN_P3: 0.0}}
    _, headline = one_sided(monkeypatch, slower)
    told = rf"`{N3}` in place of `{FPN_P3}`: 2\.\d\d → {ABOUT_22} ms"
    assert re.search(rf" is slower: {told} \(\+\d\d\.\d\d % of a call\) over all 2", headline)


def test_small_stage_without_a_partner_does_not_answer_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slower = {"panet@base": {FPN_P3: 0.0}, "panet@head": {"other": 1.5}}
    _, headline = one_sided(monkeypatch, slower)
    assert " is slower: `other` +" in headline


def test_equal_ends_of_a_span_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch)
    cases = {name: replace(case, mde_ratio=0.0061) for name, case in found.timed.cases.items()}
    text = comment.render(replace(found, timed=replace(found.timed, cases=cases)))
    assert "- a change of 0.6 % of one case alone would have been noticed" in text
    first, *_ = cases
    cases[first] = replace(cases[first], mde_ratio=0.0213)
    text = comment.render(replace(found, timed=replace(found.timed, cases=cases)))
    assert "- a change of 0.6 % to 2.1 % of one case alone" in text


def test_control_that_drifts_in_a_stage_makes_every_answer_worthless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lopsided(Stages):
        def split(self, task: Any, rounds_s: Any) -> Any:
            calls_s, spans_s = super().split(task, rounds_s)
            spans_s[AGAIN][FPN_P3] = [1.5 * x for x in spans_s[AGAIN][FPN_P3]]
            return calls_s, spans_s

    found = compared(monkeypatch, noise=Noise(round_sd=0.02), stages=Lopsided(SPLIT))
    assert found.control_drifted
    assert found.verdict is Verdict.UNDECIDED


def test_message_of_a_commit_cannot_leave_its_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch)
    evil = Code("x", Path(), "0123456789abcdef", "a`<script>`\n# b")
    sides = replace(SIDES, codes={BASE: evil, HEAD: evil})
    text = comment.render(replace(found, sides=sides))
    assert (
        text.splitlines()[0]
        == "### `0123456789 a'<script>' # b` is no slower: "
        + (text.splitlines()[0].partition("is no slower: ")[2])
    )


def test_own_network_takes_the_place_of_ours() -> None:
    cases = [case(), case(backbone="resnet50"), case(batch_size=2)]
    found = own_cases(cases, "mynet.bench:make")
    assert [c.batch_size for c in found] == [1, 2]
    assert found[0].case_id.startswith("mynet.bench.make-own-b1-")


@pytest.mark.parametrize("text", ["mynet", "mynet:", ":make", "my net:make", "mynet:make()"])
def test_own_network_is_named_by_module_and_factory(text: str) -> None:
    with pytest.raises(BenchError, match="give module:factory"):
        own_cases([case()], text)


def test_control_and_contrast_use_both_turns_of_the_base() -> None:
    assert set(CONTRAST.baselines) == {BASE, AGAIN}
    assert Contrast((AGAIN,), (BASE,)) == CONTROL
