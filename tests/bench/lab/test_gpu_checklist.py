"""The list of checks: goes on where it stopped, tells what it found, and every command is real."""

import argparse
import json
import re
import tarfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench import __main__ as commands
from bench import conftest
from bench.lab import gpu_checklist
from bench.lab.gpu_checklist import ARCHIVE, STATE, Check, Done
from bench.run import session
from bench.stats.verdict import Verdict
from bench.workload import axes
from reports import __main__ as reports_commands

SAYS_SO = ("-c", "print('worst operator off by 0.4 %')")
FAILS = ("-c", "raise SystemExit(3)")
GOES_ON = ("-c", "import sys; print('resumed', '--resume' in sys.argv)")


def check(name: str, *all_commands: tuple[str, ...], resumes: str = "") -> Check:
    return Check(name, "asks", all_commands, 60.0, r"^(worst .*|resumed .*)$", resumes)


def run(folder: Path, asked: list[Check], left_s: float = 600.0) -> int:
    return gpu_checklist.run(folder, time.monotonic() + left_s, asked)


@pytest.mark.process
def test_answers_stand_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [check("plugin", SAYS_SO)]) == 0
    assert "| plugin  | asks   | worst operator off by 0.4 % |" in capsys.readouterr().out


@pytest.mark.process
def test_a_check_that_failed_is_told_and_is_not_begun_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [check("plugin", FAILS, SAYS_SO), check("next", SAYS_SO)]
    assert run(tmp_path, asked) == 1
    said = capsys.readouterr().out
    assert "exit code 3: worst operator off by 0.4 %" in said  # what follows is run all the same
    assert run(tmp_path, asked) == 1
    assert len((tmp_path / STATE).read_text().splitlines()) == 2


def test_without_time_nothing_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [check("plugin", SAYS_SO)], left_s=gpu_checklist.PACKING_S + 10) == 0
    assert "to do" in capsys.readouterr().out
    assert not (tmp_path / STATE).exists()


@pytest.mark.process
def test_what_a_call_has_cut_off_goes_on_in_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sweep", "early"):
        (tmp_path / name / "latest").mkdir(parents=True)
        with (tmp_path / STATE).open("a") as stream:
            stream.write(json.dumps(asdict(Done(name, None, 9.0))) + "\n")
    (tmp_path / "sweep" / gpu_checklist.JOURNAL).write_text("")
    journal = gpu_checklist.JOURNAL
    asked = [check(name, GOES_ON, resumes=journal) for name in ("sweep", "early")]
    assert run(tmp_path, asked) == 0
    said = capsys.readouterr().out
    assert "| sweep   | asks   | resumed True " in said
    assert "| early   | asks   | resumed False " in said


@pytest.mark.process
def test_exit_codes_that_are_answers_are_no_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compared = replace(check("out-of-memory", SAYS_SO, FAILS), answers=(0, 3))
    assert run(tmp_path, [compared]) == 0
    assert "exit code" not in capsys.readouterr().out


@pytest.mark.process
def test_archive_has_the_logs_and_not_what_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_checklist, "MOST_PACKED_BYTES", 1000)
    (tmp_path / "large.gz").write_text("x" * 1001)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "input.pt").write_text("x")
    (tmp_path / "latest").symlink_to("logs")
    run(tmp_path, [check("plugin", SAYS_SO)])
    assert capsys.readouterr().out.endswith("too large for it: large.gz\n")
    with tarfile.open(tmp_path / ARCHIVE) as packed:
        assert packed.getnames() == [STATE, "logs/plugin.log"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the folder where everything goes"),
        (["out", "--only", "speed"], "--only speed: choose from environment, a-a, "),
        (["out", "--minutes", "ten"], "--minutes 'tenm': give a duration"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_checklist.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"python -m bench.lab.gpu_checklist: {said}")
    assert err.count("\n") == 1


def test_without_a_gpu_it_says_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu_checklist.main([str(tmp_path / "out")]) == 2
    assert "--rehearse" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.process
def test_environment_is_told_on_any_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_checklist.main([str(tmp_path), "--rehearse", "--only", "environment"]) == 0
    assert "; torch " in capsys.readouterr().out
    assert (tmp_path / gpu_checklist.REHEARSAL / STATE).exists()
    assert not (tmp_path / STATE).exists()  # what a rehearsal found is not the card's


COMMANDS = [
    (each, command)
    for rehearse in (False, True)
    for each in gpu_checklist.checks(rehearse=rehearse)
    for command in each.commands
]


@pytest.mark.parametrize("module", ["bench", "reports"])
def test_every_command_is_understood(module: str) -> None:
    parser = {"bench": commands._parser, "reports": reports_commands._parser}[module]()
    own = [(each, words) for each, (_, name, *words) in COMMANDS if name == module]
    assert own
    for each, words in own:
        parser.parse_args([*words, *(["--resume"] if each.resumes and module == "bench" else [])])


class HarnessParser(argparse.ArgumentParser):
    """Takes the harness's own options as pytest's parser does, and the few others of these runs."""

    def __init__(self) -> None:
        super().__init__(allow_abbrev=False, exit_on_error=False)
        self.add_argument("folder", choices=["bench"])
        self.add_argument("-q", action="store_true")
        self.add_argument("--benchmark-quiet", action="store_true")
        self.add_argument("--benchmark-json")

    def getgroup(self, *_: str) -> "HarnessParser":
        return self

    addoption = argparse.ArgumentParser.add_argument


def test_every_run_is_understood(tmp_path: Path) -> None:
    parser = HarnessParser()
    conftest.pytest_addoption(parser)  # type: ignore[arg-type]  # stands in for pytest's
    runs = {tuple(words) for _, (_, name, *words) in COMMANDS if name == "pytest"}
    assert len(runs) > 8
    for words in sorted(runs):
        found = vars(parser.parse_args([word.replace("{out}", str(tmp_path)) for word in words]))
        request = session.parse_request(found, None, traces=found["traces"])
        assert request.plan.cases


def test_answers_are_found_in_what_is_printed() -> None:
    answers = {each.name: each.answer for each in gpu_checklist.checks(rehearse=False)}
    for name, printed in {
        "a-a": "MACs. The same network against itself differs by up to 0.18 % here; half-widths",
        "sweep": "PANet adds 9.7-66 % to the time of the neck; 43 % in MACs. The same network",
        "peers": "FPN + PANet, cold over warm: 1.033 in 1 case",
        "traces": "worst operator off by 0.00%",
        "largest-batch": "| cnn-neck-b1-64x64-cpu |   59 |   107 |   53 |   95 |",
        "out-of-memory": f"{Verdict.WITHIN_NOISE}: 1 within_noise.",
    }.items():
        assert re.search(answers[name], printed, re.MULTILINE), name


def test_preset_has_the_cases_that_the_list_promises() -> None:
    assert len(axes.sweep(axes.PRESETS["gpu"], {})) == 24
