"""``python -m reports cost`` as its users call it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import reports
from bench.schema.records import Status
from reports.__main__ import main
from tests.support import profiles
from tests.support.factories import case, result
from tests.support.result_files import measured, result_file


def test_run_is_named_by_its_folder_or_its_file(tmp_path: Path) -> None:
    """Those of `cost` are below."""
    run, out = profiles.run_dir(tmp_path), tmp_path / "out"
    named = (str(run), str(run / "results.json"))
    for name in named:
        assert main(["profile", name, "--out", str(out)]) == 0
        frame = reports.load(name)
        assert list(frame["arm"]) == list(reports.load([Path(name)])["arm"])
    assert main(["compare", *named, "--out", str(out)]) == 0


def test_wrong_use_is_one_line_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "run", "\x1b[31mred"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "python -m reports: unrecognized arguments: \\x1b[31mred; see python -m reports --help\n"
    )


@pytest.mark.parametrize("command", [["cost"], ["profile"], ["compare", "{run}"]])
def test_run_that_is_not_there_is_named_as_it_was_typed(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = profiles.run_dir(tmp_path)
    (tmp_path / "fit-1").mkdir()
    words = [word.format(run=run) for word in command]
    assert main([*words, "nowhere"]) == 2
    assert "nowhere: No such file or folder; name the folder of a run" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "fit-1")]) == 2
    assert "fit-1: no results.json in it" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["cost", "profile", "history"])
def test_name_that_no_file_can_have_is_one_line(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "x" * 300]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m reports: {'x' * 300}")
    assert said.endswith(": File name too long; name another\n")
    assert said.count("\n") == 1


def test_same_run_twice_is_one(tmp_path: Path) -> None:
    run = profiles.run_dir(tmp_path)
    assert main(["cost", str(run), str(run / "results.json")]) == 0
    assert (run / "report.html").is_file()
    assert len(pd.read_csv(run / "cost.csv")) == 1


def test_several_runs_are_beside_each_other_in_a_row_per_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {"first": [measured(1.5), measured(1.4, batch_size=2)], "second": [measured(1.6)]}
    paths = [str(result_file(tmp_path, cases, run_id=name)) for name, cases in runs.items()]
    assert main(["cost", *paths, "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("A: run first;")
    assert lines[2].startswith("B: run second;")
    (row,) = (line for line in lines if line.strip().startswith("neck cnn b1"))
    assert row.index("1.500") < row.index("1.600")
    (alone,) = (line for line in lines if line.strip().startswith("neck cnn b2"))
    assert "1.400" in alone
    assert any(line.startswith("B: PANet adds 60 %") for line in lines)
    assert "| neck cnn b1 224 nchw |" in (tmp_path / "out" / "cost.md").read_text()


def test_a_run_and_a_copy_of_it_are_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = result_file(tmp_path, [measured(1.5)])
    copy = tmp_path / "wanted.json"
    copy.write_text(run.read_text())
    assert main(["cost", str(run), str(copy), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.count("Cost of PANet on top of FPN: run ") == 1


AS_A_MODULE = """
import runpy, sys
sys.argv = ["reports", "cost", {path!r}]
try:
    runpy.run_module("reports", run_name="__main__", alter_sys=True)
finally:
    assert "pandas" in sys.modules and "torch" not in sys.modules
"""
"""What ``python -m reports cost`` does, and what it has imported."""


@pytest.mark.process
def test_a_reader_who_leaves_changes_neither_files_nor_exit_code_and_none_needs_torch(
    tmp_path: Path,
) -> None:
    path = result_file(tmp_path, [measured(1.5)])
    command = [sys.executable, "-c", AS_A_MODULE.format(path=str(path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.close()
        assert started.wait() == 0, started.stderr and started.stderr.read()
    assert (tmp_path / "report.html").is_file()


def test_table_is_shown_and_written_beside_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = result(Status.OOM, "no [bold]memory[/bold]", case=case(batch_size=64), replicates=())
    path = result_file(tmp_path, [measured(1.5), lost])
    assert main(["cost", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "neck cnn b1 224 nchw" in shown
    assert "1.500 ±1.0 %" in shown
    assert "oom: no [bold]memory[/bold] [neck cnn b64 224 nchw]" in shown
    assert "PANet adds 50 % to the time of the neck" in shown
    for name in ("cost.csv", "cost.parquet", "cost.md"):
        assert (tmp_path / name).is_file()


def test_undecided_cases_say_what_they_had_and_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [measured(1.5, Status.TOO_WIDE), measured(1.4, Status.TOO_WIDE, batch_size=2)]
    main(["cost", str(result_file(tmp_path, results))])
    shown = capsys.readouterr().out
    assert "too_wide 5/5" in shown
    assert "raise --budget or --half-width [2 of 2 cases]" in " ".join(shown.split())


def test_csv_and_parquet_hold_the_same_numbers(tmp_path: Path) -> None:
    main(["cost", str(result_file(tmp_path, [measured(1.5), measured(1.4, batch_size=2)]))])
    csv = pd.read_csv(tmp_path / "cost.csv")
    parquet = pd.read_parquet(tmp_path / "cost.parquet")
    assert list(csv.columns) == list(parquet.columns)
    assert list(csv["ratio"]) == pytest.approx(list(parquet["ratio"]))
    assert "fpn_s" in parquet.columns


def test_markdown_has_a_table_and_the_paragraph(tmp_path: Path) -> None:
    main(["cost", str(result_file(tmp_path, [measured(1.5)]))])
    text = (tmp_path / "cost.md").read_text()
    assert "| case " in text
    assert "PANet adds 50 %" in text


def test_several_files_need_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(result_file(tmp_path, [measured(1.5)], run_id=name)) for name in "ab"]
    assert main(["cost", *paths]) == 2
    assert "say with --out DIR" in capsys.readouterr().err
    assert main(["cost", *paths, "--out", str(tmp_path / "both")]) == 0
    assert len(pd.read_csv(tmp_path / "both" / "cost.csv")) == 2


@pytest.mark.parametrize("content", [None, "", "{}", "[1, 2"])
def test_bad_file_is_one_line_and_exit_code_2(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    assert main(["cost", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m reports: ")
    assert error.count("\n") == 1


def test_output_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = result_file(tmp_path, [measured(1.5)])
    assert main(["cost", str(path), "--out", str(path / "sub")]) == 2
    assert "name another with --out" in capsys.readouterr().err
