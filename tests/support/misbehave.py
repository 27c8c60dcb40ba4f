"""Imported by a test's fork server: makes its workers fail in the way that the task names.

Of replicates whose arms have processes of their own, that of the arm ``bad``; of ranks the last
one, when they have found each other.
"""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import torch

from bench.engine import replicate
from bench.run.ddp import rank
from bench.schema.errors import BenchError
from bench.schema.tasks import ReplicateTask, Task
from bench.workload import check
from bench.workload.compiler_cache import CompileError
from bench.workload.same_work import MismatchError


class SpeechlessError(BaseException):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


HONEST = check.check_task


def _raise(error: BaseException) -> NoReturn:
    raise error


def _leave_somebody_behind() -> NoReturn:
    """Fork as a user's network may, and tell in the reason who that is."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        threading.Event().wait()
    _raise(RuntimeError(str(pid)))


HOW: dict[str, Callable[[], object]] = {
    "say-pid": lambda: _raise(RuntimeError(str(os.getpid()))),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit-0": lambda: os._exit(0),
    "system-exit": lambda: sys.exit("planted"),
    "interrupt": lambda: _raise(KeyboardInterrupt("planted")),
    "speechless": lambda: _raise(SpeechlessError()),
    "escape": lambda: _raise(ValueError("\x1b[31mplanted")),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "raise": lambda: _raise(ZeroDivisionError("planted")),
    "tensor-oom": lambda: torch.zeros(2**45),
    "python-oom": lambda: bytearray(2**45),
    "mismatch": lambda: _raise(MismatchError("planted")),
    "compile": lambda: _raise(CompileError("planted")),
    "refuse": lambda: _raise(BenchError("planted")),
    "full-disk": lambda: _raise(OSError(errno.ENOSPC, "No space left on device")),
    "leave-behind": _leave_somebody_behind,
    "hang": lambda: threading.Event().wait(),
}


def _check(task: Task[Any]) -> dict[str, Any]:
    if task.images_dir is not None:
        HOW[task.images_dir]()
    return HONEST(task)


check.check_task = _check

HONEST_REPLICATE = replicate.replicate


def _replicate(task: ReplicateTask) -> dict[str, Any]:
    if task.images_dir is not None and task.own == ("bad",):
        HOW[task.images_dir]()
    return HONEST_REPLICATE(replace(task, images_dir=None))


replicate.replicate = _replicate

HONEST_RANK = rank._measure


def _rank(task: rank.RankTask) -> rank.RankResult:
    if task.images_dir is not None and task.rank == task.world_size - 1:
        HOW[task.images_dir]()
    return HONEST_RANK(replace(task, images_dir=None))


rank._measure = _rank
