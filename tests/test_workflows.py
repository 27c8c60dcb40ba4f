"""The workflows: valid by their schema, and every `run:` step does its work in a clean clone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.machine.environment import ROOT
from tests.support.environments import copy_of_the_tree, environment, new_python
from tests.support.repositories import commit, git

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTION = GITHUB / "actions" / "bench" / "action.yml"

TINY = "--resolutions 32 --channels-last off --batch-sizes 1"


@pytest.mark.process
@pytest.mark.parametrize(
    ("schema", "path"),
    [*(("github-workflows", path) for path in WORKFLOWS), ("github-actions", ACTION)],
    ids=lambda value: getattr(value, "name", value),
)
def test_file_is_valid_by_its_schema(schema: str, path: Path) -> None:
    command = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def interpreter(tmp_path: Path) -> Path:
    return new_python(tmp_path / "venv")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of the working tree as it is, with a remote that it can push to."""
    source, remote = copy_of_the_tree(tmp_path / "source"), tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "clone"))
    return tmp_path / "clone"


def steps_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


def run_steps(
    path: Path, clone: Path, interpreter: Path, **variables: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run every `run:` step of a file as the runner does, with bash and its options."""
    document = yaml.safe_load(path.read_text())
    done = []
    for step in steps_of(document):
        if "run" not in step:
            continue
        values = environment(interpreter, **document.get("env", {}) | variables)
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done.append(
            subprocess.run(
                script, cwd=clone, env=values, capture_output=True, text=True, check=False
            )
        )
    return done


@pytest.mark.install
def test_nightly_adds_a_run_to_the_branch_every_night(clone: Path, interpreter: Path) -> None:
    axes = f"-p tests.support.short --scopes neck {TINY} --half-width 90% --budget 60s"
    nightly = GITHUB / "workflows" / "nightly.yml"
    for night in (1, 2):
        for done in run_steps(nightly, clone, interpreter, AXES=axes):
            assert done.returncode == 0, done.args[-1] + done.stdout + done.stderr
        git(clone, "worktree", "remove", "--force", "history")
        git(clone, "fetch", "origin")
        files = git(clone, "ls-tree", "-r", "--name-only", "origin/bench-history").splitlines()
        assert sum(name.endswith(".parquet") for name in files) == night
        assert "history.html" in files


@pytest.mark.install
def test_action_compares_a_pull_request_and_writes_its_summary(
    clone: Path, interpreter: Path, tmp_path: Path
) -> None:
    base = git(clone, "rev-parse", "HEAD")
    commit(clone, {"panet/extra.py": '"""Nothing."""\n'}, "Add nothing")
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    *others, compared = run_steps(
        ACTION,
        clone,
        interpreter,
        BENCH_SOURCE=".",
        BASE=base,
        HEAD="HEAD",
        PACKAGE="panet",
        WORKLOAD="",
        ARGUMENTS=TINY,
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_OUTPUT=str(output),
    )
    assert all(done.returncode == 0 for done in others)
    code = output.read_text().strip()
    assert code in ("exit-code=0", "exit-code=3", "exit-code=1"), compared.stderr
    assert "Add nothing" in summary.read_text()
    assert (clone / "bench-results.xml").exists()
