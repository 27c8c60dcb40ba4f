"""Profiler traces, one per arm of a case, each in a process of its own that times nothing.

TensorBoard's profiler tab takes every folder with a ``*.pt.trace.json.gz`` for a run, so FPN and
FPN + PANet stand side by side in it; Perfetto opens the same files.
"""

import gzip
import shutil
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from bench.checks import first_calls
from bench.clock import synchronizer
from bench.rounds import warm_up
from bench.task import Task
from bench.workload import Arm, build_arms, make_inputs

WAIT_STEPS, WARMUP_STEPS, ACTIVE_STEPS = 1, 1, 3
"""The profiler's own first step is slow; three steps show what repeats."""


def write_trace(task: Task) -> Path:
    """Trace the arm that the task names into its folder; return the file."""
    device = torch.device(task.case.device)
    inputs, _ = make_inputs(task)
    compiled = task.case.compile_mode != "off"
    arms = {task.arm: build_arms(task, inputs, compiled=compiled)[task.arm]}
    if compiled:
        first_calls(task, arms)
    warm_up(arms, device)
    return _trace(arms[task.arm], device, Path(task.trace_dir))


def _trace(arm: Arm, device: torch.device, folder: Path) -> Path:
    synchronize = synchronizer(device)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    steps = schedule(wait=WAIT_STEPS, warmup=WARMUP_STEPS, active=ACTIVE_STEPS, repeat=1)
    with profile(
        activities=activities, schedule=steps, record_shapes=True, profile_memory=True
    ) as profiler:
        for _ in range(WAIT_STEPS + WARMUP_STEPS + ACTIVE_STEPS):
            arm.prepare()
            arm.call()
            synchronize()
            profiler.step()
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / f"{arm.name}.pt.trace.json"
    profiler.export_chrome_trace(str(plain))
    packed = plain.with_suffix(".json.gz")
    with plain.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    plain.unlink()
    return packed
