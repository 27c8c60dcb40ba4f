"""What a comparison takes for a side: a git revision, checked out apart, or a folder as it is."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.schema.errors import BenchError
from bench.schema.text import printable

SUBJECT_CHARS = 72
"""Of a commit's message: more would push the answer out of sight."""


@dataclass(frozen=True)
class Code:
    """The code of a side."""

    requested: str
    folder: Path
    commit: str | None
    """`None` for a folder: uncommitted changes have no name."""
    subject: str
    """The first line of the commit's message, or the folder."""

    def to_json(self) -> dict[str, str | None]:
        """Return plain values."""
        return {**asdict(self), "folder": str(self.folder)}

    @property
    def name(self) -> str:
        """As it is shown: short commit and subject, or the folder."""
        return f"{self.commit[:10]} {self.subject}" if self.commit else self.subject


@contextlib.contextmanager
def checked_out(requested: str, repository: Path, scratch: Path) -> Iterator[Code]:
    """Provide the code of a revision in a worktree of its own, or a folder as it is.

    Args:
        requested: a revision as git understands it, or an existing folder (``.`` has the
            uncommitted changes).
        repository: where the revisions are.
        scratch: where worktrees may be made; they are removed at the end.

    Raises:
        BenchError: neither a folder nor a revision.
    """
    if Path(requested).is_dir():
        yield Code(requested, Path(requested).resolve(), None, requested)
        return
    commit = resolve(requested, repository)
    folder = scratch / commit[:12]
    if not folder.exists():
        git(repository, "worktree", "add", "--detach", "--force", str(folder), commit)
    try:
        yield Code(requested, folder, commit, subject(commit, repository))
    finally:
        with contextlib.suppress(BenchError):  # the other side may have been the same commit
            git(repository, "worktree", "remove", "--force", str(folder))


def resolve(requested: str, repository: Path) -> str:
    """Return the commit of a revision; raise `BenchError` if there is none."""
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", f"{requested}^{{commit}}")
    except BenchError as error:
        raise BenchError(
            f"{requested!r} is neither a folder nor a revision of {repository}; "
            f"{_where_to_find_it(repository)}"
        ) from error


def _where_to_find_it(repository: Path) -> str:
    """Return what to do about a revision that is not there."""
    try:
        shallow = git(repository, "rev-parse", "--is-shallow-repository")
    except BenchError:
        return "that is no git repository: name one with --repository"
    if shallow == "true":
        return "the clone is shallow: `git fetch --unshallow`, or in CI a fetch-depth of 0"
    return "fetch it, or name one that `git log` shows"


def subject(commit: str, repository: Path) -> str:
    """Return the first line of a commit's message, or how it begins."""
    line = printable(git(repository, "log", "-1", "--format=%s", commit))
    return line if len(line) <= SUBJECT_CHARS else f"{line[: SUBJECT_CHARS - 1].rstrip()}…"


def between(good: str, bad: str, repository: Path) -> list[str]:
    """Return the commits after ``good`` up to ``bad``, oldest first, along the first parents.

    Raises:
        BenchError: ``bad`` does not come after ``good``.
    """
    path = git(repository, "rev-list", "--reverse", "--first-parent", f"{good}..{bad}")
    commits = path.split()
    if not commits or git(repository, "merge-base", good, bad) != good:
        raise BenchError(f"{bad[:10]} does not come after {good[:10]}; give the older one first")
    return commits


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository and return what it prints; raise `BenchError` if it fails."""
    command = ["git", "-C", str(repository), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - no shell
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise BenchError(f"git {arguments[0]}: {reason[-1] if reason else 'failed'}")
    return done.stdout.strip()
