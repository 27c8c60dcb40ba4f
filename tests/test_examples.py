"""The examples of the docs: whole small projects, and the commands of their READMEs as printed."""

import ast
import importlib.util
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench_command
from bench.compare import command, measuring
from bench.machine.environment import ROOT
from bench.run.own.cost import Cost
from bench.schema.run_folders import RUNS_DIR
from bench.stats.sequential import Gate
from tests.support import printed
from tests.support.environments import copy_of_the_tree
from tests.support.own_networks import simulated
from tests.support.short import needed_by

pytestmark = pytest.mark.process

EXAMPLES = ROOT / "docs" / "examples"

SHORT = Gate(screen_looks=(3,), confirm_looks=(4,), overall_looks=())

TINY = ("--resolutions", "64", "--batch-sizes", "1", "--channels-last", "off", "--threads", "1")

SLOWER = {"gate": "`.` is slower", "own_neck": "`with_path` is slower"}
"""Example -> what its comparison says."""

INSTALLED_BESIDE = {"unet": "segmentation_models_pytorch", "rt_detr": "transformers"}
"""Network from the index -> its package, where we do without it."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and short replicates: both differences are large, and a busy machine sees them, too."""
    monkeypatch.setattr(command, "GATE", SHORT)
    monkeypatch.setattr(measuring, "needed_by", needed_by)
    monkeypatch.setattr(measuring, "REPLICATE_S", 0.4)


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {
        *SLOWER,
        "notebook",
        "from_the_index",
    }


@pytest.mark.parametrize("name", SLOWER)
def test_commands_of_the_example_run_as_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "T")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.invalid")
    monkeypatch.chdir(copy_of_the_tree(tmp_path / "checkout"))
    *before, compared = printed.commands((EXAMPLES / name / "README.md").read_text())
    for line in before:  # a place of its own for what is copied out of the checkout
        script = line.replace("/tmp", str(tmp_path)) + " && pwd"  # noqa: S108 - the README's
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        monkeypatch.chdir(done.stdout.splitlines()[-1])
    program, *words = compared.split()
    assert program == "panet-bench"
    assert bench_command.main([*words, *TINY, "--no-traces"]) == 1
    (comment,) = RUNS_DIR.glob("compare-*/comment.md")
    assert SLOWER[name] in comment.read_text()


def test_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((EXAMPLES / "notebook" / "cost.ipynb").read_text())
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    simulated(monkeypatch, tmp_path)  # what is looked into and called is real, the rounds are not
    monkeypatch.chdir(tmp_path)
    shown = [*executed(cells)]
    kinds = [found.answer.request.kind for found in shown if isinstance(found, Cost)]
    assert kinds == ["parts", "exchange", "networks"]
    for found in shown:
        if isinstance(found, Cost):
            assert "<table>" in found._repr_html_()


def test_networks_from_the_index_have_the_parts_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(monkeypatch, tmp_path)  # made and looked into for real, the rounds are not
    _, place, *costs = printed.commands((EXAMPLES / "from_the_index" / "README.md").read_text())
    monkeypatch.chdir(ROOT / place.removeprefix("cd "))
    assert len(costs) == 5
    for line in costs:
        _, *words = line.split()
        package = INSTALLED_BESIDE.get(words[1].partition(":")[2])
        if package is None or importlib.util.find_spec(package):
            assert bench_command.main([*words, "--run-dir", str(tmp_path)]) == 0
    assert len([*tmp_path.glob("cost-*")]) >= len(costs) - len(INSTALLED_BESIDE)


def executed(cells: Sequence[str]) -> Iterator[Any]:
    """Yield what each cell would show, its last expression; the code is the main module's."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        *before, last = ast.parse(cell).body
        whole = not isinstance(last, ast.Expr)
        body = ast.Module([*before, *([last] if whole else [])], [])
        exec(compile(body, "<cell>", "exec"), names)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            yield eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307
