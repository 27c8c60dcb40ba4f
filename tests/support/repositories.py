"""Real git repositories for tests."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository; return what it prints."""
    done = subprocess.run(
        ["git", "-C", str(repository), *IDENTITY, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def new_repository(folder: Path) -> Path:
    """Make an empty repository."""
    folder.mkdir(parents=True)
    git(folder, "init", "--initial-branch=main")
    return folder


def commit(repository: Path, files: Mapping[str, str], message: str) -> str:
    """Write files and commit them; return the commit."""
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--message", message)
    return git(repository, "rev-parse", "HEAD")
