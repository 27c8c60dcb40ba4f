"""``pytest bench`` in a process of its own, as its users call it."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine.environment import ROOT

TINY: list[str | Path] = [
    *("--preset", "smoke", "--scopes", "neck", "--channels-last", "off", "--passes", "inference"),
    *("--resolutions", "32", "--threads", "1", "--devices", "cpu"),
    # Ends with the first stage; the budget is for a machine that is slow or busy.
    *("--half-width", "90%", "--budget", "4m"),
]


NOTHING = int(pytest.ExitCode.NO_TESTS_COLLECTED)


def bench(*arguments: str | Path, timeout_s: float = 500) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def command(*arguments: str | Path) -> list[str]:
    short = ("-p", "tests.support.short")
    return [sys.executable, "-m", "pytest", *short, "bench", *map(str, arguments)]
