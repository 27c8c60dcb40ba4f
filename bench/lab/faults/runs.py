"""A small real run that is killed, stopped, or has no room; and how it goes on."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from bench.lab.faults.attempt import Place, Tried
from bench.lab.faults.networks import left_behind
from bench.machine.environment import ROOT
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL, RESULTS
from bench.schema.records import undisturbed

SMALL = (
    *("--preset", "smoke", "--scopes", "neck", "--channels-last", "off", "--passes", "inference"),
    *("--resolutions", "32", "--batch-sizes", "1,2", "--threads", "1", "--devices", "cpu"),
    *("--half-width", "90%", "--budget", "30s", "-p", "no:cacheprovider"),
)

TYPICAL_S = 30.0
"""Of such a run: a fault comes at any moment of it."""

MOST_S = 240.0

PASSED, FAILED, INTERNAL, USAGE, NOTHING = 0, 1, 3, 4, 5
"""Exit codes of pytest."""

NO_ROOM = re.compile("No space left on device|no room for what a worker writes")

GONE_S = 10.0
"""In which what belonged to a run must be gone."""


@dataclass(frozen=True)
class Ended:
    """A run of ``pytest bench`` that is over."""

    exit_code: int | None
    """`None`: it did not end by itself."""
    said: str

    @property
    def problem(self) -> str:
        """What no run may say, whatever happened to it."""
        last = self.said.strip().splitlines()[-1][:200] if self.said.strip() else ""
        if self.exit_code is None:
            return f"no end after {MOST_S:.0f} s: {last}"
        if "Traceback (most recent call last)" in self.said or "INTERNALERROR" in self.said:
            return f"traceback, exit code {self.exit_code}: {last}"
        return ""


def sample(folder: Path) -> Path:
    """Return the folder of a small real run with everything that a run can have.

    Raises:
        BenchError: it cannot be measured.
    """
    runs = folder / "sample"
    if not list(runs.glob(f"*-*/{RESULTS}")):
        short = ("--batch-sizes", "1", "--budget", "15s", "--traces", "--parts")
        with _started(folder, runs, *short) as run:
            ended = _wait(run, folder)
        if not list(runs.glob(f"*-*/{RESULTS}")):
            raise BenchError(f"the sample cannot be measured: {ended.said[-300:]}")
    return next(path.parent for path in sorted(runs.glob(f"*-*/{RESULTS}")))


def kills(place: Place, random: Random) -> Tried:
    """Kill a run, or something of it, at a random moment, and go on."""
    name = random.choice(list(VICTIMS))
    delay_s = random.uniform(1.0, TYPICAL_S)
    runs = place.folder / "runs"
    with _started(place.folder, runs) as run:
        _sleep_while(run, delay_s)
        right = VICTIMS[name](run)
        ended = _wait(run, place.folder)
        problem = ended.problem or _unlike(ended, right) or _left(place.folder)
    return Tried(f"{name} after {delay_s:.1f} s", problem or _goes_on(place.folder, runs))


def full_disks(place: Place, random: Random) -> Tried:
    """Give a run a disk that becomes full, then make room, and go on."""
    size_kib = int(2 ** random.uniform(2, 12))
    disk = place.folder / "disk"
    disk.mkdir()
    told = f"a disk of {size_kib} KiB"
    with _mounted(disk, size_kib) as grow:
        with _started(place.folder, disk / "runs") as run:
            ended = _wait(run, place.folder)
        problem = ended.problem
        if not problem and ended.exit_code not in (PASSED, NOTHING, USAGE):
            problem = f"exit code {ended.exit_code}: {ended.said[-200:]}"
        if not problem and ended.exit_code == USAGE and not NO_ROOM.search(ended.said):
            problem = f"does not name the disk: {ended.said[-200:]}"
        grow()
        return Tried(told, problem or _goes_on(place.folder, disk / "runs"))


def _kill_run(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
    run.kill()
    return (-signal.SIGKILL,)


def _signal(*numbers: signal.Signals) -> Callable[[subprocess.Popen[bytes]], tuple[int, ...]]:
    def send(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
        for number in numbers:
            run.send_signal(number)
            time.sleep(0.1)
        # Python ends it where our code is not loaded yet; or it was over already.
        own = {128 + number for number in numbers}
        return (*own, *(-number for number in numbers), PASSED, NOTHING, 2)

    return send


def _kill_child(depth: int) -> Callable[[subprocess.Popen[bytes]], tuple[int, ...]]:
    def kill(run: subprocess.Popen[bytes]) -> tuple[int, ...]:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(run.pid).children()
            if depth == 2:
                children = [inner for child in children for inner in child.children()]
            for child in children[:1]:
                child.kill()
        return (PASSED, FAILED, USAGE, NOTHING)

    return kill


VICTIMS = {
    "SIGKILL of the run": _kill_run,
    "SIGKILL of a worker": _kill_child(2),
    "SIGKILL of a server": _kill_child(1),
    "SIGINT": _signal(signal.SIGINT),
    "SIGINT twice": _signal(signal.SIGINT, signal.SIGINT),
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGHUP": _signal(signal.SIGHUP),
}


def _unlike(ended: Ended, right: tuple[int, ...]) -> str:
    if ended.exit_code not in right:
        return f"exit code {ended.exit_code}, not of {right}: {ended.said[-200:]}"
    heard = ended.exit_code is not None and ended.exit_code > 128
    if heard and "stopped; " not in ended.said:
        return f"does not say how to go on: {ended.said[-200:]}"
    return ""


def _goes_on(folder: Path, runs: Path) -> str:
    """Go on with a run, and compare its journals; return what does not hold."""
    found = sorted(runs.glob(f"*-*/{JOURNAL}"))
    if not found:
        return ""
    path = found[0]
    before = path.read_bytes()
    try:
        intact = before[: journal.read(path.parent).intact_bytes]
    except BenchError as error:
        return "" if "cut before its first line" in str(error) else str(error)
    with _started(folder, runs, "--resume", path.parent.name) as run:
        ended = _wait(run, folder)
        problem = ended.problem or _left(folder)
    if problem or ended.exit_code not in (PASSED, NOTHING):
        return problem or f"--resume: exit code {ended.exit_code}: {ended.said[-200:]}"
    if not path.read_bytes().startswith(intact):
        return "--resume: what was there is another now"
    return _unlike_journal(path.parent)


def _unlike_journal(run: Path) -> str:
    """Return where the results are not those of the journal."""
    entries = journal.read(run)
    for case_id, replicates in entries.replicates.items():
        if [replicate.index for replicate in replicates] != list(range(len(replicates))):
            return f"{case_id}: replicates {[replicate.index for replicate in replicates]}"
    document = json.loads((run / RESULTS).read_text())
    for entry in document["benchmarks"]:
        about = entry["extra_info"]
        replicates = entries.replicates[about["case_id"]]
        used = replicates if about["status"] == "contended" else undisturbed(replicates)
        rounds = [x for replicate in used for x in replicate.rounds_s[about["arm"]]]
        if entry["stats"]["data"] != rounds:
            return f"{about['case_id']}: the results have other rounds than the journal"
    return ""


@contextlib.contextmanager
def _started(folder: Path, runs: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "pytest", "bench", *SMALL, "--run-dir", str(runs), *more]
    environment = os.environ | {"FAULTS": str(folder), "PYTHONPATH": str(ROOT)}
    with (
        (folder / "said.txt").open("wb") as said,
        subprocess.Popen(  # noqa: S603 - our own
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        ) as run,
    ):
        try:
            yield run
        finally:
            run.kill()
            left_behind(folder)


def _wait(run: subprocess.Popen[bytes], folder: Path) -> Ended:
    code = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = run.wait(MOST_S)
    return Ended(code, (folder / "said.txt").read_text(errors="replace"))


def _sleep_while(run: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(seconds)


def _left(folder: Path) -> str:
    """Return what is still there of a run that is over; what is ending has time to."""
    end_s = time.monotonic() + GONE_S
    while time.monotonic() < end_s:
        there = [p for p in psutil.process_iter() if _belongs(p, folder)]
        if not there:
            return ""
        psutil.wait_procs(there, timeout=1.0)
    return left_behind(folder)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.environ().get("FAULTS") == str(folder))
    except psutil.Error:
        return False


@contextlib.contextmanager
def _mounted(disk: Path, size_kib: int) -> Iterator[Callable[[], None]]:
    """Provide a small disk, and what makes it large.

    Raises:
        BenchError: nothing may be mounted here.
    """
    try:
        _mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(disk))
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"no disk can be mounted here ({error}); leave this kind out") from error
    try:
        yield lambda: _mount("-o", "remount,size=64m", str(disk))
    finally:
        subprocess.run(["umount", str(disk)], check=False, capture_output=True)  # noqa: S603, S607


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)  # noqa: S603, S607
