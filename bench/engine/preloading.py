"""What fork servers import before they fork, so that their workers need not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from bench.schema.case import TORCH, Case

CHECKING = ("torch.fx.experimental.symbolic_shapes", "skimage.io")
"""What only checks need: torch's counter of operations takes operators apart with the one, and the
photographs are read with the other."""

EXPORTING = "torch._dynamo"
"""What checks need where a runtime is given a file: two seconds that the others do without."""

TRACING = ("bench.profiling.trace", "torch._inductor", "skimage.io")
"""What only profiles need, their statistics among it: a second of every process. Torch's profiler
asks the compiler for its settings."""


@dataclass(frozen=True)
class Modules:
    """What servers import, beside what every worker needs."""

    timing: tuple[str, ...] = ()
    """Those of timed workers: nothing that a case does not need."""
    helping: tuple[str, ...] = ()
    """That of checks, or of profiles, more than these."""


def needed_by(cases: Sequence[Case], *, traces: bool = False) -> Modules:
    """Return what servers import.

    Args:
        cases: that their workers run.
        traces: whether they are profiled.
    """
    if traces:
        helping: tuple[str, ...] = TRACING
    elif any(case.runtime != TORCH for case in cases):
        helping = (EXPORTING, *CHECKING)
    else:
        helping = CHECKING
    # The check of a case says which of them is missing, and how to get it.
    built_with = tuple(module for module in _built_with(cases) if _installed(module))
    compiled = any(case.compile_mode != "off" for case in cases)
    timing = (*built_with, "torch._inductor.compile_fx") if compiled else built_with
    return Modules(timing, helping)


def _built_with(cases: Sequence[Case]) -> Iterator[str]:
    if any(case.scope == "model" and case.backbone != "cnn" for case in cases):
        yield "timm"
    if any(case.scope == "heads" for case in cases):
        yield "torchvision.ops"  # it wants torch's compiler: two seconds of every process


def _installed(module: str) -> bool:
    return find_spec(module.partition(".")[0]) is not None
