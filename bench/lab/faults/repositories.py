"""Repositories that are not as one expects."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.compare.revisions import git
from bench.lab.faults.command_lines import REFUSED

NETWORK = '''"""A network."""

from torch import nn, ones


def make(batch, height, width):
    return nn.Conv2d(3, 4, 3), (ones(batch, 3, height, width),)
'''

IDENTITY = ("-c", "user.name=faults", "-c", "user.email=faults@example.invalid")

MEASURES = REFUSED
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


def _detached(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, "checkout", "--quiet", "--detach", "HEAD~1")
    return "HEAD", "main", MEASURES


def _tagged(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, *IDENTITY, "tag", "--annotate", "--message", "two\nlines", "v1", "HEAD~1")
    return "v1", "HEAD", MEASURES


def _ambiguous(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, "tag", "same", "HEAD~1")
    git(folder, "branch", "same", "HEAD")
    return "same", "HEAD", MEASURES


def _in_conflict(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    git(folder, "checkout", "--quiet", "-b", "other", "HEAD~1")
    (folder / "mynet" / "__init__.py").write_text(f"{NETWORK}\nX = 3\n")
    _commit(folder, "another second")
    subprocess.run(["git", "-C", str(folder), "merge", "main"], check=False, capture_output=True)  # noqa: S603, S607
    return "main", "HEAD", MEASURES


def _uninitialised(folder: Path) -> tuple[str, str, str]:
    _submodule(folder.with_name("whole"))
    git(folder.parent, "clone", "--quiet", str(folder.with_name("whole")), str(folder))
    return "HEAD", "HEAD", MEASURES


def _sparse(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("a")
    _commit(folder, "docs")
    git(folder, "sparse-checkout", "set", "docs")
    return "HEAD~1", "HEAD", MEASURES


def _without_blobs(folder: Path) -> tuple[str, str, str]:
    origin = folder.with_name("origin")
    _two(origin)
    git(origin, "config", "uploadpack.allowFilter", "true")
    uri = origin.as_uri()
    git(folder.parent, "clone", "--quiet", "--filter=blob:none", "--no-checkout", uri, str(folder))
    return "HEAD~1", "HEAD", MEASURES


def _blobs_lost(folder: Path) -> tuple[str, str, str]:
    _without_blobs(folder)
    shutil.rmtree(folder.with_name("origin"))
    return "HEAD~1", "HEAD", "git worktree"


def _hook_fails(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    hook = folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    return "HEAD~1", "HEAD", "git worktree: no"


def _filter_missing(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / ".gitattributes").write_text("*.bin filter=absent\n")
    (folder / "a.bin").write_bytes(b"\0" * 100)
    _commit(folder, "with a filter")
    git(folder, "config", "filter.absent.smudge", "no-such-program")
    git(folder, "config", "filter.absent.required", "true")
    return "HEAD~1", "HEAD", "git worktree"


def _locked(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / ".git" / "index.lock").touch()
    return "HEAD~1", "HEAD", MEASURES


def _configuration_broken(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / ".git" / "config").write_text("[core\n\x1b[31m")
    return "HEAD~1", "HEAD", "git"


def _head_broken(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / ".git" / "HEAD").write_bytes(b"ref: refs/heads/\xff\n")
    return "HEAD~1", "HEAD", "git"


def _points_nowhere(folder: Path) -> tuple[str, str, str]:
    folder.mkdir(parents=True)
    (folder / ".git").write_text("gitdir: /no/such/place\n")
    return "HEAD~1", "HEAD", "git"


def _somebody_elses(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    for path in (folder, folder / ".git"):
        shutil.chown(path, 65534)
    return "HEAD~1", "HEAD", "git"


def _other_digests(folder: Path) -> tuple[str, str, str]:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    (folder / "mynet").mkdir()
    (folder / "mynet" / "__init__.py").write_text(NETWORK)
    _commit(folder, "first")
    _commit(folder, "second")
    return "HEAD~1", "HEAD", MEASURES


def _names_of_bytes(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / "mynet" / b"caf\xe9\n.py".decode(errors="surrogateescape")).write_text("")
    _commit(folder, "a name that is no UTF-8")
    return "HEAD~1", "HEAD", MEASURES


def _many_commits(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    author = "committer x <x@example.invalid> 1700000000 +0000"
    lines = [
        f"commit refs/heads/main\n{author}\ndata 1\nx\n"
        + ("from refs/heads/main^0\n" if number == 0 else "")
        for number in range(MANY)
    ]
    subprocess.run(  # noqa: S603 - no shell
        ["git", "-C", str(folder), "fast-import", "--quiet"],  # noqa: S607
        input="".join(lines).encode(), check=True, capture_output=True,
    )  # fmt: skip
    return f"HEAD~{MANY}", "HEAD", MEASURES


MANY = 3000
"""Commits."""


def _large(folder: Path) -> tuple[str, str, str]:
    _two(folder)
    (folder / "weights.bin").write_bytes(b"\0" * (200 * 2**20))
    _commit(folder, "200 MiB")
    return "HEAD~1", "HEAD", MEASURES


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
    "detached": _detached,
    "a tag with a message": _tagged,
    "a tag and a branch of one name": _ambiguous,
    "in the middle of a merge": _in_conflict,
    "a submodule that is not there": _uninitialised,
    "sparse": _sparse,
    "without blobs": _without_blobs,
    "blobs that nobody has": _blobs_lost,
    "a hook that fails": _hook_fails,
    "a filter that is not installed": _filter_missing,
    "an index that is locked": _locked,
    "configuration broken": _configuration_broken,
    "HEAD broken": _head_broken,
    "points nowhere": _points_nowhere,
    "of another user": _somebody_elses,
    "digests of SHA-256": _other_digests,
    "names that are no UTF-8": _names_of_bytes,
    "3,000 commits": _many_commits,
    "a file of 200 MiB": _large,
}
"""How a repository is made -> base, head, and what is said of them."""
