"""A git repository with this checkout's `panet`, and a commit for every edit on top."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare.revisions import git
from bench.lab.edits import SLOW_DOWNS, Edit
from bench.machine.environment import ROOT

PACKAGE = "panet"

IDENTITY = ("-c", "user.name=histories", "-c", "user.email=histories@example.invalid")


@dataclass(frozen=True)
class History:
    """A repository, and where the slow-down is."""

    folder: Path
    commits: tuple[str, ...]
    """Oldest first; the first has this checkout's code."""
    slow: str | None
    """The commit that makes it slower."""


def make(folder: Path, edits: Sequence[Edit]) -> History:
    """Make a repository with a commit for every edit.

    Raises:
        BenchError: an edit does not fit this checkout's code.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    commits = [_commit(folder, "As it is")]
    slow = None
    for edit in edits:
        path = folder / PACKAGE / edit.file
        path.write_text(edit.apply(path.read_text(encoding="utf-8")), encoding="utf-8")
        commits.append(_commit(folder, edit.name))
        if edit in SLOW_DOWNS:
            slow = commits[-1]
    return History(folder, tuple(commits), slow)


def _commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")
