"""The authors' detector: names and shapes of its weights, and its heads as formulas on them.

Read in ShuLiu1993/PANet `f055f71`, `lib/modeling`, for ``e2e_panet_R-50-FPN_2x_mask``. Nothing is
shared with `panet.heads.convert`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, group_norm, linear, relu

Weights = Mapping[str, Tensor]
Shape = tuple[int, ...]


class _Names(dict[str, Shape]):
    """Names and shapes, layer by layer."""

    def conv(self, name: str, out: int, into: int, side: int = 3, *, bias: bool = False) -> None:
        self[f"{name}.weight"] = (out, into, side, side)
        if bias:
            self[f"{name}.bias"] = (out,)

    def norm(self, name: str, out: int) -> None:
        self.update({f"{name}.weight": (out,), f"{name}.bias": (out,)})

    def linear(self, name: str, out: int, into: int) -> None:
        self.update({f"{name}.weight": (out, into), f"{name}.bias": (out,)})

    def conv_gn(self, name: str, out: int, into: int, side: int = 3, *, bias: bool = False) -> None:
        self.conv(f"{name}.0", out, into, side, bias=bias)
        self.norm(f"{name}.1", out)


def shapes(channels: int = 256, classes: int = 81) -> dict[str, Shape]:
    """Return every name of the checkpoint's ``model``, with its shape."""
    found = _Names()
    _body(found, "Conv_Body.conv_body")
    _neck(found, "Conv_Body", channels)
    found.conv("RPN.FPN_RPN_conv", channels, channels, bias=True)
    found.conv("RPN.FPN_RPN_cls_score", 3, channels, 1, bias=True)
    found.conv("RPN.FPN_RPN_bbox_pred", 12, channels, 1, bias=True)
    _heads(found, channels)
    found.linear("Box_Outs.cls_score", classes, 1024)
    found.linear("Box_Outs.bbox_pred", 4 * classes, 1024)
    found.conv("Mask_Outs.classify", classes, channels, 1, bias=True)
    return found


def _body(found: _Names, body: str) -> None:
    found.conv(f"{body}.res1.conv1", 64, 3, 7)
    found.norm(f"{body}.res1.bn1", 64)
    before = 64
    for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
        inner = 64 * 2 ** (stage - 2)
        for block in range(blocks):
            at = f"{body}.res{stage}.{block}"
            layers = ((inner, before, 1), (inner, inner, 3), (4 * inner, inner, 1))
            for number, (out, into, side) in enumerate(layers, start=1):
                found.conv(f"{at}.conv{number}", out, into, side)
                found.norm(f"{at}.bn{number}", out)
            if block == 0:
                found.conv(f"{at}.downsample.0", 4 * inner, before, 1)
                found.norm(f"{at}.downsample.1", 4 * inner)
            before = 4 * inner


def _neck(found: _Names, neck: str, c: int) -> None:
    found.conv_gn(f"{neck}.conv_top", c, 2048, 1)
    for place, width in enumerate((1024, 512, 256)):
        found.conv_gn(f"{neck}.topdown_lateral_modules.{place}.conv_lateral", c, width, 1)
    for place in range(4):
        found.conv_gn(f"{neck}.posthoc_modules.{place}", c, c)
    for place in range(3):
        found.conv_gn(f"{neck}.panet_buttomup_conv1_modules.{place}", c, c, bias=True)
        found.conv_gn(f"{neck}.panet_buttomup_conv2_modules.{place}", c, c, bias=True)


def _heads(found: _Names, c: int) -> None:
    for place in range(4):
        found.conv_gn(f"Box_Head.conv1_head.{place}", c, c)
        found.conv_gn(f"Mask_Head.mask_conv1.{place}", c, c)
    for head, layers in (("Box_Head.convs", 3), ("Mask_Head.conv_fcn", 2)):
        for place in range(layers):  # convolution, norm and ReLU count
            found.conv(f"{head}.{3 * place}", c, c)
            found.norm(f"{head}.{3 * place + 1}", c)
    found.linear("Box_Head.fc", 1024, c * 49)
    found.conv_gn("Mask_Head.mask_conv4", c, c)
    found.conv_gn("Mask_Head.mask_conv4_fc", c, c)
    found.conv_gn("Mask_Head.mask_conv5_fc", c // 2, c)
    found.linear("Mask_Head.mask_fc.0", 28 * 28, c // 2 * 14 * 14)
    found.conv("Mask_Head.upconv", c, c, 2, bias=True)


def _conv_gn(weights: Weights, conv: str, norm: str, x: Tensor) -> Tensor:
    x = conv2d(x, weights[f"{conv}.weight"], padding=1)
    return relu(group_norm(x, 32, weights[f"{norm}.weight"], weights[f"{norm}.bias"], eps=1e-5))


def _of_levels(weights: Weights, name: str, grids: Sequence[Tensor]) -> Tensor:
    first = [
        _conv_gn(weights, f"{name}.{place}.0", f"{name}.{place}.1", x)
        for place, x in enumerate(grids)
    ]
    for x in first[1:]:
        first[0] = torch.max(first[0], x)
    return first[0]


def box(weights: Weights, grids: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """``roi_Xconv1fc_gn_head_panet`` and ``fast_rcnn_outputs``, in training."""
    x = _of_levels(weights, "Box_Head.conv1_head", grids)
    for place in (0, 3, 6):
        x = _conv_gn(weights, f"Box_Head.convs.{place}", f"Box_Head.convs.{place + 1}", x)
    x = relu(linear(x.view(len(x), -1), weights["Box_Head.fc.weight"], weights["Box_Head.fc.bias"]))
    return (
        linear(x, weights["Box_Outs.cls_score.weight"], weights["Box_Outs.cls_score.bias"]),
        linear(x, weights["Box_Outs.bbox_pred.weight"], weights["Box_Outs.bbox_pred.bias"]),
    )


def mask(weights: Weights, grids: Sequence[Tensor]) -> Tensor:
    """``mask_rcnn_fcn_head_v1upXconvs_gn_adp_ff`` and ``mask_rcnn_outputs``, in training."""
    x = _of_levels(weights, "Mask_Head.mask_conv1", grids)
    for place in (0, 3):
        x = _conv_gn(weights, f"Mask_Head.conv_fcn.{place}", f"Mask_Head.conv_fcn.{place + 1}", x)
    fcn = _conv_gn(weights, "Mask_Head.mask_conv4.0", "Mask_Head.mask_conv4.1", x)
    fcn = relu(
        conv_transpose2d(
            fcn, weights["Mask_Head.upconv.weight"], weights["Mask_Head.upconv.bias"], stride=2
        )
    )
    ff = _conv_gn(weights, "Mask_Head.mask_conv4_fc.0", "Mask_Head.mask_conv4_fc.1", x)
    ff = _conv_gn(weights, "Mask_Head.mask_conv5_fc.0", "Mask_Head.mask_conv5_fc.1", ff)
    ff = relu(
        linear(
            ff.view(len(ff), -1),
            weights["Mask_Head.mask_fc.0.weight"],
            weights["Mask_Head.mask_fc.0.bias"],
        )
    )
    logits = conv2d(fcn, weights["Mask_Outs.classify.weight"], weights["Mask_Outs.classify.bias"])
    return logits + ff.view(-1, 1, 28, 28).repeat(1, logits.shape[1], 1, 1)
