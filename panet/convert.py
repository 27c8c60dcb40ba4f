"""Weights of other people's FPN and bottom-up path into ours, and back.

>>> from panet import build_neck
>>> from panet.convert import from_original, to_original
>>> neck = build_neck(behaviour="mmdetection")
>>> theirs = to_original(neck.state_dict(), "mmdetection", prefix="neck.")
>>> next(iter(theirs))
'neck.lateral_convs.3.conv.weight'
>>> neck.load_state_dict(from_original(theirs, "mmdetection", prefix="neck."))
<All keys matched successfully>

Only names change; what a network does with its weights is its `panet.behaviours.Behaviour`. Weights
of the article's own code have our names already.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from panet.errors import InputError

LEVELS = (2, 3, 4, 5)


class Of(Enum):
    """The levels that have a layer, as a slice of all, fine to coarse."""

    ALL = (None, None)
    ALL_BUT_COARSEST = (None, -1)
    COARSEST = (-1, None)


@dataclass(frozen=True)
class Rule:
    """A layer there and here.

    In both, ``{k}`` is its level, ``{next}`` the next coarser one, ``{i}`` its place among the
    levels fine to coarse, ``{down}`` its place coarse to fine, and ``{down_1}`` one less.
    """

    original: str
    ours: str
    of: Of = Of.ALL


RULES = {
    "official": (
        Rule("conv_top", "fpn.lateral_c{k}", Of.COARSEST),
        # Counted from the second coarsest, the first that is added to.
        Rule(
            "topdown_lateral_modules.{down_1}.conv_lateral", "fpn.lateral_c{k}", Of.ALL_BUT_COARSEST
        ),
        Rule("posthoc_modules.{down}", "fpn.smooth_m{k}"),
        Rule("panet_buttomup_conv1_modules.{i}", "panet.downsample_n{k}", Of.ALL_BUT_COARSEST),
        Rule(
            "panet_buttomup_conv2_modules.{i}", "panet.conv_n{k}down_p{next}", Of.ALL_BUT_COARSEST
        ),
    ),
    "mmdetection": (
        Rule("lateral_convs.{i}.conv", "fpn.lateral_c{k}"),
        Rule("fpn_convs.{i}.conv", "fpn.smooth_m{k}"),
        Rule("downsample_convs.{i}.conv", "panet.downsample_n{k}", Of.ALL_BUT_COARSEST),
        Rule("pafpn_convs.{i}.conv", "panet.conv_n{k}down_p{next}", Of.ALL_BUT_COARSEST),
    ),
    "torchvision": (
        Rule("inner_blocks.{i}.0", "fpn.lateral_c{k}"),
        Rule("layer_blocks.{i}.0", "fpn.smooth_m{k}"),
    ),
    "detectron2": (
        Rule("fpn_lateral{k}", "fpn.lateral_c{k}"),
        Rule("fpn_output{k}", "fpn.smooth_m{k}"),
    ),
}
"""Original -> its layers. The official code's are those with GroupNorm, too."""


def from_original(
    weights: Mapping[str, Tensor],
    original: str,
    levels: Sequence[int] = LEVELS,
    prefix: str = "",
) -> dict[str, Tensor]:
    """Return an original's weights under the names of `panet.build_neck`'s.

    Of torchvision and detectron2, which have no path, it is the FPN: load it with ``strict=False``.

    Args:
        weights: a `state_dict`; what is not of the neck is left out.
        original: of `RULES`.
        levels: those of the maps that go in, fine to coarse.
        prefix: of the names of the neck's weights, such as ``"neck."`` or ``"backbone.fpn."``.

    Raises:
        InputError: an unknown original, a layer without weights, or more levels than asked for.
    """
    return _all_renamed(weights, layer_names(original, levels), prefix, "")


def to_original(
    weights: Mapping[str, Tensor],
    original: str,
    levels: Sequence[int] = LEVELS,
    prefix: str = "",
) -> dict[str, Tensor]:
    """Return our weights under an original's names; those of a path that it has not are left out.

    Args:
        weights: a `state_dict` of a `panet.build_neck`, or of FPN and PANet as ``fpn``, ``panet``.
        original: of `RULES`.
        levels: those of the maps that go in, fine to coarse.
        prefix: put before every name.

    Raises:
        InputError: an unknown original, a layer without weights, or more levels than asked for.
    """
    theirs = {ours: theirs for theirs, ours in layer_names(original, levels).items()}
    return _all_renamed(weights, theirs, "", prefix)


def layer_names(original: str, levels: Sequence[int] = LEVELS) -> dict[str, str]:
    """Return the names of an original's layers -> of ours, in the order of `RULES`.

    Raises:
        InputError: an unknown original.
    """
    if original not in RULES:
        raise InputError(f"no weights of {original!r} are known; choose one of {', '.join(RULES)}")
    names = {}
    for rule in RULES[original]:
        for level in levels[slice(*rule.of.value)]:
            down = levels[-1] - level
            places = {"k": level, "next": level + 1, "i": level - levels[0]}
            places |= {"down": down, "down_1": down - 1}
            names[rule.original.format(**places)] = rule.ours.format(**places)
    return names


def renamed(
    weights: Mapping[str, Tensor],
    layers: Mapping[str, str],
    prefix: str = "",
    new_prefix: str = "",
    inside: Sequence[tuple[str, str]] = (),
) -> dict[str, Tensor]:
    """Return the weights of layers under other names; what is in none of them is left out.

    Args:
        weights: by their names.
        layers: name of a layer -> its new one; of two that fit the first counts.
        prefix: of the names of all of them.
        new_prefix: of the new names.
        inside: pattern of what follows a layer's name, and what it becomes.
    """
    found = {}
    for key, tensor in weights.items():
        name = key.removeprefix(prefix)
        layer = next((layer for layer in layers if name.startswith(f"{layer}.")), None)
        if layer is not None and key.startswith(prefix):
            rest = name.removeprefix(f"{layer}.")
            for pattern, replacement in inside:
                rest = re.sub(pattern, replacement, rest)
            found[f"{new_prefix}{layers[layer]}.{rest}"] = tensor
    return found


def _all_renamed(
    weights: Mapping[str, Tensor], layers: Mapping[str, str], prefix: str, new_prefix: str
) -> dict[str, Tensor]:
    """Return what `renamed` does; raise `InputError` unless all layers and levels are there."""
    names = [key.removeprefix(prefix) for key in weights if key.startswith(prefix)]
    heads = {_head(layer) for layer in layers}
    for name in names:
        if _head(name) in heads and not any(name.startswith(f"{layer}.") for layer in layers):
            raise InputError(
                f"{prefix}{name} is a weight of no level that was asked for: give its levels"
            )
    without = [x for x in layers if not any(name.startswith(f"{x}.") for name in names)]
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise InputError(
            f"there are no weights of {prefix}{without[0]}{more}: is the prefix right?"
        )
    return renamed(weights, layers, prefix, new_prefix)


def _head(name: str) -> str:
    """Return what the names of a layer's siblings begin with: ``fpn_convs``, ``fpn_lateral``."""
    return name.partition(".")[0].rstrip("0123456789")
