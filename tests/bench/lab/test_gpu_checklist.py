"""The list of checks goes on where it stopped, shows what was answered, and packs what fits."""

import json
import tarfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as command
from bench.lab import gpu_checklist
from bench.lab.command import REHEARSAL_FOLDER
from bench.lab.gpu_checklist import ARCHIVE, LOGS, STATE, Done, pack, render
from bench.lab.gpu_checks import JOURNAL, Check

FILE = "answer.txt"
WRITE = f"from pathlib import Path; Path('{{out}}', '{FILE}')"
ANSWERS = ("-c", f"{WRITE}.write_text('off by 0.4 %')")
FAILS = ("-c", "raise SystemExit(3)")
GOES_ON = ("-c", f"import sys; {WRITE}.write_text('resumed ' + str('--resume' in sys.argv))")


def check(name: str, *all_commands: tuple[str, ...], resumes: str = "") -> Check:
    def answer(folder: Path) -> str:
        return (folder / FILE).read_text()

    return Check(name, "question", all_commands, 60.0, answer, resumes)


def run(folder: Path, checks: list[Check], left_s: float = 600.0) -> bool:
    return gpu_checklist.run(folder, time.monotonic() + left_s, checks, Console(quiet=True))


@pytest.mark.process
def test_answers_stand_in_the_table(tmp_path: Path) -> None:
    checks = [check("plugin", ANSWERS)]
    assert run(tmp_path, checks)
    assert "| plugin  | question   | off by 0.4 % |" in render(tmp_path, checks)


@pytest.mark.process
def test_a_check_that_failed_is_shown_and_is_not_begun_again(tmp_path: Path) -> None:
    checks = [check("plugin", FAILS, ANSWERS), check("next", ANSWERS)]
    assert not run(tmp_path, checks)
    # What follows in the check is run all the same.
    assert "exit code 3: off by 0.4 %" in render(tmp_path, checks)
    assert not run(tmp_path, checks)
    assert len((tmp_path / STATE).read_text().splitlines()) == 2


@pytest.mark.process
def test_a_check_that_wrote_nothing_names_its_log(tmp_path: Path) -> None:
    checks = [check("plugin", FAILS)]
    run(tmp_path, checks)
    table = render(tmp_path, checks)
    assert "exit code 3: no answer (FileNotFoundError" in table
    assert f"see {tmp_path / LOGS / 'plugin.log'}" in table


@pytest.mark.process
def test_an_empty_answer_is_said_in_words(tmp_path: Path) -> None:
    checks = [check("plugin", ("-c", f"{WRITE}.write_text('')"))]
    assert run(tmp_path, checks)
    assert "| nothing was measured; see " in render(tmp_path, checks)


def test_without_time_nothing_is_begun(tmp_path: Path) -> None:
    checks = [check("plugin", ANSWERS)]
    assert run(tmp_path, checks, left_s=gpu_checklist.PACKING_S + 10)
    assert "to do" in render(tmp_path, checks)
    assert not (tmp_path / STATE).exists()


@pytest.mark.process
def test_what_a_call_has_cut_off_goes_on_in_the_next(tmp_path: Path) -> None:
    for name in ("sweep", "early"):
        (tmp_path / name / "latest").mkdir(parents=True)
        with (tmp_path / STATE).open("a") as stream:
            stream.write(json.dumps(asdict(Done(name, None, 9.0))) + "\n")
    (tmp_path / "sweep" / JOURNAL).write_text("")
    checks = [check(name, GOES_ON, resumes=JOURNAL) for name in ("sweep", "early")]
    assert run(tmp_path, checks)
    table = render(tmp_path, checks)
    assert "| sweep   | question   | resumed True " in table
    assert "| early   | question   | resumed False " in table


@pytest.mark.process
def test_exit_codes_that_are_answers_are_no_failures(tmp_path: Path) -> None:
    compared = replace(check("out-of-memory", ANSWERS, FAILS), answer_codes=(0, 3))
    assert run(tmp_path, [compared])
    assert "exit code" not in render(tmp_path, [compared])


@pytest.mark.process
def test_a_check_whose_time_is_up_is_begun_again(tmp_path: Path) -> None:
    slow = replace(check("slow", ("-c", "import time; time.sleep(60)")), limit_s=0.1)
    assert run(tmp_path, [slow])
    assert "to do" in render(tmp_path, [slow])
    assert json.loads((tmp_path / STATE).read_text())["exit_code"] is None


@pytest.mark.process
def test_archive_has_the_logs_and_not_what_is_large(tmp_path: Path) -> None:
    (tmp_path / "large.gz").write_text("x" * 1001)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "input.pt").write_text("x")
    (tmp_path / "latest").symlink_to("logs")
    run(tmp_path, [check("plugin", ("-c", "pass"))])
    packed = pack(tmp_path, most_bytes=1000)
    assert packed.left_out == (Path("large.gz"),)
    with tarfile.open(packed.archive) as archive:
        assert archive.getnames() == [STATE, "logs/plugin.log"]
    assert packed.archive == tmp_path / ARCHIVE


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "speed"], "--only speed: choose from environment, a-a, "),
        (["--minutes", "ten"], "--minutes 'tenm': give a duration"),
        (["--archive-mib", "0"], "--archive-mib '0': give a whole number"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lab", "gpu", str(tmp_path / "out"), *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"python -m bench: {sentence}")
    assert err.count("\n") == 1


def test_without_a_gpu_it_says_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert command.main(["lab", "gpu", str(tmp_path / "out")]) == 2
    assert "--rehearse" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.process
def test_environment_is_shown_on_any_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ("--rehearse", "--only", "environment", "--archive-mib", "1")
    assert command.main(["lab", "gpu", str(tmp_path), *only]) == 0
    assert "; torch " in capsys.readouterr().out
    assert (tmp_path / REHEARSAL_FOLDER / STATE).exists()
    assert not (tmp_path / STATE).exists()  # what a rehearsal finds is not the card's
