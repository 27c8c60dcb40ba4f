"""The folder of a run: its id, what identifies it, and the link to the latest."""

import contextlib
import datetime as dt
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL

RUNS_DIR = Path("reports") / "runs"
"""Below the folder one stands in: an installed package keeps nothing."""
LATEST = "latest"


def new_run_dir(runs_dir: Path) -> Path:
    """Return a folder for a new run; its name sorts by time and is never used twice."""
    now = dt.datetime.now(dt.UTC)
    return runs_dir / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make(runs_dir: Path, kind: str) -> Path:
    """Make the folder of a new run of a kind; raise `BenchError` if it cannot be written."""
    folder = runs_dir / f"{kind}-{new_run_dir(runs_dir).name}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror}; choose --run-dir") from error
    return folder


def fleets_of(kind: str) -> str:
    """Return what the folders of runs of a kind on several machines begin with."""
    return f"{kind}-fleet"


def find(runs_dir: Path, kind: str, run_id: str) -> Path:
    """Return the folder of an earlier run of a kind; raise `BenchError` naming those that exist.

    Args:
        runs_dir: where runs are kept.
        kind: what the names of their folders begin with.
        run_id: a name, or `LATEST`.
    """
    fleets = fleets_of(kind)  # whose runs are other nodes'
    found = (path for path in runs_dir.glob(f"{kind}-*") if not path.name.startswith(f"{fleets}-"))
    known = sorted(path for path in found if path.is_dir())
    for folder in reversed(known):
        if run_id in (folder.name, LATEST):
            return folder
    there = ", ".join(path.name for path in known[-5:]) or "none"
    raise BenchError(f"--resume {run_id}: no such {kind} in {runs_dir}; there is: {there}")


def tidy(folder: Path, *names: str) -> None:
    """Remove what only a measurement that goes on would need, and what is empty.

    Args:
        folder: of a run; if nothing is in it, it goes, too.
        names: of sub-folders that are removed with all that is in them.
    """
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
    inside = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    for path in (*inside, folder):
        with contextlib.suppress(OSError):  # something is in it
            path.rmdir()


@contextlib.contextmanager
def tidied(folder: Path, run_id: str | None, *own: str) -> Iterator[None]:
    """Leave no empty folder behind a wrong use; one that is gone on with may be another's.

    Args:
        folder: of the run.
        run_id: that it is gone on with; `None` for a new one.
        own: names of sub-folders, as for `tidy`.
    """
    try:
        yield
    except BenchError:
        if run_id is None:
            tidy(folder, *own)
        raise


def new_or_known(runs_dir: Path, kind: str, run_id: str | None) -> Path:
    """Return the folder of a run that is gone on with, or that of a new one."""
    return make(runs_dir, kind) if run_id is None else find(runs_dir, kind, run_id)


def find_run_dir(runs_dir: Path, run_id: str) -> Path:
    """Return the folder of a run that exists; raise `BenchError` naming those that do."""
    folder = runs_dir / run_id
    if (folder / JOURNAL).is_file():
        return folder.resolve()
    known = sorted(path.parent.name for path in runs_dir.glob(f"*/{JOURNAL}"))
    hint = f"runs here: {', '.join(known[-5:])}" if known else "there is none yet"
    raise BenchError(f"--resume {run_id}: no such run in {runs_dir}; {hint}")


def point_latest_at(run_dir: Path) -> str | None:
    """Let ``latest`` name this run; return which it named before.

    Where the system has no links, there is none.
    """
    link = run_dir.parent / LATEST
    before = str(link.readlink()) if link.is_symlink() else None
    with contextlib.suppress(OSError, NotImplementedError):
        if link.is_symlink() or not link.exists():
            fresh = link.with_name(f".{LATEST}-{run_dir.name}")
            fresh.symlink_to(run_dir.name, target_is_directory=True)
            fresh.replace(link)
    return before


def _fields(stored: object, now: object) -> str:
    """Name the fields of two mappings that differ, in brackets."""
    if not (isinstance(stored, Mapping) and isinstance(now, Mapping)):
        return ""
    names = sorted(name for name in {*stored, *now} if stored.get(name) != now.get(name))
    return f" ({', '.join(names)})"


def refuse_other(
    run_id: str,
    stored: Mapping[str, Any],
    now: Mapping[str, Any],
    must_match: Mapping[str, str],
) -> None:
    """Raise `BenchError` where a run cannot be resumed because it would be another one."""
    changed = [
        words + _fields(stored.get(key), now[key])
        for key, words in must_match.items()
        if stored.get(key) != now[key]
    ]
    if changed:
        raise BenchError(
            f"--resume {run_id}: {' and '.join(changed)} differ from those of that run; "
            "restore them, or start a new run without --resume"
        )
