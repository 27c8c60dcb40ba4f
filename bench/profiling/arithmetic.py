"""What the stages of a network have to do: multiply-accumulates, and bytes that must move.

An operator of the backward pass belongs to the stage whose forward operator it differentiates.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.workload.counting import Flops, spare_dynamo
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
    stage, weights included, and every one that leaves it (in training, to its own backward pass,
    too), once."""
    backward_bytes: int
    """The same of the backward pass."""
    eager_bytes: int
    """What moves in the forward pass if every operator reads its inputs from memory and writes its
    outputs to it."""

    def to_json(self) -> dict[str, int]:
        """Return plain values."""
        return asdict(self)


def count(
    network: nn.Module, call: Callable[[], object], modules: Sequence[str] = ()
) -> dict[str, Work]:
    """Run ``call`` once and return the work of every stage, by its name.

    Args:
        network: the one that ``call`` runs, eagerly.
        call: forward pass, or forward and backward.
        modules: that are its stages; none named: those of `bench.workload.stages`.
    """
    with ExitStack() as stack:
        counter = stack.enter_context(Flops(display=False))
        ledger = _Ledger(counter.get_total_flops)
        stack.enter_context(watched(network, ledger.enter, ledger.leave, modules))
        stack.enter_context(_Gradients(ledger))
        traffic = stack.enter_context(_Traffic(ledger))
        outputs = call()
    traffic.finish(outputs)
    found = stages(network, modules)
    return {stage.name: _work(network, stage, ledger, traffic) for stage in found}


def _work(network: nn.Module, stage: Stage, ledger: "_Ledger", traffic: "_Traffic") -> Work:
    layers = [network.get_submodule(layer) for layer in stage.layers]
    forward, backward = (stage.name, False), (stage.name, True)
    return Work(
        params=sum(p.numel() for layer in layers for p in layer.parameters()),
        macs=ledger.flops[forward] // 2,
        backward_macs=ledger.flops[backward] // 2,
        bytes=traffic.moved[forward].least,
        backward_bytes=traffic.moved[backward].least,
        eager_bytes=traffic.moved[forward].eager,
    )


Pass = tuple[str, bool]
"""A stage, and whether it is its backward pass."""


class _Ledger:
    """Floating-point operations of the passes: what a total rose by while one ran.

    So they add up to the total, whatever torch counts.

    Args:
        total: what has been counted so far.
    """

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._seen = 0
        self.now: Pass | None = None
        """What runs."""
        self.flops: Counter[Pass] = Counter()

    def enter(self, stage: Stage) -> None:
        self.turn((stage.name, False))

    def leave(self) -> None:
        self.turn(None)

    def turn(self, following: Pass | None) -> None:
        """Book what was counted since the last turn, and go on with another pass."""
        total = self._total()
        if self.now is not None:
            self.flops[self.now] += total - self._seen
        self._seen, self.now = total, following


class _Gradients(TorchFunctionMode):
    """Tells a ledger which stage the backward pass is in.

    What a stage has computed knows its node in autograd's graph; the nodes that are new there are
    the stage's.
    """

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._known: set[Node] = set()

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401 - torch's functions are not typed
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        if (now := self._ledger.now) is not None:
            for tensor in _tensors(out):
                self._watch(tensor.grad_fn, now[0])
        return out

    def _watch(self, node: Node | None, stage: str) -> None:
        found = [node]
        while found:
            node = found.pop()
            if node is None or node in self._known:
                continue
            self._known.add(node)
            node.register_prehook(lambda *_: self._ledger.turn((stage, True)))
            node.register_hook(lambda *_: self._ledger.leave())
            found += [following for following, _ in node.next_functions]


@dataclass
class _Moved:
    """Bytes of a pass."""

    read: int = 0
    written: int = 0
    eager: int = 0

    @property
    def least(self) -> int:
        """What has to move."""
        return self.read + self.written


@dataclass
class _Made:
    """What is in memory at an address."""

    by: Pass | None
    nbytes: int
    left: bool = False
    """Whether somebody else has read it."""
    readers: set[Pass] = field(default_factory=set)


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Adds up the bytes of all operators that run, pass by pass.

    Args:
        ledger: knows which one runs.
    """

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        spare_dynamo(type(self))
        self._ledger = ledger
        self._at: dict[int, _Made] = {}
        self.moved: defaultdict[Pass, _Moved] = defaultdict(_Moved)

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
        now = self._ledger.now
        for tensor in read:
            self._read(tensor, now)
        for tensor in written:
            self._at[_address(tensor)] = _Made(now, tensor.nbytes)
        if now is not None:
            self.moved[now].eager += sum(x.nbytes for x in (*read, *written))
        return out

    def finish(self, outputs: object) -> None:
        """Count what the network returns as leaving its stage."""
        for tensor in _tensors(outputs):
            self._read(tensor, None)

    def _read(self, tensor: Tensor, now: Pass | None) -> None:
        made = self._at.setdefault(_address(tensor), _Made(None, tensor.nbytes))
        if made.by == now and made.by is not None:
            return
        if made.by is not None and not made.left:
            made.left = True
            self.moved[made.by].written += made.nbytes
        if now is not None and now not in made.readers:
            made.readers.add(now)
            self.moved[now].read += tensor.nbytes


def _tensors(values: object) -> Iterator[Tensor]:
    return (x for x in tree_leaves(values) if isinstance(x, Tensor))


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
