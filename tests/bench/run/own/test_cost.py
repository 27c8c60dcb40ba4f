"""`bench cost` from the command line to its answer, on a simulated machine: no process, no clock.

The look into the network is real; the rounds are not.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.run.own import measuring
from bench.run.own.tables import Table
from bench.schema.files import COST, COST_SCHEMA
from bench.schema.recipe import Recipe
from bench.schema.records import Replicate, Status
from bench.schema.stored import RecordError
from bench.schema.tasks import Failure, ReplicateTask, Task
from bench.stats.parts import insides
from tests.support.own_networks import NETWORK, Machine


def run(folder: Path, factory: str, *options: str, code: int = 0) -> dict[str, Any]:
    """Run the command; return its JSON."""
    net = f"{folder / 'mynet.py'}:{factory}"
    common = ["--resolutions", "32", "--devices", "cpu", "--threads", "1"]
    arguments = ["cost", net, *options, *common, "--run-dir", str(folder / "runs")]
    assert main(arguments) == code
    (written,) = (folder / "runs").glob(f"cost-*/{COST}")
    stored: dict[str, Any] = json.loads(written.read_text())
    return stored


def test_part_is_answered_first_and_adds_up(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = run(tmp_path, "make", "--part", "neck.bottom_up")
    said = capsys.readouterr().out.splitlines()
    net = f"{tmp_path / 'mynet.py'}:make"
    assert said[0].startswith("`neck.bottom_up` takes 2.")
    assert f", 20.0 % ±0.5 % of the call of `{net}`; the whole call takes 1.250 (±0.6 %)" in said[0]
    table = {line.split()[0]: line for line in said if line.startswith(("neck", "rest", "call"))}
    assert "1.250" in table["neck.bottom_up"]
    assert "80.0 %" in table["rest"]
    assert "100.0 %" in table["call"]
    assert "`neck.bottom_up` is called 2 times per call; all are in its row." in said
    assert said[-1].startswith("wrote ")
    assert max(map(len, said[1:-1])) <= 100
    assert stored["schema"] == COST_SCHEMA
    assert stored["cases"][0]["status"] == "ok"
    marked = [task.marked for task in machine.tasks if isinstance(task, ReplicateTask)]
    assert set(marked) == {("neck.bottom_up",)}


def test_file_tells_its_run_and_the_commit_of_the_code(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is not ours, nor that of the folder one stands in."""
    told = lambda folder, *names: f"commit of {names} in {folder}"  # noqa: E731
    monkeypatch.setattr(measuring, "git_commit", told)
    stored = run(tmp_path, "make", "--part", "neck")
    assert machine.tasks
    (folder,) = (tmp_path / "runs").iterdir()
    assert stored["run"]["run_id"] == folder.name
    assert stored["run"]["commit"] == f"commit of ('mynet', 'mynet.py') in {tmp_path}"


def test_answer_can_be_computed_again_from_the_file(machine: Machine, tmp_path: Path) -> None:
    assert machine.status is Status.OK
    (stored,) = run(tmp_path, "make", "--parts-of", "neck")["cases"]
    replicates = [Replicate.from_json(one) for one in stored["replicates"]]
    (found,) = insides([replicates], "network", ("neck.lateral", "neck.bottom_up"), "network_again")
    assert found is not None
    kept = stored["answer"]["insides"]["network"]
    assert kept["call_s"]["value"] == pytest.approx(found.call_s.value)
    for part, row in found.parts.items():
        assert kept["parts"][part]["share"]["value"] == pytest.approx(row.share.value)
    assert stored["looks"]["network"]["never_called"] == ["neck.unused"]
    with pytest.raises(RecordError):
        Replicate.from_json({**stored["replicates"][0], "more": 1})


def test_module_in_the_place_of_a_part_is_told_with_its_residual(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wider = f"{tmp_path / 'mynet.py'}:wider"
    stored = run(tmp_path, "make", "--part", "neck", "--with", wider)
    said = capsys.readouterr().out
    assert f"`{wider}` in the place of `neck` takes 3." in said
    assert "instead of 2." in said
    assert "Beside it the rest of the call takes +0.0 % ±0.0 % (the residual)" in said
    assert "the whole call +10.0 % ±0.3 %" in said
    assert "gives outputs of other shapes: 1x8x32x32 instead of 1x4x32x32." in said
    assert stored["cases"][0]["looks"]["exchanged"]["parts"]["neck"]["params"] == 624
    arms = next(task.arms for task in machine.tasks if isinstance(task, ReplicateTask))
    assert arms["exchanged"] == Recipe("own", exchange=f"neck={wider}")


def test_whole_networks_take_turns_beside_the_base(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mynet.py"
    common = ["--devices", "cpu", "--threads", "1", "--run-dir", str(tmp_path / "runs")]
    assert main(["cost", f"a={file}:make", f"b={file}:Net", "--input", "1x3x8x8", *common]) == 0
    said = capsys.readouterr().out
    assert "`b` takes 1.000 (±0.0 %) times as long as `a`: +0.000 ms ±0.000 per call." in said
    assert "is it another network?" in said
    assert "a_again" in said
    assert {task.marked for task in machine.tasks} == {()}


def test_contended_is_no_answer(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.busy = True
    stored = run(tmp_path, "make", "--part", "neck", "--budget", "1s", code=3)
    assert stored["cases"][0]["status"] == "contended"
    assert capsys.readouterr().out.startswith("Nothing is sure: the machine was busy")


def test_case_whose_call_fails_does_not_stop_the_others(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.refused = {2: Failure(Status.OOM, "no room")}
    stored = run(tmp_path, "small", "--part", "neck", "--batch-sizes", "2,1")
    assert [case["status"] for case in stored["cases"]] == ["oom", "ok"]
    assert "no room" in capsys.readouterr().out


def test_case_that_does_not_run_is_said_with_its_status(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.status = Status.OOM
    run(tmp_path, "make", "--part", "neck", code=3)
    assert capsys.readouterr().out.startswith("oom: no room.")


def test_names_that_end_alike_are_still_told_apart() -> None:
    names = ["model.encoder_input_proj.0", "model.decoder_input_proj.0", "rest"]
    rows = tuple((name, *["12.345 ±12.3 %"] * 6) for name in names)
    shown = str(Table(("part", *"abcdef"), rows)).splitlines()[2:]
    assert [line.split()[0] for line in shown] == names


def test_edited_network_is_no_answer(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "mynet.py"

    def edits(task: Task[Any], timeout_s: float) -> Any:
        if isinstance(task, ReplicateTask):
            file.write_text(textwrap.dedent(NETWORK) + f"# edit {task.index}\n")
        return Machine.run(machine, task, timeout_s)

    machine.run = edits  # type: ignore[method-assign]  # as somebody does meanwhile
    common = ["--resolutions", "32", "--devices", "cpu", "--run-dir", str(tmp_path / "runs")]
    assert main(["cost", f"{file}:make", "--part", "neck", *common]) == 2


def test_finished_one_is_gone_on_with_only_as_it_was(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "make", "--part", "neck")
    before = sum(isinstance(task, ReplicateTask) for task in machine.tasks)
    run(tmp_path, "make", "--part", "neck", "--resume")
    assert sum(isinstance(task, ReplicateTask) for task in machine.tasks) == before
    run(tmp_path, "make", "--part", "body", "--resume", code=2)
    assert "the parts differ from those of that run" in capsys.readouterr().err
