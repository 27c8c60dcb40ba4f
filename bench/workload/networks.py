"""The networks that arms run: ours, parts of ours, a user's, and whatever a recipe names elsewhere.

An entry of `NETWORKS`, or of another room's that a recipe names as ``module:name``, says how a
network is made of the whole one, and what work it has in common with another.
"""

import copy
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import panet
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.schema.tasks import Task
from bench.workload import code_loader, pyramid_heads
from bench.workload.pyramid_heads import PyramidHeads
from bench.workload.users import side_of, users_module, users_network
from panet.backbone import build_backbone
from panet.levels import ARTICLE_LEVELS, parse_levels
from panet.necks import NECKS

Outputs = tuple[Tensor, ...]

Shared = dict[str, Any]
"""What the networks of one process may leave for each other."""

Builder = Callable[[Callable[[], nn.Module], Recipe, Shared], nn.Module]
"""Takes what gives a copy of the whole network, the recipe, and what the arms share."""


@dataclass(frozen=True)
class Network:
    """How a network is made, and whose work it does."""

    build: Builder
    part: str = ""
    """The sub-module that runs by itself, on maps stored before; empty: the whole."""
    like: str = ""
    """The recipe that it is compared with for equal work; empty: none. Maps of the same shapes it
    gives in any case."""
    same_macs: bool = True
    same_outputs: bool = True
    """Of ``like``."""
    against_float32: bool = False
    """Whether it is held to its own eager outputs in float32, as it is like no other."""
    level: str = "n"
    """The letter of its outputs, which are a pyramid; empty: they are none."""
    marked: bool = False
    """Whether its calls are split by marks, where they can be (`bench.workload.splitting`)."""


def _whole(copied: Callable[[], nn.Module], _recipe: Recipe, _shared: Shared) -> nn.Module:
    return copied()


def without_path(copied: Callable[[], nn.Module], _recipe: Recipe, _shared: Shared) -> nn.Module:
    """Return the network without its bottom-up path, or the heads without the paper's parts."""
    network = copied()
    if isinstance(network, PyramidHeads):
        return network.without_parts()
    network.panet = None  # type: ignore[assignment]  # the neck without its bottom-up path
    return network


def _own(copied: Callable[[], nn.Module], recipe: Recipe, shared: Shared) -> nn.Module:
    """Return a user's network, perhaps with another module in the place of a part."""
    network = copied()
    if recipe.exchange:
        if recipe.exchange not in shared:
            shared[recipe.exchange] = users_module(recipe.exchange.partition("=")[2])
        part = recipe.exchange.partition("=")[0]
        network.set_submodule(part, copy.deepcopy(shared[recipe.exchange]))
    return network


NETWORKS = {
    "panet": Network(_whole, marked=True),
    "fpn": Network(without_path, level="p", marked=True),
    "neck": Network(
        _whole, like="neck=fpn", same_macs=False, same_outputs=False, against_float32=True
    ),
    "heads": Network(
        _whole, like="heads=one_level", same_macs=False, same_outputs=False, against_float32=True
    ),
    "own": Network(_own, marked=True),
    "own_unsplit": Network(_own),
    "backbone": Network(_whole, part="cnn", level="c"),
    "fpn_alone": Network(_whole, part="fpn", level="p"),
    "panet_alone": Network(_whole, part="panet"),
}


def network_of(recipe: Recipe) -> Network:
    """Return the entry that a recipe names; raise `BenchError` if there is none."""
    if recipe.network in NETWORKS:
        return NETWORKS[recipe.network]
    try:
        entry: Network = pkgutil.resolve_name(recipe.network)
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(NETWORKS)
        raise BenchError(f"no network {recipe.network!r}; there are {known}") from error
    return entry


def copies_of(whole: nn.Module) -> Callable[[], nn.Module]:
    """Return what gives copies of a network with equal weights in memory of their own."""
    return lambda: copy.deepcopy(whole)


class Neck(nn.Module):
    """FPN and bottom-up path: c2..c5 -> n2..n5; p2..p5 where ``panet`` is taken away.

    Args:
        in_channels: of the maps, fine to coarse.
        finest_level: the ``k`` of the first map.
        code: the package that FPN and PANet are taken from.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        finest_level: int = ARTICLE_LEVELS[0],
        code: Any = panet,  # noqa: ANN401 - a package
    ) -> None:
        super().__init__()
        self.fpn = code.FPN(in_channels, finest_level=finest_level)
        self.panet = code.PANet(self.fpn.out_channels, len(in_channels), finest_level)

    def forward(self, *c: Tensor) -> Outputs:
        """Take maps of ``in_channels``; return one map per level with 256 channels."""
        p: Outputs = self.fpn(*c)
        n: Outputs = p if self.panet is None else self.panet(*p)
        return n


def seeded_backbone(task: Task[Any]) -> nn.Module:
    """Return the backbone of the case with the weights of the seed."""
    torch.manual_seed(task.seed)
    return build_backbone(task.case.backbone, levels=parse_levels(task.case.levels))


def whole_network(task: Task[Any], inputs: Outputs, side: str, factory: str = "") -> nn.Module:
    """Return the network of a side with the weights of the seed; the arms run copies of it.

    Args:
        task: names case and seed.
        inputs: of the network.
        side: of a comparison; empty: the code as it stands.
        factory: of a user's network, or a neck or parts of the heads in the place of ours.
    """
    if task.case.scope == "own":
        return users_network(task, side, factory)[0]
    code: Any = _code_of(task, side)
    torch.manual_seed(task.seed)
    levels = parse_levels(task.case.levels)
    if task.case.scope == "heads":
        return pyramid_heads.build(code, inputs, levels[0], factory)
    if task.case.scope == "model":
        backbone = task.case.backbone
        if levels != ARTICLE_LEVELS:  # which code of before the choice of levels lacks
            backbone = code.backbone.build_backbone(backbone, levels=levels)
        network: Any = code.BackboneNeck(backbone)
    else:
        network = Neck([c.shape[1] for c in inputs], levels[0], code)
    if factory:
        fpn = network.fpn
        network.fpn = NECKS[factory].build(fpn.in_channels, fpn.out_channels, fpn.finest_level)
        network.panet = None
    whole: nn.Module = network
    return whole


def _code_of(task: Task[Any], side: str) -> ModuleType:
    return code_loader.load(side_of(task, side)) if side else panet
