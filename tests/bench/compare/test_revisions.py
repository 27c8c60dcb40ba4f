"""Sides of a comparison: revisions of a real repository, and folders."""

from pathlib import Path

import pytest

from bench.compare.revisions import between, checked_out, resolve, subject
from bench.schema.errors import BenchError
from tests.support.repositories import commit, git, new_repository

pytestmark = pytest.mark.process


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = new_repository(tmp_path / "repository")
    for number in (1, 2):
        commit(folder, {"thing.py": f"value = {number}\n"}, f"Value {number}\n\nLonger.")
    return folder


def test_a_revision_is_checked_out_apart_and_removed(repository: Path, tmp_path: Path) -> None:
    with checked_out("HEAD~1", repository, tmp_path / "scratch") as code:
        assert (code.folder / "thing.py").read_text() == "value = 1\n"
        assert code.subject == "Value 1"
        assert code.name.startswith(str(code.commit)[:10])
        folder = code.folder
    assert not folder.exists()
    assert (repository / "thing.py").read_text() == "value = 2\n"
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_long_subject_is_cut(repository: Path) -> None:
    long = commit(repository, {"thing.py": "value = 3\n"}, f"Value 3: {'because ' * 40}")
    shown = subject(long, repository)
    assert shown.startswith("Value 3: because")
    assert shown.endswith("…")
    assert len(shown) <= 72


def test_uncommitted_changes_are_a_side(repository: Path, tmp_path: Path) -> None:
    (repository / "thing.py").write_text("value = 3\n")
    with checked_out(str(repository), repository, tmp_path / "scratch") as code:
        assert code.commit is None
        assert (code.folder / "thing.py").read_text() == "value = 3\n"
    assert (repository / "thing.py").exists()


def test_what_is_neither_is_named(repository: Path) -> None:
    with pytest.raises(BenchError, match="'no-such' is neither a folder nor a revision"):
        resolve("no-such", repository)


def test_outside_a_repository_there_are_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no git repository: name one with --repository"):
        resolve("HEAD", tmp_path)


def test_what_a_shallow_clone_lacks_is_to_be_fetched(repository: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(shallow))
    with pytest.raises(BenchError, match="git fetch --unshallow"):
        resolve("HEAD~1", shallow)


def test_commits_between_two_come_oldest_first_without_the_good_one(repository: Path) -> None:
    third = commit(repository, {"thing.py": "value = 3\n"}, "Value 3")
    first, second = resolve("HEAD~2", repository), resolve("HEAD~1", repository)
    assert between(first, third, repository) == [second, third]
    for pair in ((third, first), (third, third)):
        with pytest.raises(BenchError, match="give the older one first"):
            between(*pair, repository)
