"""The workflows: valid by their schema, and every `run:` step does its work in a clean clone."""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.machine.environment import ROOT
from bench.schema.files import RESULTS
from bench.schema.run_folders import LATEST, RUNS_DIR
from tests.support.environments import copy_of_the_tree, environment, new_python
from tests.support.repositories import commit, git, new_repository

GITHUB = ROOT / ".github"
PASTED = ROOT / "docs" / "ci"
"""What users paste into their repositories."""
GITLAB = PASTED / "gitlab.yml"
WORKFLOWS = sorted({*(GITHUB / "workflows").glob("*.yml"), *PASTED.glob("*.yml")} - {GITLAB})
ACTION = GITHUB / "actions" / "bench" / "action.yml"

FILES = {"github-workflows": WORKFLOWS, "github-actions": [ACTION], "gitlab-ci": [GITLAB]}
"""By the name of their schema."""

TINY = "--resolutions 32 --channels-last off --batch-sizes 1"
COMPARED = f"{TINY} --threads 1 --budget 4m"
"""Beside other tests the machine is busy: a comparison would wait for a calmer one."""


@pytest.mark.process
@pytest.mark.parametrize("schema", FILES)
def test_files_are_valid_by_their_schema(schema: str) -> None:
    command = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [str(command), "--builtin-schema", f"vendor.{schema}", *map(str, FILES[schema])],
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


INSTALL = "Install"

OURS_ALONE = {"PIP_NO_DEPS": "1"}
"""For pip: one of the installations asks for what we need, which takes seconds."""

INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


def run_steps(
    path: Path,
    clone: Path,
    interpreter: Path,
    inputs: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    **variables: str,
) -> list[subprocess.CompletedProcess[str]]:
    """Run every `run:` step of a file as the runner does, with bash and its options.

    Args:
        path: of the workflow or action.
        clone: where it runs.
        interpreter: that a job finds.
        inputs: of an action; its defaults hold for the others.
        without: names of steps that are left out.
        variables: of the runner; what a file computes from the event is given here, too.
    """
    document = yaml.safe_load(path.read_text())
    defaults = {name: i.get("default", "") for name, i in document.get("inputs", {}).items()}
    given = defaults | dict(inputs or {})
    assert set(given) == set(defaults)
    steps = [step for step in steps_of(document) if "run" in step]
    assert {*without} <= {step["name"] for step in steps}
    done = []
    for step in steps:
        if step["name"] in without:
            continue
        of_step = {
            name: INPUT.sub(lambda match: given[match[1]], text)
            for name, text in step.get("env", {}).items()
        }
        values = environment(interpreter, **document.get("env", {}) | of_step | variables)
        done.append(run_shell(step["run"], clone, values))
    return done


def run_shell(
    script: str, folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.install
def test_nightly_adds_a_run_to_the_branch_every_night(clone: Path, interpreter: Path) -> None:
    axes = f"--half-width 90% --budget 60s --scopes neck {TINY} --threads 1"
    nightly = GITHUB / "workflows" / "nightly.yml"
    for night, without in ((1, ()), (2, (INSTALL, "Measure"))):
        if without:
            a_night_later(clone / RUNS_DIR / LATEST / RESULTS)
        for done in run_steps(nightly, clone, interpreter, without=without, AXES=axes):
            assert done.returncode == 0, done.args[-1] + done.stdout + done.stderr
        git(clone, "worktree", "remove", "--force", "history")
        git(clone, "fetch", "origin")
        files = git(clone, "ls-tree", "-r", "--name-only", "origin/bench-history").splitlines()
        assert sum(name.endswith(".parquet") for name in files) == night
        assert "history.html" in files


def a_night_later(results: Path) -> None:
    """Make another run of one: the second night differs in what becomes of its results."""
    document = json.loads(results.read_text())
    document["panet"]["run_id"] += "-later"
    results.write_text(json.dumps(document))


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
        {"base": base, "head": "HEAD", "arguments": COMPARED},
        **OURS_ALONE,
        BENCH_SOURCE=".",
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_OUTPUT=str(output),
    )
    assert all(done.returncode == 0 for done in others)
    code = output.read_text().strip()
    assert code in ("exit-code=0", "exit-code=3", "exit-code=1"), compared.stderr
    assert "Add nothing" in summary.read_text()
    assert (clone / "bench-results" / "verdicts.xml").exists()


STRANGERS = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools>=77"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "acme"
        version = "1.0"

        [tool.setuptools]
        packages = ["acme", "acme_ops"]
    """,
    "acme/__init__.py": """
        from torch import nn

        from acme_ops import conv


        def network(): return nn.Sequential(*(conv() for _ in range(8)))
    """,
    "acme_ops/__init__.py": """
        from torch import nn


        def conv(): return nn.Conv2d(3, 3, 5, padding=2)
    """,
}
BENCHMARK = {
    "benchmarks/acme.py": """
        import torch

        from acme import network


        def make(batch, height, width):
            return network(), [torch.randn(batch, 3, height, width)]
    """
}
WIDER = {"acme_ops/__init__.py": STRANGERS["acme_ops/__init__.py"].replace("5, padding=2", "{}")}
INPUTS = {"package": "acme,acme_ops", "workload": "benchmarks/acme.py:make"}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """Return our project as one fetches it: pip builds in the folder that it installs from."""
    return copy_of_the_tree(tmp_path / "tool")


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """Return a project that nobody here wrote: its operators in a package of their own."""
    repository = new_repository(tmp_path / "acme")
    commit(repository, dedented(STRANGERS), "Begin")
    return repository


def dedented(files: Mapping[str, str]) -> dict[str, str]:
    return {name: textwrap.dedent(text) for name, text in files.items()}


def pull_request(repository: Path, files: Mapping[str, str], message: str) -> dict[str, str]:
    base = git(repository, "rev-parse", "HEAD")
    return {"base": base, "head": commit(repository, dedented(files), message)}


@pytest.mark.install
def test_pasted_workflow_judges_a_stranger_s_pull_requests_from_the_first_on(
    strangers: Path, interpreter: Path, tool: Path, tmp_path: Path
) -> None:
    pasted = yaml.safe_load((PASTED / "compare.yml").read_text())
    (used,) = (step for step in steps_of(pasted) if "/actions/bench@" in step["uses"])
    inputs = {**used["with"], **INPUTS, "arguments": COMPARED, "on-undecided": "fail"}
    cases = (
        (BENCHMARK, "Add a benchmark", "", {"0", "3"}),
        (
            {"acme_ops/__init__.py": WIDER["acme_ops/__init__.py"].format("41, padding=20")},
            "Widen",
            "is slower",
            {"1"},
        ),
        ({"acme_ops/__init__.py": "1 / 0"}, "Break", "is no longer able to run", {"1"}),
    )
    for number, (files, message, said, codes) in enumerate(cases):
        ends = pull_request(strangers, files, message)
        if not number:  # of equal code no verdict is asked for, and one server tells too little
            ends["arguments"] = f"{TINY} --threads 1 --budget 30s --tolerance 20%"
        output, summary = (tmp_path / f"{name}-{number}" for name in ("output", "summary"))
        *installed, compared = run_steps(
            ACTION,
            strangers,
            interpreter,
            inputs | ends,
            without=(INSTALL,) if number else (),
            **OURS_ALONE,
            BENCH_SOURCE=str(tool),
            GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(summary),
        )
        assert all(done.returncode == 0 for done in installed), installed
        code = output.read_text().strip().removeprefix("exit-code=")
        assert code in codes, compared.stdout + compared.stderr
        assert compared.returncode == int(code)
        assert said in summary.read_text()
        assert message in (strangers / "bench-results" / "comment.md").read_text()
        git(strangers, "clean", "-fdq", "bench-results")


@pytest.mark.install
def test_pasted_gitlab_job_judges_a_merge_request(
    strangers: Path, interpreter: Path, tool: Path
) -> None:
    commit(strangers, dedented(BENCHMARK), "Add a benchmark")
    clone = strangers.parent / "clone"
    git(strangers, "branch", "--force", "target")
    git(strangers.parent, "clone", "--quiet", str(strangers), str(clone))
    ends = pull_request(
        clone,
        {"acme_ops/__init__.py": WIDER["acme_ops/__init__.py"].format("41, padding=20")},
        "Widen",
    )
    job = yaml.safe_load(GITLAB.read_text())["bench"]
    script = "\n".join(job["script"])
    for ours, theirs in (("mynet ", "acme,acme_ops "), ("benchmarks/mynet", "benchmarks/acme")):
        assert ours in script
        script = script.replace(ours, theirs)
    script = script.replace("compare ", f"compare {COMPARED} ", 1)
    variables = {"TOOL": str(tool), "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "target"}
    values = environment(interpreter, **variables, **OURS_ALONE, **ends)
    done = run_shell(script, clone, values)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "is slower" in done.stdout
    assert (clone / "bench-results" / "verdicts.xml").exists()


def test_poster_takes_nothing_from_a_pull_request_but_the_comment() -> None:
    """What the artifact of a fork says must not choose where it is posted, or run."""
    (job,) = yaml.safe_load((PASTED / "comment.yml").read_text())["jobs"].values()
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    (script,) = (step["run"] for step in job["steps"] if "run" in step)
    assert "${{" not in script
    assert script.count("comment.md") == 2
