"""What a self-test is asked to try, and where it is kept."""

from dataclasses import dataclass
from pathlib import Path

from bench.schema.case import Case
from bench.selftest import background_load
from bench.workload import axes, presets

QUICK_AXES = {"resolutions": "64", "batch_sizes": "1"}
"""To see that everything works, in two or three minutes."""

KIND = "selftest"


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
    in_all: bool = False
    """Whether the trials that are there count."""


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

    Beside a program that keeps a core to itself also with a thread less, which it cannot disturb.
    """
    values = QUICK_AXES if request.quick else {}
    chosen = []
    for load in request.loads:
        fewest = max(1, cores - 1) if load == background_load.HOG else cores
        for threads in range(fewest, cores + 1):
            cases = axes.sweep(presets.PRESETS["cells"], {**values, "threads": str(threads)})
            chosen.append(Setup(load, threads, cases))
    return chosen
