"""What compiling takes and makes: caches empty when they should be, counters read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.machine.clock import synchronized, synchronizer, wall_s
from bench.schema.case import FROZEN, TORCH
from bench.schema.tasks import Task
from bench.workload.arms import Arm
from bench.workload.closeness import Closeness
from bench.workload.compiler_cache import CompileError, compiler_cache, use_compiler_cache
from panet import optimized

PACKED = "mkldnn_conv_weight_pack_matcher_count"
"""Of inductor's counters."""


@dataclass(frozen=True)
class FirstCall:
    """What the first call of a compiled arm took, and what the compiler made of it."""

    seconds: float
    """Of an arm in a runtime without its loading."""
    graphs: int | None = None
    graph_breaks: int | None = None
    packed: int | None = None
    """Convolutions whose weights were packed, of a frozen arm; 0 from full caches."""
    close: Closeness | None = None
    """How close the outputs are to eager float32, where that is known."""


def first_calls(task: Task[Any], arms: Mapping[str, Arm]) -> dict[str, FirstCall]:
    """Call every arm for the first time.

    Raises:
        CompileError: the compiler failed, or compiled nothing and left all to Python.
    """
    if task.case.runtime == TORCH and not task.case.eager:
        return _compiled(task, arms)
    return {name: FirstCall(_seconds(arm)) for name, arm in arms.items()}


def _seconds(arm: Arm) -> float:
    arm.prepare()
    start_s = wall_s()
    try:
        arm.call()
    except Exception as error:  # whatever a runtime raises is its failure
        raise CompileError(f"{arm.name}: {type(error).__name__}: {error}") from error
    return wall_s() - start_s


def _compiled(task: Task[Any], arms: Mapping[str, Arm]) -> dict[str, FirstCall]:
    from torch._dynamo.utils import counters  # half a second that eager workers do not need

    # Imports, and the probing of the compiler and its vector units, are once per process.
    use_compiler_cache(Path(task.scratch_dir) / "compiled" / "none")
    torch.compile(lambda x: x + 1)(torch.ones(8, device=task.case.device))
    read_s = synchronized(wall_s, synchronizer(torch.device(task.case.device)))
    settings = optimized.FROZEN if task.case.compile_mode == FROZEN else {}
    calls = {}
    for name, arm in arms.items():
        arm.prepare()
        use_compiler_cache(compiler_cache(task, name))
        counters.clear()
        start_s = read_s()
        try:
            with torch._inductor.config.patch(settings):
                arm.call()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the compiler raises is its failure
            raise CompileError(f"{name}: {type(error).__name__}: {error}") from error
        calls[name] = FirstCall(
            seconds=read_s() - start_s,
            graphs=counters["stats"]["unique_graphs"],
            graph_breaks=sum(counters["graph_break"].values()),
            packed=counters["inductor"][PACKED] if task.case.compile_mode == FROZEN else None,
        )
    # An arm may run what was compiled for an equal one before it; all of them cannot.
    if not any(call.graphs for call in calls.values()):
        raise CompileError("nothing was compiled, Python would run all of it")
    # From here on a recompilation, or a fall back to eager, is an error and not a slow round.
    torch._dynamo.config.error_on_recompile = True
    return calls
