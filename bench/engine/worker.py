"""One fresh process: build, check or warm up, run the rounds, and write one result.

A failure that the worker sees itself becomes a status with a reason; what kills the process is read
from its exit by `bench.engine.launcher`.
"""

import contextlib
import json
import pkgutil
import secrets
import sys
import traceback
from pathlib import Path
from typing import Any

import psutil
import torch

# Servers import this module before they fork: whatever most workers need is loaded once, here.
from bench.engine import replicate  # noqa: F401
from bench.engine.turn_board import LateError
from bench.schema.case import Case
from bench.schema.errors import FULL, BenchError
from bench.schema.records import Status
from bench.schema.tasks import Task, task_from_json
from bench.schema.text import printable
from bench.workload import check  # noqa: F401
from bench.workload.code_loader import Side, in_own_names
from bench.workload.compiler_cache import CompileError
from bench.workload.same_work import MismatchError
from panet import InputError

MEMORY_SHARE = 0.9
"""Of what is free when the worker starts: it must fail alone, and not take the machine along."""

HEAP_SHIFT_BYTES = 8 * 2**20
"""Several times a second-level cache, and no matter for the memory of the machine."""

OUT_OF_MEMORY_TEXTS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "could not create a memory",  # oneDNN
    "status_alloc_failed",  # cuDNN, cuBLAS
)


def main(task: Task[Any], result_path: Path) -> None:
    """Do the task and write what came of it: its result, or a failure."""
    shift = _shift_heap()
    try:
        _limit_memory(task)
        _set_precision(task.case)
        torch.set_num_threads(task.case.threads)
        result = {"result": pkgutil.resolve_name(task.handler)(task)}
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        _print_traceback()
        status, reason = _status_of(error)
        sides = [Side(task.package, Path(folder), name) for name, folder in task.sides.items()]
        reason = printable(in_own_names(reason, sides))
        result = {"failure": {"status": status, "reason": reason}}
    del shift  # it was needed until here: what follows it in memory lies elsewhere in every worker
    partial = result_path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.rename(result_path)


def _limit_memory(task: Task[Any]) -> None:
    """Make this process the one that dies: a limit of its own, and first in line for the kernel."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(OSError):  # a container may forbid it
        Path("/proc/self/oom_score_adj").write_text("1000")
    if task.case.device.startswith("cuda") and task.limit_bytes is not None:
        device = torch.device(task.case.device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, task.limit_bytes / total), device)
    if task.case.device == "cpu":  # a GPU's driver reserves address space beyond all memory
        limit = int(psutil.virtual_memory().available * MEMORY_SHARE)
        limit = min(limit, task.limit_bytes or limit)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _shift_heap() -> bytearray:
    """Move what comes next to a place of its own: workers of one server share all addresses."""
    return bytearray(secrets.randbelow(HEAP_SHIFT_BYTES))


def _set_precision(case: Case) -> None:
    """Switch TF32 on only where it was asked for: cuDNN's default is on."""
    tf32 = case.dtype == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


def _print_traceback() -> None:
    with contextlib.suppress(Exception):  # of the error's own words
        traceback.print_exc()


def _words(error: BaseException) -> str:
    """Return the words of an error, which may itself be unable to tell."""
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001 - of somebody's `__str__`
        return f"its words cannot be had: {type(another).__name__}"


def _status_of(error: BaseException) -> tuple[Status, str]:
    words = _words(error)
    reason = f"{type(error).__name__}: {words}"
    text = words.lower()
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        mark in text for mark in OUT_OF_MEMORY_TEXTS
    ):
        return Status.OOM, reason.split("\n", 1)[0]
    if isinstance(error, MismatchError):
        return Status.MISMATCH, words
    if isinstance(error, LateError):
        return Status.TIMEOUT, words
    if isinstance(error, CompileError):
        return Status.COMPILE_ERROR, words[:MAX_REASON]
    if isinstance(error, InputError | BenchError):
        return Status.SKIPPED, words
    return Status.CRASHED, reason[:MAX_REASON]


MAX_REASON = 2000
"""Characters: a compiler's message can fill pages."""


def run_in_this_process(task_json: dict[str, Any], result_path: str) -> None:
    """Entry point of the server: do the task as this process."""
    main(task_from_json(task_json), Path(result_path))
