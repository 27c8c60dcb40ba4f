"""What a self-test is asked to try, and where it is kept."""

from dataclasses import dataclass
from pathlib import Path

from bench.schema import run_folders
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.selftest import background_load
from bench.selftest.document import SESSIONS
from bench.workload import axes, presets

QUICK_AXES = {"resolutions": "64", "batch_sizes": "1"}
"""To see that everything works, in two or three minutes."""

PREFIX = "selftest-"


@dataclass(frozen=True)
class SelfTestRequest:
    """What the user wants."""

    trials: int
    """Of each load and number of threads."""
    sizes: tuple[float, ...]
    """Of the slow-downs, relative."""
    loads: tuple[str, ...]
    """Of `bench.selftest.background_load.LOADS`."""
    quick: bool
    folder: Path


@dataclass(frozen=True)
class Setup:
    """A load, a number of threads, and the cases that are compared under them."""

    load: str
    threads: int
    cases: tuple[Case, ...]

    @property
    def name(self) -> str:
        """As part of a folder's name."""
        return f"{self.load}-t{self.threads}"


def setups(request: SelfTestRequest, cores: int) -> list[Setup]:
    """Return what is to be tried.

    Beside a background load also with a thread less, which it cannot disturb.
    """
    values = QUICK_AXES if request.quick else {}
    chosen = []
    for load in request.loads:
        alone = load == background_load.NONE
        for threads in dict.fromkeys((cores,) if alone else (max(1, cores - 1), cores)):
            cases = axes.sweep(presets.PRESETS["cells"], {**values, "threads": str(threads)})
            chosen.append(Setup(load, threads, cases))
    return chosen


def find_folder(runs_dir: Path, resume: str | None) -> Path:
    """Return the folder to write into: a new one, or the one that is gone on with.

    Raises:
        BenchError: there is none to go on with.
    """
    if resume is None:
        return runs_dir / f"{PREFIX}{run_folders.new_run_dir(runs_dir).name}"
    known = sorted(path.parent for path in runs_dir.glob(f"{PREFIX}*/{SESSIONS}"))
    for folder in reversed(known):
        if resume in (run_folders.LATEST, folder.name):
            return folder
    names = ", ".join(folder.name for folder in known[-5:]) or "none yet"
    raise BenchError(
        f"--resume {resume}: no such self-test in {runs_dir}; self-tests here: {names}"
    )
