"""One fresh process: build, check or warm up, run the rounds, and write one result.

A failure that the worker sees itself becomes a status with a reason; what kills the process is read
from its exit by `bench.engine.launcher`.
"""

import contextlib
import json
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.engine.orders import orders
from bench.engine.rounds import run_rounds, warm_up
from bench.engine.turn_token import Baton
from bench.machine import contention, gpu
from bench.machine.environment import usable_cores
from bench.machine.peak_memory import peak_bytes
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.records import Replicate, Status
from bench.schema.tasks import Task
from bench.workload.arms import build_arms, make_inputs, placeholder_inputs
from bench.workload.same_work import CompileError, MismatchError, check, first_calls
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


def main(task: Task, result_path: Path) -> None:
    """Do the task and write what came of it: a finding, a replicate, traces, or a failure."""
    start_s = time.perf_counter()
    shift = _shift_heap()
    try:
        _limit_memory(task)
        _set_precision(task.case)
        torch.set_num_threads(task.case.threads)
        result = _DO[task.kind](task, start_s)
    except Exception as error:  # noqa: BLE001 - whatever happened becomes the status of the case
        traceback.print_exc()
        status, reason = _status_of(error)
        result = {"failure": {"status": status, "reason": reason}}
    del shift  # it was needed until here: what follows it in memory lies elsewhere in every worker
    partial = result_path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.rename(result_path)


def _check(task: Task, _start_s: float) -> dict[str, Any]:
    return {"finding": check(task).to_json()}


def _replicate(task: Task, start_s: float) -> dict[str, Any]:
    case = task.case
    device = torch.device(case.device)
    inputs, _ = make_inputs(task)
    compiled = case.compile_mode != "off"
    own = task.own or tuple(task.arms)
    arms = build_arms(
        replace(task, arms={arm: task.arms[arm] for arm in own}), inputs, compiled=compiled
    )
    first = first_calls(task, arms) if compiled else {}
    warm_up(arms, device)
    seed = f"{task.seed}-{case.case_id}"
    turns = orders(tuple(task.arms), seed, task.first_round, task.rounds, task.order)
    with Baton(own, task.inboxes) as baton:
        baton.wait_for_all(turns)
        card = gpu.read(device)
        before = contention.read(card)
        rounds = run_rounds(arms, baton.own_turns(turns), device)
        card = gpu.read(device, card.at_us if card else 0)
        machine = contention.between(before, contention.read(card))
    replicate = Replicate(
        index=task.index,
        server=task.server,
        first_round=task.first_round,
        rounds_s=rounds.wall_s,
        device_rounds_s=rounds.device_s,
        launch_rounds_s=rounds.launch_s,
        compile_s={arm: call.seconds for arm, call in first.items()} or None,
        elapsed_s=time.perf_counter() - start_s,
        load=machine,
        contended=contention.contended(machine, case.threads, usable_cores()),
    )
    return {"replicate": replicate.to_json()}


def _trace(task: Task, _start_s: float) -> dict[str, Any]:
    from bench.profiling.trace import write_trace

    return {"trace": str(write_trace(task))}


def _ceilings(task: Task, _start_s: float) -> dict[str, Any]:
    from bench.profiling.ceilings import measure

    return {"ceilings": measure(task.case).to_json()}


def _fit(task: Task, _start_s: float) -> dict[str, Any]:
    device = torch.device(task.case.device)
    base_bytes = _data_bytes() if device.type == "cpu" else 0
    inputs = placeholder_inputs(task)
    arms = {task.arm: task.arms[task.arm]}
    arm = build_arms(replace(task, arms=arms), inputs, compiled=False)[task.arm]
    arm.prepare()
    peak = peak_bytes(arm.call, device)
    weights = [*arm.network.parameters(), *arm.network.buffers()]
    found = {
        "base_bytes": base_bytes,
        "fixed_bytes": sum(x.nbytes for x in weights),
        "input_bytes": sum(x.nbytes for x in inputs),
        "peak_bytes": peak or 0,
    }
    return {"fit": found}


_DO: dict[str, Callable[[Task, float], dict[str, Any]]] = {
    "check": _check,
    "replicate": _replicate,
    "trace": _trace,
    "ceilings": _ceilings,
    "fit": _fit,
}


def _limit_memory(task: Task) -> None:
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


def _data_bytes() -> int:
    """Return what counts towards the limit: the private memory of this process (proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _shift_heap() -> bytearray:
    """Move what comes next to a place of its own: workers of one server share all addresses."""
    return bytearray(secrets.randbelow(HEAP_SHIFT_BYTES))


def _set_precision(case: Case) -> None:
    """Switch TF32 on only where it was asked for: cuDNN's default is on."""
    tf32 = case.dtype == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


def _status_of(error: Exception) -> tuple[Status, str]:
    reason = f"{type(error).__name__}: {error}"
    text = str(error).lower()
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        mark in text for mark in OUT_OF_MEMORY_TEXTS
    ):
        return Status.OOM, reason.split("\n", 1)[0]
    if isinstance(error, MismatchError):
        return Status.MISMATCH, str(error)
    if isinstance(error, CompileError):
        return Status.COMPILE_ERROR, str(error)[:MAX_REASON]
    if isinstance(error, InputError | BenchError):
        return Status.SKIPPED, str(error)
    return Status.CRASHED, reason[:MAX_REASON]


MAX_REASON = 2000
"""Characters: a compiler's message can fill pages."""


def run_in_this_process(task_json: dict[str, Any], result_path: str) -> None:
    """Entry point of the server: do the task as this process."""
    main(Task.from_json(task_json), Path(result_path))
