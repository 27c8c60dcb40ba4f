"""Weights of other people's necks into ours, from the `state_dict` of a whole detector.

>>> from panet.necks.bifpn import BiFPN
>>> from panet.necks.convert import bifpn_from_effdet
>>> neck = BiFPN((40, 112, 320), 64, finest_level=3, extra_levels=2)
>>> neck.load_state_dict(bifpn_from_effdet(efficientdet_d0.state_dict()))  # doctest: +SKIP
<All keys matched successfully>

The levels are those of the originals, from P3; only names change, except where it is said. What
ours does not have stays under its name, and a strict `load_state_dict` refuses it.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from panet.convert import renamed
from panet.errors import InputError

Weights = Mapping[str, Tensor]

FINEST = 3

CELLS_OF_MMDETECTION = {
    "gp_64_4": "attend_p4",
    "sum_44_4": "sum_p4",
    "sum_43_3": "out_p3",
    "sum_34_4": "out_p4",
    "sum_55_5": "out_p5",
    "sum_77_7": "out_p7",
    "gp_75_6": "out_p6",
}
"""Merging cell there -> here."""


def bifpn_from_effdet(weights: Weights, prefix: str = "fpn.") -> dict[str, Tensor]:
    """Return effdet's ``BiFpn`` under the names of `panet.necks.bifpn.BiFPN`.

    Args:
        weights: of an ``EfficientDet``. One whose name begins with ``tf_`` cannot be loaded: it
            pads as TensorFlow does, and has biases that ours has not.
        prefix: of the names of the neck's weights.

    Raises:
        InputError: no such weights.
    """
    cells, nodes = (
        _count(weights, rf"{re.escape(prefix)}cell\.{pattern}")
        for pattern in (r"(\d+)\.", r"0\.fnode\.(\d+)\.")
    )
    steps = nodes // 2  # down, and as many up
    layers = {f"resample.{place}.conv": f"extra_c{FINEST + place}" for place in range(steps + 1)}
    for cell in range(cells):
        for node in range(nodes):
            down = node < steps
            place = steps - 1 - node if down else node - steps + 1
            theirs = f"cell.{cell}.fnode.{node}"
            ours = f"cells.{cell}.{'topdown_p' if down else 'bottomup_n'}{FINEST + place}"
            layers |= {
                f"{theirs}.combine.resample.{place}.conv": f"{ours}.project.0",
                f"{theirs}.combine.resample.{place + 1}.conv": f"{ours}.project.1",
                f"{theirs}.combine": ours,
                f"{theirs}.after_combine.conv": ours,
            }
    inside = (
        ("^edge_weights", "weight"),
        ("^conv_dw", "depthwise"),
        ("^conv_pw", "pointwise"),
        ("^bn", "norm"),
    )
    return _renamed(weights, layers, inside, prefix)


def concat_pan_from_yolox(weights: Weights) -> dict[str, Tensor]:
    """Return YOLOX's ``YOLOPAFPN`` and the stems of its head under the names of `ConcatPAN`.

    Args:
        weights: of a ``YOLOX``, without depthwise convolutions.

    Raises:
        InputError: no such weights.
    """
    layers = {
        "backbone.lateral_conv0": "path.lateral_p5",
        "backbone.C3_p4": "path.block_p4",
        "backbone.reduce_conv1": "path.lateral_p4",
        "backbone.C3_p3": "path.block_p3",
        "backbone.bu_conv2": "path.downsample_n3",
        "backbone.C3_n3": "path.block_n4",
        "backbone.bu_conv1": "path.downsample_n4",
        "backbone.C3_n4": "path.block_n5",
    } | {f"head.stems.{place}": f"out_n{FINEST + place}" for place in range(3)}
    inside = (
        (r"^m\.(\d+)\.conv1\.", r"bottlenecks.\1.reduce."),
        (r"^m\.(\d+)\.conv2\.", r"bottlenecks.\1.expand."),
        (r"^conv1\.", "through."),
        (r"^conv2\.", "past."),
        (r"^conv3\.", "join."),
        (r"\bbn\.", "norm."),
    )
    return _renamed(weights, layers, inside)


def ccfm_from_transformers(weights: Weights, prefix: str = "") -> dict[str, Tensor]:
    """Return the projections and the hybrid encoder of RT-DETR under the names of `CCFM`.

    The three projections of the attention become one matrix.

    Args:
        weights: of a transformers ``RTDetrModel`` whose encoder expands by 1, such as R50's.
        prefix: of its names, ``"model."`` in an ``RTDetrForObjectDetection``.

    Raises:
        InputError: no such weights.
    """
    places = range(_count(weights, rf"{re.escape(prefix)}encoder_input_proj\.(\d+)\."))
    last = FINEST + len(places) - 1
    attention = {
        "self_attn.o_proj": "attention.out_proj",
        "self_attn": "attention",
        "self_attn_layer_norm": "norm1",
        "mlp.fc1": "linear1",
        "mlp.fc2": "linear2",
        "final_layer_norm": "norm2",
    }
    layers = {f"encoder.aifi.0.layers.0.{k}": f"aifi.{v}" for k, v in attention.items()}
    for place in places:
        layers |= {
            f"encoder_input_proj.{place}": f"project_c{FINEST + place}",
            f"encoder.lateral_convs.{place}": f"path.lateral_p{last - place}",
            f"encoder.fpn_blocks.{place}": f"path.block_p{last - place - 1}",
            f"encoder.downsample_convs.{place}": f"path.downsample_n{FINEST + place}",
            f"encoder.pan_blocks.{place}": f"path.block_n{FINEST + place + 1}",
        }
    inside = (
        (r"^bottlenecks\.(\d+)\.conv1\.", r"blocks.\1.three."),
        (r"^bottlenecks\.(\d+)\.conv2\.", r"blocks.\1.one."),
        (r"^conv1\.", "through."),
        (r"^conv2\.", "past."),
        (r"^0\.", "conv."),
        (r"^1\.", "norm."),
    )
    ours = _renamed(weights, layers, inside, prefix)
    for kind in ("weight", "bias"):
        parts = [ours.pop(f"aifi.attention.{part}_proj.{kind}", None) for part in "qkv"]
        if given := [part for part in parts if part is not None]:
            ours[f"aifi.attention.in_proj_{kind}"] = torch.cat(given)
    return ours


def nas_fpn_from_mmdetection(weights: Weights, prefix: str = "neck.") -> dict[str, Tensor]:
    """Return mmdetection's ``NASFPN`` under the names of `panet.necks.nas_fpn.NASFPN`.

    Args:
        weights: of a detector whose ``NASFPN`` has ``norm_cfg=dict(type="BN")``.
        prefix: of the names of the neck's weights.

    Raises:
        InputError: no such weights.
    """
    start = re.escape(prefix)
    given = _count(weights, rf"{start}lateral_convs\.(\d+)\.")
    layers = {f"lateral_convs.{place}": f"lateral_c{FINEST + place}" for place in range(given)}
    for place in range(_count(weights, rf"{start}extra_downsamples\.(\d+)\.")):
        layers[f"extra_downsamples.{place}.0"] = f"extra_c{FINEST + given + place}"
    for stack in range(_count(weights, rf"{start}fpn_stages\.(\d+)\.")):
        for theirs, ours in CELLS_OF_MMDETECTION.items():
            layers[f"fpn_stages.{stack}.{theirs}.out_conv"] = f"stacks.{stack}.{ours}"
    return _renamed(weights, layers, (("^bn", "norm"),), prefix)


def _count(weights: Weights, pattern: str) -> int:
    """Return how many numbers there are in the place of the group in the names of the weights."""
    found = (re.match(pattern, name) for name in weights)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _renamed(
    weights: Weights,
    layers: Mapping[str, str],
    inside: Sequence[tuple[str, str]],
    prefix: str = "",
) -> dict[str, Tensor]:
    """Return what `panet.convert.renamed` does; raise `InputError` where no name is known."""
    found = renamed(weights, layers, prefix, inside=inside)
    if not found:
        raise InputError(
            f"no weights of a neck among {len(weights)} names that begin with {prefix!r}: "
            "give the state_dict of a whole detector, and the prefix of its neck"
        )
    return found
