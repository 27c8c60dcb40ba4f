"""Networks in files that runtimes read: written once per case and network, loaded by every process.

Seconds of writing lie beside the file, so that whoever loads it knows them.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.machine.clock import wall_s
from bench.schema.case import Case
from bench.schema.tasks import Task
from bench.workload.compiler_cache import CompileError, compiler_cache
from bench.workload.runtimes import RUNTIMES
from bench.workload.runtimes.runtime import Loaded, Runtime, SettingError
from bench.workload.same_work import MismatchError
from bench.workload.users import Inputs

BUILT = "built.json"

WEIGHTS = "weights.pt"
"""Of a network that torch runs itself: nothing but its parameters and buffers."""


@dataclass(frozen=True)
class Exported:
    """A network that a runtime has loaded."""

    loaded: Loaded
    build_s: float
    """Until the file was written."""
    load_s: float
    """From the file to what can be called, imports included."""
    file_bytes: int
    """Of all that the runtime reads."""
    executed: Callable[[], Mapping[str, int]]
    """Asks the runtime for the kinds of nodes that it executes; it loads the file once more."""


def load(
    task: Task[Any],
    arm: str,
    maps: Inputs,
    network: Callable[[], nn.Module],
    samples: Callable[[], list[Inputs]],
) -> Exported:
    """Return the network of an arm in the runtime of the case.

    Args:
        task: names case and arms.
        arm: whose network it is.
        maps: what it is called with.
        network: builds it, where the file is not there yet.
        samples: makes what it is called with on further photographs, where it is calibrated.

    Raises:
        CompileError: the runtime cannot write or read it.
        MismatchError: it runs with other settings than it was told.
    """
    case, runtime = task.case, RUNTIMES[task.case.runtime]
    file = compiler_cache(task, arm) / runtime.file
    try:
        if not (file.parent / BUILT).exists():
            _write(file, runtime, network(), maps, samples)
        start_s = wall_s()
        loaded = runtime.load(file, maps, case)
    except SettingError as error:
        raise MismatchError(f"{arm}: {error}") from error
    except Exception as error:  # whatever a runtime raises is its failure
        raise CompileError(f"{arm}: {type(error).__name__}: {error}") from error
    return Exported(
        loaded,
        load_s=wall_s() - start_s,
        executed=lambda: _executed(arm, runtime, file, maps, case),
        **json.loads((file.parent / BUILT).read_text()),
    )


def weights_read_s(network: nn.Module, file: Path) -> float:
    """Return how long a network that is there takes to read its weights from a file.

    Args:
        network: with the weights that are in the file.
        file: written first where it is not there.
    """
    if not file.exists():  # perhaps another process is about to write the same
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        torch.save(network.state_dict(), partial)
        partial.rename(file)
    start_s = wall_s()
    network.load_state_dict(torch.load(file, weights_only=True))
    return wall_s() - start_s


def _executed(
    arm: str, runtime: Runtime, file: Path, maps: Inputs, case: Case
) -> Mapping[str, int]:
    try:
        return runtime.executed(file, maps, case)
    except SettingError as error:
        raise MismatchError(f"{arm}: {error}") from error


def _write(
    file: Path,
    runtime: Runtime,
    network: nn.Module,
    maps: Inputs,
    samples: Callable[[], list[Inputs]],
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    made = samples() if runtime.quantise is not None else []
    start_s = wall_s()
    runtime.build(network, maps, file)
    if runtime.quantise is not None:
        runtime.quantise(file, made)
    build_s = wall_s() - start_s
    read = [path for path in file.parent.iterdir() if path.stem == file.stem and path.is_file()]
    known = {"build_s": build_s, "file_bytes": sum(path.stat().st_size for path in read)}
    (file.parent / BUILT).write_text(json.dumps(known))
