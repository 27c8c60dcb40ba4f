"""torch's counters of what is executed, without its compiler, whose import takes two seconds."""

import sys
from typing import Any, Self

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode


class Flops(FlopCounterMode):
    """Counts floating-point operations."""

    def __enter__(self) -> Self:
        spare_dynamo(_FlopCounterMode)
        return super().__enter__()  # type: ignore[no-any-return, no-untyped-call]  # torch's


def spare_dynamo(counter: type[TorchDispatchMode]) -> None:
    """Let a mode count without `torch._dynamo`.

    torch imports it to keep it from compiling what counts, and looks for the outcome in this
    attribute (`torch._compile`). Where nothing has imported it, there is nothing that compiles.
    """
    counts: Any = getattr(counter.__torch_dispatch__, "__wrapped__", None)
    if counts is not None and "torch._dynamo" not in sys.modules:
        counts.__dynamo_disable = counts
