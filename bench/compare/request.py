"""The request of a comparison: base and head, the cases, and how much evidence is enough."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.schema.case import Case
from bench.stats.sequential import GATE, Gate
from bench.workload import users

BASE, HEAD, AGAIN = "base", "head", "base_again"
"""The sides, and the base once more as its own control: the arms of every case."""

ONE_PROCESS, SEPARATE = "one process", "processes that take turns"
"""How the sides are paired."""


@dataclass(frozen=True)
class Request:
    """What is to be compared."""

    base: str
    head: str
    cases: tuple[Case, ...]
    package: str
    """One, or several with commas between them."""
    repository: Path
    budget_s: float
    timeout_s: float
    pairing: str = ONE_PROCESS
    pythons: Mapping[str, str] = field(default_factory=dict)
    """Side -> interpreter; the others run with this one."""
    traces: bool = True
    """Whether a case that regressed is profiled."""
    gate: Gate = GATE
    command: str = ""
    """That was typed, and repeats it."""

    @property
    def workload(self) -> Path | None:
        """The file with the user's network, where it is in neither side."""
        module = Path(self.cases[0].network.rpartition(":")[0])
        return module if module.suffix == ".py" else None

    def python_of(self, side: str) -> str:
        """Return the interpreter of a side."""
        return self.pythons.get(side, sys.executable)


def own_cases(cases: Sequence[Case], workload: str) -> tuple[Case, ...]:
    """Return the cases with a user's network in place of ours.

    Raises:
        BenchError: the workload is not named as ``module:factory`` or ``file.py:factory``.
    """
    return users.own_cases(cases, users.factory_name(workload, "--workload"))
