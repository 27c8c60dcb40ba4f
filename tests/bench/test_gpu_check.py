"""The list of checks: goes on where it stopped, tells what it found, and every command is real."""

import json
import tarfile
from pathlib import Path

import pytest

from bench import __main__ as commands
from bench import gpu_check
from bench.gpu_check import ARCHIVE, STATE, Check, Done

SAYS_SO = ("-c", "print('worst operator off by 0.4 %')")
FAILS = ("-c", "raise SystemExit(3)")
GOES_ON = ("-c", "import sys; print('resumed', '--resume' in sys.argv)")


def check(name: str, *all_commands: tuple[str, ...], resumes: bool = False) -> Check:
    return Check(name, "asks", all_commands, 60.0, r"^(worst .*|resumed .*)$", resumes)


def test_answers_stand_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.run(tmp_path, 100.0, [check("plugin", SAYS_SO)]) == 0
    assert "| plugin  | asks   | worst operator off by 0.4 % |" in capsys.readouterr().out


def test_a_check_that_failed_is_told_and_is_not_begun_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [check("plugin", FAILS, SAYS_SO), check("next", SAYS_SO)]
    assert gpu_check.run(tmp_path, 100.0, asked) == 1
    said = capsys.readouterr().out
    assert f"exit code 3: see {tmp_path / 'logs' / 'plugin.log'}" in said
    assert "worst" not in (tmp_path / "logs" / "plugin.log").read_text()
    assert gpu_check.run(tmp_path, 100.0, asked) == 1
    assert len((tmp_path / STATE).read_text().splitlines()) == 2


def test_without_time_nothing_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.run(tmp_path, gpu_check.LEAST_S / 2, [check("plugin", SAYS_SO)]) == 0
    assert "to do" in capsys.readouterr().out
    assert not (tmp_path / STATE).exists()


def test_what_a_call_has_cut_off_goes_on_in_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [check("sweep", GOES_ON, resumes=True)]
    (tmp_path / "sweep").mkdir()
    cut_off = Done("sweep", None, 9.0)
    (tmp_path / STATE).write_text(json.dumps(cut_off.__dict__) + "\n")
    assert gpu_check.run(tmp_path, 100.0, asked) == 0
    assert "resumed True" in capsys.readouterr().out


def test_archive_has_the_logs_and_not_what_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "MOST_PACKED_BYTES", 1000)
    (tmp_path / "large.json").write_text("x" * 1001)
    (tmp_path / "latest").symlink_to("logs")
    gpu_check.run(tmp_path, 100.0, [check("plugin", SAYS_SO)])
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
    assert gpu_check.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"python -m bench.gpu_check: {said}")
    assert err.count("\n") == 1


def test_without_a_gpu_it_says_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu_check.main([str(tmp_path / "out")]) == 2
    assert "--rehearse" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_environment_is_told_on_any_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_check.main([str(tmp_path), "--rehearse", "--only", "environment"]) == 0
    assert "; torch " in capsys.readouterr().out


@pytest.mark.parametrize("rehearse", [False, True])
def test_every_command_is_understood(rehearse: bool) -> None:
    """That of pytest by the harness (`test_options`), the others by their own parsers."""
    for each in gpu_check.checks(rehearse=rehearse):
        for _, module, *words in each.commands:
            if module == "bench":
                commands._parser().parse_args(words)
