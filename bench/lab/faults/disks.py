"""Disks that are full, have no room for a name, cannot be written, or are gone during a run."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

from bench.lab.faults import runs
from bench.lab.faults.attempt import Place, Tried
from bench.schema.errors import BenchError

HOWS = ("size", "size", "size", "inodes", "read-only", "vanishes")

SAID = {
    "size": "No space left on device|no room for what a worker writes",
    "inodes": "No space left on device|no room for what a worker writes",
    "read-only": "Read-only file system",
    "vanishes": "No such file or directory",
}
"""What is lacking -> what the sentence names."""

LARGE = "size=64m,nr_inodes=10000"


def disks(place: Place, random: Random) -> Tried:
    """Take the disk away from a run in some way, give it back, and let it go on."""
    how = HOWS[place.number % len(HOWS)]
    disk = place.folder / "disk"
    disk.mkdir()
    options, told = _options(how, random)
    with _mounted(disk, options):
        with runs.started(place.folder, disk / "runs", *runs.SHORT, *runs.AFTERWARDS) as run:
            if how == "vanishes":
                delay_s = random.uniform(2.0, 10.0)
                told = f"its folder is removed after {delay_s:.1f} s"
                runs.sleep_while(run, delay_s)
                shutil.rmtree(disk / "runs", ignore_errors=True)
            ended = runs.wait(run, place.folder)
        problem = ended.problem or runs.left(place.folder)
        if not problem and ended.exit_code not in (runs.PASSED, runs.NOTHING, runs.USAGE):
            problem = f"exit code {ended.exit_code}: {ended.said[-200:]}"
        if not problem and ended.exit_code == runs.USAGE and not re.search(SAID[how], ended.said):
            problem = f"does not say what is lacking: {ended.said[-200:]}"
        _mount("-o", f"remount,rw,{LARGE}", str(disk))
        return Tried(told, problem or _goes_on(place.folder, disk / "runs"))


def _goes_on(folder: Path, kept: Path) -> str:
    try:
        return runs.goes_on(folder, kept)
    except BenchError as error:
        return str(error)


def _options(how: str, random: Random) -> tuple[str, str]:
    if how == "size":
        size_kib = int(2 ** random.uniform(2, 10))
        return f"size={size_kib}k", f"a disk of {size_kib} KiB"
    if how == "inodes":
        count = random.randint(2, 24)
        return f"size=64m,nr_inodes={count}", f"a disk for {count} files"
    return f"{LARGE}{',ro' if how == 'read-only' else ''}", "a disk that is read-only"


@contextlib.contextmanager
def _mounted(disk: Path, options: str) -> Iterator[None]:
    """Provide a disk of its own.

    Raises:
        BenchError: nothing may be mounted here.
    """
    try:
        _mount("-t", "tmpfs", "-o", options, "tmpfs", str(disk))
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"no disk can be mounted here ({error}); leave this kind out") from error
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False, capture_output=True)  # noqa: S603, S607


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)  # noqa: S603, S607
