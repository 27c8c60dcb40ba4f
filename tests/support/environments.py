"""Interpreters and checkouts of their own: what a user has who has installed us."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.machine.environment import ROOT
from tests.support.repositories import commit, git

NO_REWRITING = "--assert=plain"
"""pytest's own import of what has assertions would pass by `HURRY`."""

HURRY = Path(__file__).with_name("in_a_hurry.py")


def new_python(folder: Path) -> Path:
    """Make an interpreter that finds torch and the rest here, but not our project; return it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    own = next((folder / "lib").glob("python*")) / "site-packages"
    # Only of these folders, and not of what is named in them: an editable install stays out.
    here = [path for path in sys.path if path.endswith("site-packages")]
    (own / "host.pth").write_text("\n".join([*here, f"import {HURRY.stem}"]) + "\n")
    shutil.copy(HURRY, own)
    return folder / "bin" / "python"


def environment(python: Path, **more: str) -> dict[str, str]:
    """Return the variables for what an interpreter runs, as if it were activated."""
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    # pip turns this one round: our setuptools builds, and none is loaded from an index.
    ours = {"PIP_NO_BUILD_ISOLATION": "0", "PYTEST_ADDOPTS": NO_REWRITING}
    return kept | {"PATH": path} | ours | more


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git tracks, or would track, into a repository of its own; return it."""
    tracked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, git(ROOT, *tracked).split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {}, "As it is")
    return folder
