"""``pytest bench`` as its users call it, in a process of its own; or, in a test's, all the same."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine.environment import ROOT
from tests.support.short import shorten

TINY: list[str | Path] = [
    *("--preset", "smoke", "--scopes", "neck", "--channels-last", "off", "--passes", "inference"),
    *("--resolutions", "32", "--threads", "1", "--devices", "cpu"),
    # Ends with the first stage; the budget is for a machine that is slow or busy.
    *("--half-width", "90%", "--budget", "4m"),
]


NOTHING = int(pytest.ExitCode.NO_TESTS_COLLECTED)

OURS_ALONE = ("-p", "no:hypothesispytest", "-p", "no:xdist")
"""Plugins that users need not have; one of them takes as long to import as a small run."""


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
    short = ("-p", "tests.support.short", *OURS_ALONE)
    return [sys.executable, "-m", "pytest", *short, "bench", *map(str, arguments)]


def bench_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Do what `bench` does, but for the process: its imports take five seconds.

    Its workers are processes as always.
    """
    args = [*OURS_ALONE, "-p", "no:faulthandler", "bench", *map(str, arguments)]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        shorten(patch)
        patch.chdir(ROOT)
        patch.delitem(sys.modules, "bench.conftest", raising=False)  # it listens from its import on
        code = pytest.main(args)
    return subprocess.CompletedProcess(args, int(code), out.getvalue(), err.getvalue())
