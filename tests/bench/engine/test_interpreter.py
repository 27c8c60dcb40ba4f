"""What a process of another Python environment sees of ours, and what it is told."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from bench.engine import interpreter
from bench.engine.interpreter import environment_of, variables
from bench.machine.environment import MEASURED_CODE, ROOT, describe


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return site-packages in which ours is installed beside a package of the base."""
    folder = tmp_path / "ours" / "site-packages"
    (folder / "marker").mkdir(parents=True)
    (folder / "marker" / "__init__.py").write_text("whose = 'base'")
    (folder / "of_the_base_alone.py").write_text("")
    for name in MEASURED_CODE:
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.setattr(interpreter, "ROOT", folder)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> str:
    """Return the interpreter of another environment, with a marker package of its own."""
    venv.create(tmp_path / "other", symlinks=True)
    site = next((tmp_path / "other").glob("[Ll]ib/**/site-packages"))
    (site / "marker.py").write_text("whose = 'head'")
    return str(next((tmp_path / "other").glob("*/python")))


ASK = """
import importlib.util, json, marker, sys
names = ("bench", "panet", "of_the_base_alone", "reports", "torch")
specs = {name: importlib.util.find_spec(name) for name in names}
origins = {name: spec and spec.origin for name, spec in specs.items()}
print(json.dumps({"whose": marker.whose, "path": sys.path, "origins": origins}))
"""


@pytest.mark.process
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.usefixtures("installed")
def test_another_environment_keeps_its_packages_and_gets_only_the_measured_code(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """All of the base's site-packages came in front of its own: it ran with the base's torch."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError

    if not links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    (tmp_path / "elsewhere").mkdir()
    for _ in range(2):  # every server asks for it
        found = variables(other, tmp_path / "scratch")
    done = subprocess.run(
        [other, "-c", ASK], env=found, cwd=tmp_path / "elsewhere", capture_output=True, check=True
    )
    seen = json.loads(done.stdout)
    handed = Path(found["PYTHONPATH"])
    assert seen["whose"] == "head"
    assert {name for name, origin in seen["origins"].items() if origin} == set(MEASURED_CODE)
    assert all(Path(seen["origins"][name]).parent.parent == handed for name in MEASURED_CODE)
    assert {path.name for path in handed.iterdir()} == set(MEASURED_CODE)
    ours = tmp_path / "ours"
    assert not any(Path(place).resolve().is_relative_to(ours) for place in seen["path"])


@pytest.mark.parametrize("installed", [True, False])
def test_this_environment_needs_no_path_but_that_of_a_checkout(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server does not look where the user stands: he may have a `bench.py` there."""
    ours = Path(sysconfig.get_path("purelib")).resolve() if installed else tmp_path / "checkout"
    monkeypatch.setattr(interpreter, "ROOT", ours)
    monkeypatch.setenv("PYTHONPATH", "as it was")
    expected = "as it was" if installed else os.pathsep.join((str(ours), "as it was"))
    assert variables(sys.executable, tmp_path)["PYTHONPATH"] == expected
    assert not list(tmp_path.iterdir())


@pytest.mark.process
def test_environment_is_asked_with_the_variables_that_it_is_measured_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked with two variables alone: whatever was preloaded was not said of the head."""
    monkeypatch.setenv("BENCH_MARKER", "of this shell")
    wrapper, seen = tmp_path / "python", tmp_path / "seen.json"
    dump = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    wrapper.write_text(
        f'#!/bin/sh\n"{sys.executable}" -c "{dump}" "{seen}"\nexec "{sys.executable}" "$@"\n'
    )
    wrapper.chmod(0o755)
    assert environment_of(str(wrapper)) == describe()
    asked, measured = json.loads(seen.read_text()), variables(str(wrapper), tmp_path)
    same = set(measured) - {"PYTHONPATH", "_", "PWD", "OLDPWD", "SHLVL"}
    assert {name: asked.get(name) for name in same} == {name: measured[name] for name in same}
    assert asked["BENCH_MARKER"] == "of this shell"
