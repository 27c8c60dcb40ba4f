"""Weights of the paper's authors into `panet.detector.official_detector`.

>>> from panet.detector import official_detector
>>> from panet.heads.convert import detector_from_official
>>> weights = torch.load("panet_mask_step179999.pth")["model"]  # doctest: +SKIP
>>> official_detector().load_state_dict(detector_from_official(weights))  # doctest: +SKIP
<All keys matched successfully>

Names are those of ShuLiu1993/PANet `f055f71`. Of a detector without masks (``1x_det``) there are no
weights of the mask branch: load it with ``strict=False``.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from panet.convert import from_original
from panet.errors import InputError
from panet.heads.pooling import LEVELS

Weights = Mapping[str, Tensor]

BODY, NECK = "backbone.body.", "backbone.fpn."
"""Where torchvision's detectors have what the official code calls ``Conv_Body``."""

EPS = 1e-5
"""Of torchvision's frozen norms; the official code's have scale and shift alone."""

HEADS = (
    (r"RPN\.FPN_RPN_conv", "rpn.head.conv.0.0"),
    (r"RPN\.FPN_RPN_cls_score", "rpn.head.cls_logits"),
    (r"RPN\.FPN_RPN_bbox_pred", "rpn.head.bbox_pred"),
    (r"Box_Head\.conv1_head\.(\d)\.0", "roi_heads.box_head.levels.n{k}.conv1.conv"),
    (r"Box_Head\.conv1_head\.(\d)\.1", "roi_heads.box_head.levels.n{k}.conv1.norm"),
    (r"Box_Head\.convs\.0", "roi_heads.box_head.rest.conv2.conv"),
    (r"Box_Head\.convs\.1", "roi_heads.box_head.rest.conv2.norm"),
    (r"Box_Head\.convs\.3", "roi_heads.box_head.rest.conv3.conv"),
    (r"Box_Head\.convs\.4", "roi_heads.box_head.rest.conv3.norm"),
    (r"Box_Head\.convs\.6", "roi_heads.box_head.rest.conv4.conv"),
    (r"Box_Head\.convs\.7", "roi_heads.box_head.rest.conv4.norm"),
    (r"Box_Head\.fc", "roi_heads.box_head.rest.fc.linear"),
    (r"Box_Head\.fc1\.(\d)\.0", "roi_heads.box_head.levels.n{k}.fc1.linear"),
    (r"Box_Head\.fc1\.(\d)\.1", "roi_heads.box_head.levels.n{k}.fc1.norm"),
    (r"Box_Head\.fc2\.0", "roi_heads.box_head.rest.fc2.linear"),
    (r"Box_Head\.fc2\.1", "roi_heads.box_head.rest.fc2.norm"),
    (r"Box_Outs\.cls_score", "roi_heads.box_predictor.cls_score"),
    (r"Box_Outs\.bbox_pred", "roi_heads.box_predictor.bbox_pred"),
    (r"Mask_Head\.mask_conv1\.(\d)\.0", "roi_heads.mask_head.levels.n{k}.conv1.conv"),
    (r"Mask_Head\.mask_conv1\.(\d)\.1", "roi_heads.mask_head.levels.n{k}.conv1.norm"),
    (r"Mask_Head\.conv_fcn\.0", "roi_heads.mask_head.rest.in_front.conv2.conv"),
    (r"Mask_Head\.conv_fcn\.1", "roi_heads.mask_head.rest.in_front.conv2.norm"),
    (r"Mask_Head\.conv_fcn\.3", "roi_heads.mask_head.rest.in_front.conv3.conv"),
    (r"Mask_Head\.conv_fcn\.4", "roi_heads.mask_head.rest.in_front.conv3.norm"),
    (r"Mask_Head\.mask_conv4\.0", "roi_heads.mask_head.rest.behind.conv4.conv"),
    (r"Mask_Head\.mask_conv4\.1", "roi_heads.mask_head.rest.behind.conv4.norm"),
    (r"Mask_Head\.mask_conv(\d)_fc\.0", "roi_heads.mask_head.fusion.conv{n}_fc.conv"),
    (r"Mask_Head\.mask_conv(\d)_fc\.1", "roi_heads.mask_head.fusion.conv{n}_fc.norm"),
    (r"Mask_Head\.mask_fc\.0", "roi_heads.mask_head.fusion.fc"),
    (r"Mask_Head\.upconv", "roi_heads.mask_head.rest.upconv"),
    (r"Mask_Outs\.classify", "roi_heads.mask_predictor.classify"),
)
"""Layer there -> here. The group is ``{n}``, or the place of level ``{k}``, fine to coarse."""

STAGE = re.compile(r"Conv_Body\.conv_body\.res(\d)\.(.+)\.(weight|bias)")


def detector_from_official(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of the official code under the names of `official_detector`.

    The first convolution is turned to red, green, blue: the official code reads blue first.

    Args:
        weights: key ``model`` of a checkpoint: of a detector of R-50 with GroupNorm.

    Raises:
        InputError: a weight that it has no place for, or no neck.
    """
    ours = {
        f"{NECK}{name}": tensor
        for name, tensor in from_original(weights, "official", prefix="Conv_Body.").items()
    }
    for name, tensor in weights.items():
        if found := STAGE.fullmatch(name):
            ours |= _of_body(int(found[1]), found[2], found[3], tensor)
        elif not name.startswith("Conv_Body."):
            ours[_renamed(name)] = tensor
    return ours


def _of_body(stage: int, layer: str, kind: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return a weight of the body; with a scale come the statistics that change nothing."""
    prefix = BODY if stage == 1 else f"{BODY}layer{stage - 1}."
    if stage == 1 and layer == "conv1":
        tensor = tensor.flip(1)
    named = {f"{prefix}{layer}.{kind}": tensor}
    if kind == "weight" and tensor.ndim == 1:
        named[f"{prefix}{layer}.running_mean"] = torch.zeros_like(tensor)
        named[f"{prefix}{layer}.running_var"] = torch.ones_like(tensor) - EPS
    return named


def _renamed(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    for theirs, ours in HEADS:
        if found := re.fullmatch(theirs, layer):
            number = int(found[1]) if found.groups() else 0
            return f"{ours.format(n=number, k=LEVELS[0] + number)}.{kind}"
    raise InputError(
        f"{name} is a weight that this detector has not: give those of an R-50 with GroupNorm and "
        "adaptive feature pooling"
    )
