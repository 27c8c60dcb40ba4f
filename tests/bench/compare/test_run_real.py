"""`bench compare` with real revisions, real networks and real processes; with a short gate."""

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from bench.__main__ import main
from bench.compare import measuring
from bench.compare import run as comparison
from bench.compare.request import BASE, HEAD, ONE_PROCESS, SEPARATE, Request, own_cases
from bench.compare.result import ComparisonResult
from bench.engine import separate_processes
from bench.engine.plan import Design
from bench.lab.edits import FUSE, HARMLESS, SLOWER, Edit, harmless
from bench.lab.git_history import make
from bench.machine.environment import ROOT
from bench.stats.sequential import Gate
from bench.stats.verdict import Verdict
from bench.workload import axes, code_loader, presets
from tests.support.repositories import commit, new_repository
from tests.support.short import OneServer, needed_by

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "needed_by", needed_by)
    monkeypatch.setattr(measuring, "REPLICATE_S", 0.4)
    monkeypatch.setattr(measuring, "Design", partial(Design, one_server=True))
    monkeypatch.setattr(measuring, "ServerLauncher", OneServer)
    monkeypatch.setattr(separate_processes, "contended", lambda *_: False)


QUICK = Gate(screen_looks=(3, 5), confirm_looks=(4, 8), overall_looks=())
"""The second looks are for a machine that is busy with other tests."""

ONE_CASE = axes.sweep(presets.GRID, {"resolutions": "64", "threads": "1", "devices": "cpu"})
"""One thread: a busy machine has another core for whoever makes it busy."""

MUCH_SLOWER = Edit(
    "Fuse six times",
    "panet.py",
    FUSE,
    "for _ in range(5):\n"
    '                self.get_submodule(f"conv_{step}")(summed)\n'
    "            " + FUSE,
)


def compared(
    folder: Path, revisions: Sequence[str], repository: Path, **values: Any
) -> ComparisonResult:
    """Compare; the slow-down is so large that a busy machine sees it, too."""
    defaults: dict[str, Any] = {
        "cases": ONE_CASE,
        "package": "panet",
        "budget_s": 300.0,
        "timeout_s": 100.0,
        "gate": QUICK,
        "traces": False,
    }
    base, head = revisions
    request = Request(base, head, repository=repository, **(defaults | values))
    found = comparison.run(request, folder / "run", Console(quiet=True))
    assert found.verdict is Verdict.REGRESSED
    assert not found.control_drifted
    return found


def test_uncommitted_change_is_found_and_where_to_look_is_told(tmp_path: Path) -> None:
    history = make(tmp_path / "repository", [])
    source = history.folder / "panet" / "panet.py"
    source.write_text(source.read_text().replace(MUCH_SLOWER.old, MUCH_SLOWER.new))
    found = compared(tmp_path, ("HEAD", str(history.folder)), history.folder, traces=True)
    assert found.sides.pairing == ONE_PROCESS
    assert found.explanation is not None
    assert {stage.name.split()[0] for stage in found.explanation.stages} == {"panet"}
    ((base, head),) = (counts["macs"] for counts in found.counts.values())
    assert head > 1.5 * base


def test_sides_in_processes_of_their_own_take_turns(tmp_path: Path) -> None:
    history = make(tmp_path / "repository", [MUCH_SLOWER])
    other = tmp_path / "python"  # by its name another one, so it is given our code
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    pythons = {HEAD: str(other)}
    found = compared(tmp_path, history.commits, history.folder, pairing=SEPARATE, pythons=pythons)
    assert found.sides.environments[HEAD] == found.sides.environments[BASE]


def test_own_network_is_compared(tmp_path: Path) -> None:
    code = """
        import torch
        from mynet.layers import repeated

        def make(batch, height, width):
            return repeated(), [torch.randn(batch, 3, height, width)]
    """
    layers = """
        from torch import nn

        def repeated():
            return nn.Sequential(*(nn.Conv2d(3, 3, 9, padding=4) for _ in range({})))
    """
    repository = new_repository(tmp_path / "repository")
    files = {"mynet/__init__.py": "", "mynet/bench.py": textwrap.dedent(code)}
    commits = [
        commit(
            repository,
            {**files, "mynet/layers.py": textwrap.dedent(layers).format(count)},
            f"{count} layers",
        )
        for count in (8, 16)
    ]
    cases = own_cases(ONE_CASE, "mynet.bench:make")
    compared(tmp_path, commits, repository, package="mynet", cases=cases)


def test_own_network_of_a_file_outside_the_revisions_is_compared(tmp_path: Path) -> None:
    """The first pull request with a benchmark compares, and so does every tag before it."""
    workload = """
        import torch
        from mynet import repeated

        def make(batch, height, width):
            return repeated(), [torch.randn(batch, 3, height, width)]
    """
    layers = """
        from core_ops import conv
        from torch import nn

        def repeated():
            return nn.Sequential(*(conv() for _ in range(8)))
    """
    ops = """
        from torch import nn

        def conv():
            return nn.Conv2d(3, 3, {}, padding={})
    """
    repository = new_repository(tmp_path / "repository")
    files = {"mynet/__init__.py": textwrap.dedent(layers)}
    commits = [
        commit(
            repository,
            {**files, "core_ops/__init__.py": textwrap.dedent(ops).format(side, side // 2)},
            f"{side} wide",
        )
        for side in (7, 13)
    ]
    file = tmp_path / "bench.py"
    file.write_text(textwrap.dedent(workload))
    cases = own_cases(ONE_CASE, f"{file}:make")
    compared(tmp_path, commits, repository, package="mynet,core_ops", cases=cases)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("HEAD", "HEAD", "--workload", "no-such.py:make"), "there is no file no-such.py"),
        (("no-such", "HEAD"), "is neither a folder nor a revision"),
        (("HEAD", "HEAD", "--workload", "x"), "give module:factory"),
        (("HEAD", "HEAD", "--case", "zzz"), "matches none of"),
        (("HEAD", "HEAD", "--head-python", "/no/python"), "name an interpreter"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    tmp_path: Path,
    arguments: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ("--repository", str(ROOT), "--run-dir", str(tmp_path))
    assert main(["compare", *arguments, *where]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_exit_code_is_that_of_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "compare", "no-such", "HEAD"]
    done = subprocess.run(
        [*command, "--run-dir", str(tmp_path)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 2


@pytest.mark.parametrize("edit", [*SLOWER, *HARMLESS], ids=lambda edit: edit.name)
def test_every_edit_of_the_gate_test_fits_and_runs(tmp_path: Path, edit: Edit) -> None:
    history = make(tmp_path / "repository", [edit])
    assert (history.slow is not None) == (edit in SLOWER)
    side = f"edit_{[*SLOWER, *HARMLESS].index(edit)}"
    code: Any = code_loader.load(code_loader.Side("panet", history.folder, side))
    sizes = zip((256, 512, 1024, 2048), (16, 8, 4, 2), strict=True)
    c = [torch.randn(1, channels, size, size) for channels, size in sizes]
    with torch.inference_mode():
        p = code.FPN()(*c)
        n = code.PANet()(*p)
    assert [x.shape for x in n] == [x.shape for x in p]


def test_harmless_edits_leave_the_lines_of_the_slow_one(tmp_path: Path) -> None:
    for number, edit in enumerate(SLOWER):
        edits = [*harmless(15, f"{number}", edit), edit]
        assert len({e.name for e in edits}) == 16
        assert len(make(tmp_path / f"{number}", edits).commits) == 17
