"""The commands that README and docs print, each done by its own program until it would measure."""

import argparse
import re
import shlex
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from bench import __main__ as bench_command
from bench.compare import bisect, run
from bench.fleet import sitting
from bench.fleet.executors import EXECUTORS
from bench.lab import command as lab
from bench.lab import gpu_checklist, other_tools, tensorboard_check
from bench.lab.history_trials import GateTest
from bench.machine.environment import ROOT
from bench.run import max_batch
from bench.run.ddp import run as ddp
from bench.run.own import measuring as own
from bench.schema.files import COST, JOURNAL, RESULTS
from bench.schema.run_folders import point_latest_at
from bench.selftest.session import SelfTest
from docs import generate
from panet import __main__ as panet_command
from reports import __main__ as reports_command
from tests.support import profiles
from tests.support.own_files import own_run

SHELLS = ("console", "sh", "bash")

WHAT_A_READER_HAS = (
    *("monday.json", "today.json", "laptop.json", "server.json"),
    *("bench.py", "workload.py", "benchmarks/mynet.py"),
)
"""Files that commands name: results of his, and a workload of his."""

OWN_RESULTS = ("neck-monday.json", "neck-today.json")
"""The same, of `panet-bench cost`."""

PLACEHOLDERS = {"s3://bucket/bench": "bucket"}
"""What stands for something of the reader's that no test can have -> what it is here."""

OTHERS = {"cd", "cp", "git", "pip", "ray", "sed", "uv", "../lowest/bin/pytest"}
"""Programs that are not ours, and whose options are not ours to check."""

MEASURING = (
    *((run, "run"), (bisect, "run"), (SelfTest, "run"), (max_batch, "find_all")),
    *((GateTest, "run"), (other_tools, "run_all"), (gpu_checklist, "run")),
    *((tensorboard_check, "check"), (own, "measure"), (ddp, "measure_all")),
    (sitting, "sit"),
)
"""Whatever a command of ``python -m bench`` does when all that was typed has been accepted."""


class WouldMeasure(BaseException):
    """Everything that was typed is right. No `Exception`: commands report those as defects."""


def commands(page: str) -> list[str]:
    """Return the commands of a page: those of its blocks, and calls of ``make`` in the text."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line for shell, block in blocks if shell in SHELLS for line in _lines(shell, block)]
    typed = [line.partition(" #")[0].rstrip() for line in lines]
    return typed + re.findall(r"`(make [a-z][^`]*)`", page)


def _lines(shell: str, block: str) -> list[str]:
    """Return what is typed; in a console after the ``$``, with what is printed between."""
    joined = block.replace("\\\n", " ").splitlines()
    if shell == "console":
        return [line.removeprefix("$ ") for line in joined if line.startswith("$ ")]
    return [line for line in joined if line and not line.startswith("#")]


def reader_s_folder(folder: Path) -> None:
    """Write what commands find where they are typed: three runs, stored results, a workload."""
    run_dir = folder / "reports" / "runs" / "run-1"
    run_dir.mkdir(parents=True)
    profiles.run_dir(run_dir)
    (run_dir / JOURNAL).touch()
    point_latest_at(run_dir)
    shutil.copytree(ROOT / "reports" / "reference", run_dir.with_name("run-0"))
    for name in WHAT_A_READER_HAS:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        text = (run_dir / RESULTS).read_text() if path.suffix == ".json" else ""
        path.write_text(text.replace("run-1", path.stem))
    for name in OWN_RESULTS:
        (own_run(folder, name.removesuffix(".json")) / COST).rename(folder / name)
    own_run(run_dir.parent, "cost-1")


def try_out(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what a command does, up to where it would measure; fail where it is not accepted."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
    match words:
        case ["make", *rest]:
            _make(rest)
        case ["pytest", "bench", *rest]:
            _pytest(rest, monkeypatch)
        case ["panet-bench", "arms"]:
            assert bench_command.main(["arms"]) == 0
        case ["panet-bench", *rest] | ["python", "-m", "bench", *rest]:
            _bench(rest, monkeypatch)
        case ["python", "-m", "reports", *rest]:
            assert reports_command.main(rest) in (0, 1, 3)
        case ["python", "-m", "panet", *rest]:
            assert panet_command.main(rest) == 0
        case ["python", "-m", "docs.generate"]:
            assert generate.PAGES
        case ["tensorboard", *rest]:
            _tensorboard(rest)
        case [program, *_]:
            assert program in OTHERS, f"no test knows how to try {command!r}"


def _pytest(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _without_extras(monkeypatch)
    assert pytest.main(["bench", *words, "--collect-only", "-q"]) == pytest.ExitCode.OK


def _without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in EXECUTORS.items():
        monkeypatch.setitem(EXECUTORS, name, replace(entry, package=""))


def _make(words: Sequence[str]) -> None:
    """Check that every word is a target of the Makefile, or sets a variable that it asks for."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    variables = re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE)
    for word in words:
        name, sets, _ = word.partition("=")
        assert name in (variables if sets else targets), word


def _bench(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def would_measure(*_: object, **__: object) -> NoReturn:
        raise WouldMeasure

    for place, name in MEASURING:
        monkeypatch.setattr(place, name, would_measure)
    monkeypatch.setattr(lab, "_require_gpu", lambda: None)
    _without_extras(monkeypatch)
    with pytest.raises(WouldMeasure):
        bench_command.main(words)


def _tensorboard(words: Sequence[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what it carries along
        from tensorboard.plugins.core.core_plugin import CorePluginLoader

    parser = argparse.ArgumentParser()
    CorePluginLoader().define_flags(parser)
    assert Path(parser.parse_args(words).logdir).is_dir()
