"""Git histories that are not as one expects: what a comparison says of them before it measures."""

import importlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.compare.revisions import git
from bench.engine import server_client
from bench.lab.faults import command_lines
from bench.lab.faults.attempt import Call, Place, Tried, problem_of

NETWORK = '''"""A network."""

from torch import nn, ones


def make(batch, height, width):
    return nn.Conv2d(3, 4, 3), (ones(batch, 3, height, width),)
'''

IDENTITY = ("-c", "user.name=faults", "-c", "user.email=faults@example.invalid")


def histories(place: Place, random: Random) -> Tried:
    """Compare two revisions of an odd repository; no process that would measure is started."""
    name = random.choice(list(SHAPES))
    base, head, right = SHAPES[name](place.folder / "repository")
    chosen = random.choice(("compare", "compare", "bisect"))
    words = (
        *(chosen, base, head, "--package", "mynet", "--workload", "mynet:make"),
        *("--repository", str(place.folder / "repository"), "--budget", "1s", "--threads", "1"),
        *("--compile", "off", "--run-dir", str(place.folder / "runs")),
    )
    problem = problem_of(Call(_called(words), (2, 3), lines=None), place.folder)
    said = (place.folder / "stderr.txt").read_text(errors="replace")
    if not problem and chosen == "compare" and right not in said:
        problem = f"says {said.strip()[-200:]!r}, and not {right!r}"
    return Tried(f"{chosen} {name}", problem)


def _called(words: tuple[str, ...]) -> Callable[[], int]:
    def work() -> int:
        server_client.Server.__init__ = command_lines.refuse  # type: ignore[method-assign]
        return int(importlib.import_module(command_lines.BENCH).main(words))

    return work


MEASURES = command_lines.REFUSED
"""What is said where everything is right up to the first process; which also is what finds that a
package is missing on a side."""


def _plain(folder: Path, name: str = "mynet") -> None:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(NETWORK)
    _commit(folder, "first")


def _commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", message)


def _two(folder: Path) -> None:
    _plain(folder)
    (folder / "mynet" / "__init__.py").write_text(f"{NETWORK}\nX = 1\n")
    _commit(folder, "second")


def _straight(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    return "HEAD~1", "HEAD", MEASURES


def _shallow(folder: Path) -> tuple[str, str, str]:
    _two(folder.with_name("origin"))
    origin = folder.with_name("origin").as_uri()
    git(folder.parent, "clone", "--quiet", "--depth", "1", origin, str(folder))
    return "HEAD~1", "HEAD", "git fetch --unshallow"


def _without_commits(folder: Path) -> tuple[str, str, str]:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    return "HEAD", "HEAD", "neither a folder nor a revision"


def _no_repository(folder: Path) -> tuple[str, str, str]:
    folder.mkdir(parents=True)
    return "HEAD~1", "HEAD", "no git repository"


def _broken(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    shutil.rmtree(folder / ".git" / "objects")
    return "HEAD~1", "HEAD", "git"


def _unborn_folder(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    return "HEAD~7", "HEAD", "neither a folder nor a revision"


def _unrelated(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, "checkout", "--quiet", "--orphan", "other")
    _commit(folder, "alone")
    return "main", "other", MEASURES


def _renamed(folder: Path) -> tuple[str, str, str]:
    _plain(folder, "oldnet")
    git(folder, "mv", "oldnet", "mynet")
    _commit(folder, "renamed")
    return "HEAD~1", "HEAD", MEASURES


def _dirty(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / "mynet" / "__init__.py").write_text(f"{NETWORK}\nX = 2\n")
    return "HEAD", str(folder), MEASURES


def _submodule(folder: Path) -> tuple[str, str, str]:
    _plain(folder.with_name("part"), "inner")
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    add = ("submodule", "add", "--quiet", folder.with_name("part").as_uri(), "mynet")
    git(folder, "-c", "protocol.file.allow=always", *add)
    _commit(folder, "with a submodule")
    return "HEAD", "HEAD", MEASURES


def _pointers(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    (folder / "mynet" / "weights.py").write_text(pointer)
    _commit(folder, "a pointer in the place of a file")
    return "HEAD~1", "HEAD", MEASURES


def _odd_words(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    _commit(folder, "\x1b[31mred\x07 <script> | `x` =cmd")
    return "HEAD~1", "HEAD", MEASURES


def _foreign_bytes(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    subprocess.run(  # noqa: S603 - no shell
        ["git", "-C", str(folder), *IDENTITY, "commit", "--quiet", "--allow-empty", "-F", "-"],  # noqa: S607
        input=b"caf\xe9 \xff\xfe", check=True, capture_output=True,
    )  # fmt: skip
    return "HEAD~1", "HEAD", MEASURES


def _option(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    return "HEAD~1", "@{upstream}", "neither a folder nor a revision"


def _in_a_worktree(folder: Path) -> tuple[str, str, str]:
    _two(folder.with_name("main"))
    git(folder.with_name("main"), "worktree", "add", "--detach", str(folder), "HEAD")
    return "HEAD~1", "HEAD", MEASURES


def _bare(folder: Path) -> tuple[str, str, str]:
    _two(folder.with_name("full"))
    git(folder.parent, "clone", "--quiet", "--bare", str(folder.with_name("full")), str(folder))
    return "HEAD~1", "HEAD", MEASURES


def _file_in_place(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    shutil.rmtree(folder / "mynet")
    (folder / "mynet").write_text("a file now")
    _commit(folder, "a file")
    return "HEAD~1", "HEAD", MEASURES


def _link_in_place(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    shutil.rmtree(folder / "mynet")
    (folder / "mynet").symlink_to("mynet")
    _commit(folder, "a link to itself")
    return "HEAD~1", "HEAD", MEASURES


def _spaces(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, "branch", "caf\u00e9/#1")
    return "HEAD~1", "caf\u00e9/#1", MEASURES


SHAPES: dict[str, Callable[[Path], tuple[str, str, str]]] = {
    "as usual": _straight,
    "shallow": _shallow,
    "without commits": _without_commits,
    "no repository": _no_repository,
    "objects lost": _broken,
    "too few commits": _unborn_folder,
    "unrelated histories": _unrelated,
    "package renamed": _renamed,
    "dirty folder": _dirty,
    "package is a submodule": _submodule,
    "LFS pointers": _pointers,
    "odd words in messages": _odd_words,
    "a message that is no UTF-8": _foreign_bytes,
    "no upstream": _option,
    "a worktree": _in_a_worktree,
    "bare": _bare,
    "a file in the package's place": _file_in_place,
    "a link to itself in the package's place": _link_in_place,
    "a branch with odd letters": _spaces,
}
"""How a repository is made -> base, head, and what is said of them."""
