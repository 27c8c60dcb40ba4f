"""``python -m bench``: one table of commands, and what is said when one is interrupted."""

import errno
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from bench.__main__ import main
from bench.compare import bisect, run
from bench.lab.history_trials import GateTest
from bench.run import max_batch
from bench.run.ddp import run as ddp
from bench.run.own import measuring
from bench.selftest.session import SelfTest


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "resumes"),
    [
        (("cost", "torchvision.models:resnet18", "--parts-of", "."), True),
        (("compare", "HEAD", "HEAD"), True),
        (("selftest",), True),
        (("bisect", "HEAD~1", "HEAD"), True),
        (("fit", "--memory", "8GiB"), False),
        (("ddp",), False),
        (("lab", "gatetest"), True),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_interrupted_command_names_resume_only_where_it_has_it(
    arguments: Sequence[str],
    resumes: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "run", interrupted)
    monkeypatch.setattr(measuring, "measure", interrupted)
    monkeypatch.setattr(bisect, "run", interrupted)
    monkeypatch.setattr(max_batch, "find_all", interrupted)
    monkeypatch.setattr(ddp, "measure_all", interrupted)
    monkeypatch.setattr(SelfTest, "run", interrupted)
    monkeypatch.setattr(GateTest, "run", interrupted)
    assert main([*arguments, "--run-dir", str(tmp_path)]) == 130
    assert ("--resume" in capsys.readouterr().err) == resumes
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "--help"])
    assert ("--resume" in capsys.readouterr().out) == resumes


def test_every_command_is_in_the_one_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if re.match(r" {4}\S", line)]
    assert listed == ["cost", "compare", "bisect", "selftest", "fit", "ddp", "arms", "lab"]


def test_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device", "a file")

    monkeypatch.setattr(run, "run", full)
    assert main(["compare", "HEAD", "HEAD", "--run-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == "python -m bench: a file: No space left on device; mend that and try again\n"


@pytest.mark.process
def test_no_help_waits_for_torch() -> None:
    """In one process: every command's parser is made, and asked for its help."""
    code = """
        import argparse, sys
        from bench.__main__ import _parser

        def helps(parser):
            yield parser.format_help()
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    for command in action.choices.values():
                        yield from helps(command)

        print(len(list(helps(_parser()))), {"torch", "pandas", "plotly"} & {*sys.modules})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith(" set()\n")
    assert int(done.stdout.split()[0]) > 10
