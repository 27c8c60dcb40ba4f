"""The recipes of CONTRIBUTING: every patch applies to today's code, and what it adds works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.machine.environment import ROOT
from tests.support.environments import copy_of_the_tree

PAGE = (ROOT / "docs" / "CONTRIBUTING.md").read_text()

ONE_BY_ONE = """
import os
import subprocess
import sys

import pandas
import scipy.stats
import torch.fx.experimental.symbolic_shapes

assert not {"bench", "panet", "reports"} & {*sys.modules}
for recipe in sys.argv[1:]:
    subprocess.run(["git", "apply", recipe + ".diff"], check=True)
    child = os.fork()
    if not child:
        os.mkdir(recipe)
        sys.argv[1:] = [recipe]
        exec(compile(open(recipe + ".py").read(), recipe + ".py", "exec"))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{recipe} does not work")
    subprocess.run(["git", "apply", "--reverse", recipe + ".diff"], check=True)
"""
"""Tries each recipe without the others, in a process of its own after the slow imports of all."""

CHECKED = """
import sys
from pathlib import Path

import bench
assert bench.__file__ == str(Path("bench/__init__.py").resolve())
from bench.workload.check import check
from tests.support.factories import case, check_task

small = dict(height_px=64, width_px=64, threads=1)
"""
"""Before a script that checks a case as it is checked before it is timed."""

WORKS = {
    "an axis": """
import reports
from bench.schema.case import repeat
from bench.workload import axes, presets
from docs.generate import options_page

off, on = axes.sweep(presets.GRID, {"deterministic": "off,on", "threads": "1"})
assert on.case_id == off.case_id + "-deterministic"
assert "--deterministic on" in repeat(vars(on))
assert "`--deterministic LIST`" in options_page()
assert not reports.load("reports/reference")["deterministic"].any()
import torch
found = check(check_task(Path(sys.argv[1]), case(**small, deterministic=True)))
assert found.status == "ok", found.reason
assert torch.are_deterministic_algorithms_enabled()
""",
    "a network": """
from bench.run.extra_arms import EXTRA_ARMS
(arms,) = (extra.by_scope["neck"] for extra in EXTRA_ARMS if extra.name == "in-place")
found = check(check_task(Path(sys.argv[1]), case(**small), arms=arms))
assert found.status == "ok", found.reason
assert found.facts["panet_in_place"].macs == found.facts["panet"].macs
""",
    "a runtime": """
found = check(check_task(Path(sys.argv[1]), case(**small, runtime="torch-export")))
assert found.status == "ok", found.reason
assert "operators" in found.facts["panet"].read_back["executes"]
assert found.facts["panet"].file_bytes > 4 * found.facts["panet"].params
""",
}
"""What is added -> a script that fails where it does not work."""


def patches() -> dict[str, str]:
    """Return the patch of every section that has one."""
    sections = re.findall(r"^## Add (.+?)$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    found = {what: re.search(r"```diff\n(.*?)```", text, re.DOTALL) for what, text in sections}
    return {what: match[1] for what, match in found.items() if match}


def test_every_patch_is_tried() -> None:
    assert patches().keys() == WORKS.keys()


@pytest.mark.process
def test_recipes_work(tmp_path: Path) -> None:
    checkout = copy_of_the_tree(tmp_path / "checkout")
    for what, works in WORKS.items():
        (tmp_path / f"{what}.diff").write_text(patches()[what])
        (tmp_path / f"{what}.py").write_text(CHECKED + works)
    recipes = [str(tmp_path / what) for what in WORKS]
    done = subprocess.run(
        [sys.executable, "-B", "-c", ONE_BY_ONE, *recipes],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_git_checks_is_what_make_checks() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    recipe = (ROOT / "Makefile").read_text().split("\ncheck:", 1)[1].split("\n\n", 1)[0]
    made = [line.removeprefix("\t$(BIN)/") for line in recipe.splitlines() if "$(BIN)" in line]
    checks = ["ruff check", "ruff format", "mypy"]
    for typed in (entries, made):
        assert [" ".join(line.split()[:2]) for line in typed] == checks
