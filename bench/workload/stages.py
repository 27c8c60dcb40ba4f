"""The stages of a network, and the one table of their names.

A stage is what a reader wants to see by itself: a level of the backbone, a lateral convolution, a
top-down sum. It begins with the call of its first layer and lasts until the next stage begins (so
that a ReLU belongs to the convolution in front of it) or its part of the network ends. Of a network
that has none of our parts, every module with weights of its own is a stage, by its path.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

STEPS = {
    "lateral": "lateral",
    "topdown": "top-down sum",
    "smooth": "smooth",
    "downsample": "downsample",
    "sum": "sum",
    "conv": "fuse",
    "project": "projection",
    "concat": "concat",
    "block": "block",
    "bottomup": "bottom-up sum",
    "attend": "attention",
    "out": "output",
    "extra": "extra level",
    "pool": "pooling",
    "levels": "layers per level",
    "rest": "shared layers",
    "fusion": "fusion",
    "outputs": "outputs",
}
"""First word of a layer's name in FPN, PANet, `panet.necks` and `panet.heads` -> what its stage is
called."""

PARTS = {
    "cnn": "backbone",
    "fpn": "fpn",
    "panet": "panet",
    "box_branch": "box",
    "mask_branch": "mask",
}
"""Name of a part in `state_dict` -> what it is called."""


@dataclass(frozen=True)
class Stage:
    """One stage, and where its weights are."""

    part: str
    """Of `PARTS`; empty in a network of somebody else's."""
    level: str
    """``c2`` .. ``c5``, ``p2`` .. ``p5``, ``n2`` .. ``n5``, or others (`panet.levels`); ``c1`` is
    what comes before. Empty in heads, which see all levels at once. In a network of somebody else's
    the path of a module."""
    step: str
    """Of `STEPS`; empty in the backbone."""
    layers: tuple[str, ...]
    """The modules that it calls, by their names in `state_dict`; it begins with the first."""

    @property
    def name(self) -> str:
        """As traces and tables show it: ``fpn p4 lateral``, ``backbone c2``."""
        return " ".join(word for word in (self.part, self.level, self.step) if word)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the name."""
        return {"name": self.name, **asdict(self)}


def stages(network: nn.Module, modules: Sequence[str] = ()) -> list[Stage]:
    """Return the stages of a network: of our parts ``cnn``, ``fpn``, ``panet``, fine to coarse.

    A part that does not tell its stages (a backbone of somebody else's) is a single one.

    Args:
        network: that they are in.
        modules: paths of modules, none inside another, that are the stages instead.
    """
    if modules:
        return [Stage("", path, "", (path,)) for path in modules]
    if of_parts := [stage for part in parts(network) for stage in _stages_of(network, part)]:
        return of_parts
    return [
        Stage("", path, "", (path,))
        for path, module in network.named_modules()
        if path and any(True for _ in module.parameters(recurse=False))
    ]


@contextmanager
def watched(
    network: nn.Module,
    begin: Callable[[Stage], object],
    end: Callable[[], object],
    modules: Sequence[str] = (),
) -> Iterator[None]:
    """Hear where the network is while it runs eagerly.

    Args:
        network: whose stages are heard of.
        begin: called when a stage begins.
        end: called when it ends; no two stages overlap.
        modules: see `stages`.
    """
    inside = False

    def leave(*_: object) -> None:
        nonlocal inside
        if inside:
            inside = False
            end()

    def enter(stage: Stage) -> Callable[..., None]:
        def entered(*_: object) -> None:
            nonlocal inside
            leave()
            inside = True
            begin(stage)

        return entered

    with ExitStack() as stack:
        stack.callback(leave)  # a network that raises is still inside a stage
        for stage in stages(network, modules):
            module = network.get_submodule(stage.layers[0])
            stack.callback(module.register_forward_pre_hook(enter(stage)).remove)
        for part in modules or parts(network):
            module = network.get_submodule(part)
            stack.callback(module.register_forward_hook(leave).remove)
        yield


def around(
    module: nn.Module,
    before: Callable[[tuple[Any, ...]], object] | None = None,
    after: Callable[[Any], object] | None = None,
) -> None:
    """Call functions around the forward pass of one module, and of no other of its type.

    Unlike a hook of torch's it leaves the module on the fast path of its call: half a microsecond,
    and a timed call has twenty of them.

    Args:
        module: whose.
        before: gets the arguments, those by keyword last.
        after: gets what the module returned.
    """
    inner = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the module takes
        if before is not None:
            before((*args, *kwargs.values()) if kwargs else args)
        outputs = inner(*args, **kwargs)
        if after is not None:
            after(outputs)
        return outputs

    module.__dict__["forward"] = forward


def _step(layer: str) -> str:
    """Return what the stage of a layer is called; one that the table lacks by its own name.

    What comes several times is counted as in `state_dict`: of ``cells.1.topdown_p4`` the second.
    """
    *path, last = layer.split(".")
    called = STEPS.get(last.partition("_")[0], last)
    return " ".join([called, *(name for name in path if name.isdigit())])


def parts(network: nn.Module) -> list[str]:
    """Return which of our parts a network has, by their names in `state_dict`."""
    return [part for part in PARTS if getattr(network, part, None) is not None]


def _stages_of(network: nn.Module, part: str) -> Iterator[Stage]:
    levels: dict[str, tuple[str, ...]] = getattr(network.get_submodule(part), "stages", dict)()
    if not levels:
        yield Stage(PARTS[part], "", "", (part,))
    for level, layers in levels.items():
        names = tuple(f"{part}.{layer}" for layer in layers)
        if part == "cnn":
            yield Stage(PARTS[part], level, "", names)
            continue
        for layer, name in zip(layers, names, strict=True):
            yield Stage(PARTS[part], level, _step(layer), (name,))
