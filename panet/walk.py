"""The shape walk: every stage of the network in order, with tensor size, parameters and MACs.

The networks print nothing; hooks read the sizes while one forward pass runs, on the ``meta`` device
when the model is there, so that no size is too large for it.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from panet.backbone import CNN
from panet.levels import BackboneLevels
from panet.model import BackboneNeck


@dataclass(frozen=True)
class Stage:
    """One line of the walk; the counts are `None` where it only names a tensor."""

    name: str
    shape: tuple[int, ...]
    params: int | None = None
    macs: int | None = None


@dataclass(frozen=True)
class Part:
    """Backbone, FPN or bottom-up path as a whole."""

    name: str
    params: int
    macs: int


@dataclass(frozen=True)
class ShapeWalk:
    """The stages in the order of the article's output, and the parts that they belong to."""

    stages: tuple[Stage, ...]
    parts: tuple[Part, ...]


def shape_walk(model: BackboneNeck, image: Tensor) -> ShapeWalk:
    """Run ``model`` on ``image`` ``(N, 3, H, W)`` once and return what its stages gave.

    MACs are multiply-accumulates of convolutions and matrix products: half of what torch's
    `FlopCounterMode` counts.
    """
    sizes: dict[str, list[tuple[int, ...]]] = {}
    with ExitStack() as stack:
        for name, module in model.named_modules():
            handle = module.register_forward_hook(_recorder(sizes.setdefault(name, [])))
            stack.callback(handle.remove)
        stack.enter_context(torch.inference_mode())
        counter = stack.enter_context(FlopCounterMode(display=False))
        model(image)
    macs = {
        name.removeprefix(f"{type(model).__name__}."): sum(flops.values()) // 2
        for name, flops in counter.get_flop_counts().items()
    }
    stages = [Stage("original", tuple(image.shape)), *_backbone_stages(model, sizes, macs)]
    for part, prefix in (("cnn", "c"), ("fpn", "p"), ("panet", "n")):
        stages += _level_stages(model, part, prefix, sizes.get(part, []), macs)
    parts = [
        Part(label, _params(module), macs.get(name, 0)) for label, name, module in _parts(model)
    ]
    return ShapeWalk(tuple(stages), tuple(parts))


def _parts(model: BackboneNeck) -> Iterator[tuple[str, str, nn.Module]]:
    yield "backbone", "cnn", model.cnn
    yield "fpn", "fpn", model.fpn
    if model.panet is not None:
        yield "panet", "panet", model.panet
    yield "total", "Global", model


def _recorder(sizes: list[tuple[int, ...]]) -> Any:  # noqa: ANN401 - torch's type of a hook
    def record(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        tensors = output if isinstance(output, tuple | list) else (output,)
        sizes.extend(tuple(x.shape) for x in tensors if isinstance(x, Tensor))

    return record


def _backbone_stages(
    model: BackboneNeck, sizes: dict[str, list[tuple[int, ...]]], macs: dict[str, int]
) -> Iterator[Stage]:
    """Yield the stages inside the article's CNN."""
    path = "cnn.body" if isinstance(model.cnn, BackboneLevels) else "cnn"
    body = model.get_submodule(path)
    if not isinstance(body, CNN):
        return
    for block, level in enumerate(body.stages()):
        conv = f"{path}.conv{block + 1}"
        params = _params(model.get_submodule(conv))
        yield Stage(f"after conv{block + 1}", sizes[conv][0], params, macs[conv])
        pooled = "after pool" if level == "c1" else f"after pool ({level})"
        yield Stage(pooled, sizes[f"{path}.maxpool"][block], 0, 0)


def _level_stages(
    model: BackboneNeck,
    part: str,
    prefix: str,
    sizes: list[tuple[int, ...]],
    macs: dict[str, int],
) -> Iterator[Stage]:
    layers_of = _layers_of(model, part) if sizes else {}
    for level, shape in enumerate(sizes, start=model.fpn.finest_level):
        name = f"{prefix}{level}"
        if name not in layers_of:
            yield Stage(name, shape)
            continue
        layers = [f"{part}.{layer}" for layer in layers_of[name]]
        params = sum(_params(model.get_submodule(layer)) for layer in layers)
        yield Stage(name, shape, params, sum(macs.get(layer, 0) for layer in layers))


def _layers_of(model: BackboneNeck, part: str) -> dict[str, tuple[str, ...]]:
    """Return the layers of the levels of a part; of the backbone, of those behind its own maps."""
    if part != "cnn":
        return model.get_submodule(part).stages()  # type: ignore[operator, no-any-return]  # FPN and PANet both have it
    extra = model.cnn.extra_levels if isinstance(model.cnn, BackboneLevels) else ()
    return {f"c{level}": (f"extra_c{level}",) for level in extra}


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
