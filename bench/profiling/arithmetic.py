"""What the stages of a network have to do: multiply-accumulates, and bytes that must move."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bench.workload.stages import Stage, stages, watched


@dataclass(frozen=True)
class Work:
    """Of one stage, in one call."""

    params: int
    macs: int
    """Multiply-accumulates of the forward pass: half of what torch's `FlopCounterMode` counts."""
    backward_macs: int
    bytes: int
    """What has to move at least in the forward pass: every tensor that comes from outside the
    stage, weights included, and every one that leaves it, once."""
    eager_bytes: int
    """What moves if every operator reads its inputs from memory and writes its outputs to it."""

    def to_json(self) -> dict[str, int]:
        """Return plain values."""
        return asdict(self)


def count(network: nn.Module, call: Callable[[], object]) -> dict[str, Work]:
    """Run ``call`` once and return the work of every stage, by its name.

    Args:
        network: the one that ``call`` runs, eagerly; with the parts ``cnn``, ``fpn``, ``panet``.
        call: forward pass, or forward and backward.
    """
    traffic = _Traffic()
    with ExitStack() as stack:
        stack.enter_context(watched(network, traffic.enter, traffic.leave))
        counter = stack.enter_context(FlopCounterMode(display=False))
        stack.enter_context(traffic)
        outputs = call()
    traffic.finish(outputs)
    flops = counter.get_flop_counts()
    root = type(network).__name__
    return {
        stage.name: _work(network, stage, root, flops, traffic.of_stage(stage.name))
        for stage in stages(network)
    }


def _work(
    network: nn.Module,
    stage: Stage,
    root: str,
    flops: Mapping[str, Mapping[Any, int]],
    moved: "_Moved",
) -> Work:
    forward = backward = params = 0
    for layer in stage.layers:
        params += sum(p.numel() for p in network.get_submodule(layer).parameters())
        for operator, number in flops.get(f"{root}.{layer}", {}).items():
            if "backward" in str(operator):
                backward += number
            else:
                forward += number
    return Work(params, forward // 2, backward // 2, moved.read + moved.written, moved.eager)


@dataclass
class _Moved:
    """Bytes of a stage."""

    read: int = 0
    written: int = 0
    eager: int = 0


@dataclass
class _Made:
    """What is in memory at an address."""

    stage: str | None
    nbytes: int
    left: bool = False
    """Whether somebody outside its stage has read it."""
    readers: set[str] = field(default_factory=set)


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Adds up the bytes of all operators that run, stage by stage."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._stage: str | None = None
        self._moved: dict[str, _Moved] = {}
        self._at: dict[int, _Made] = {}

    def enter(self, stage: Stage) -> None:
        self._stage = stage.name

    def leave(self) -> None:
        self._stage = None

    def of_stage(self, name: str) -> _Moved:
        return self._moved.setdefault(name, _Moved())

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's overloads are not typed
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        read, written = list(_tensors((args, kwargs))), list(_tensors(out))
        addresses = {_address(x) for x in read}
        makes_nothing = all(_address(x) in addresses for x in written)
        if makes_nothing and not func._schema.is_mutable:
            return out
        for tensor in read:
            self._read(tensor)
        for tensor in written:
            self._at[_address(tensor)] = _Made(self._stage, tensor.nbytes)
        if self._stage is not None:
            self.of_stage(self._stage).eager += sum(x.nbytes for x in (*read, *written))
        return out

    def finish(self, outputs: object) -> None:
        """Count what the network returns as leaving its stage."""
        for tensor in _tensors(outputs):
            self._read(tensor)

    def _read(self, tensor: Tensor) -> None:
        made = self._at.setdefault(_address(tensor), _Made(None, tensor.nbytes))
        if made.stage == self._stage and made.stage is not None:
            return
        if made.stage is not None and not made.left:
            made.left = True
            self.of_stage(made.stage).written += made.nbytes
        if self._stage is not None and self._stage not in made.readers:
            made.readers.add(self._stage)
            self.of_stage(self._stage).read += tensor.nbytes


def _tensors(values: object) -> Iterator[Tensor]:
    return (x for x in tree_leaves(values) if isinstance(x, Tensor))


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
