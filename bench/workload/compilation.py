"""What `torch.compile` takes and makes: caches empty when they should be, counters read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.machine.clock import synchronized, synchronizer, wall_s
from bench.schema.tasks import Task
from bench.workload.arms import Arm


@dataclass(frozen=True)
class FirstCall:
    """What the first call of a compiled arm took, and what the compiler made of it."""

    seconds: float
    graphs: int
    graph_breaks: int


class CompileError(Exception):
    """The compiler failed on what runs eagerly."""


def compiler_cache(task: Task[Any], arm: str) -> Path:
    """Return the folder of the compiler's caches: private to run, case and network."""
    return Path(task.scratch_dir) / "compiled" / task.case.case_id / str(task.arms.get(arm, arm))


def use_compiler_cache(folder: Path) -> None:
    """Point the compiler's disk caches to a folder."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")


def first_calls(task: Task[Any], arms: Mapping[str, Arm]) -> dict[str, FirstCall]:
    """Call every compiled arm for the first time.

    Raises:
        CompileError: the compiler failed, or compiled nothing and left all to Python.
    """
    from torch._dynamo.utils import counters  # half a second that eager workers do not need

    # Imports, and the probing of the compiler and its vector units, are once per process.
    use_compiler_cache(Path(task.scratch_dir) / "compiled" / "none")
    torch.compile(lambda x: x + 1)(torch.ones(8, device=task.case.device))
    read_s = synchronized(wall_s, synchronizer(torch.device(task.case.device)))
    calls = {}
    for name, arm in arms.items():
        arm.prepare()
        use_compiler_cache(compiler_cache(task, name))
        counters.clear()
        start_s = read_s()
        try:
            arm.call()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the compiler raises is its failure
            raise CompileError(f"{name}: {type(error).__name__}: {error}") from error
        calls[name] = FirstCall(
            seconds=read_s() - start_s,
            graphs=counters["stats"]["unique_graphs"],
            graph_breaks=sum(counters["graph_break"].values()),
        )
    # An arm may run what was compiled for an equal one before it; all of them cannot.
    if not any(call.graphs for call in calls.values()):
        raise CompileError("nothing was compiled, Python would run all of it")
    # From here on a recompilation, or a fall back to eager, is an error and not a slow round.
    torch._dynamo.config.error_on_recompile = True
    return calls
