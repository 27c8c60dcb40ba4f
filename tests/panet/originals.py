"""The originals' necks, one formula per tensor on a `state_dict` with *their* names.

Nothing is shared with `panet`, as in `tests.panet.reference`. Maps go in and come out fine to
coarse; the official code hands them out the other way round.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, interpolate, max_pool2d, relu

Weights = Mapping[str, Tensor]
CHANNELS = (32, 64, 96, 128)
OUT = 64


def _conv(weights: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias")
    return conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2)


def _conv_gn(weights: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    x = _conv(weights, f"{name}.0", x, stride)
    return group_norm(x, 32, weights[f"{name}.1.weight"], weights[f"{name}.1.bias"], eps=1e-5)


def _twice(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")


def official(weights: Weights, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
    """ShuLiu1993/PANet, `lib/modeling/FPN.py`: with GroupNorm where the weights have one."""
    normed = "conv_top.1.weight" in weights

    def layer(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return (_conv_gn if normed else _conv)(weights, name, x, stride)

    def path(number: int, step: int, x: Tensor, stride: int) -> Tensor:
        x = layer(f"panet_buttomup_conv{number}_modules.{step}", x, stride)
        return relu(x) if normed else x

    inner5 = layer("conv_top", c5)
    inner4 = layer("topdown_lateral_modules.0.conv_lateral", c4) + _twice(inner5)
    inner3 = layer("topdown_lateral_modules.1.conv_lateral", c3) + _twice(inner4)
    inner2 = layer("topdown_lateral_modules.2.conv_lateral", c2) + _twice(inner3)
    p5 = layer("posthoc_modules.0", inner5)
    p4 = layer("posthoc_modules.1", inner4)
    p3 = layer("posthoc_modules.2", inner3)
    p2 = layer("posthoc_modules.3", inner2)
    n3 = path(2, 0, path(1, 0, p2, 2) + p3, 1)
    n4 = path(2, 1, path(1, 1, n3, 2) + p4, 1)
    n5 = path(2, 2, path(1, 2, n4, 2) + p5, 1)
    return [p2, n3, n4, n5, max_pool2d(n5, kernel_size=1, stride=2)]


def mmdetection(weights: Weights, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
    """Mmdet 3.3.0, `models/necks/pafpn.py`, with five outputs."""

    def layer(kind: str, index: int, x: Tensor, stride: int = 1) -> Tensor:
        return _conv(weights, f"{kind}_convs.{index}.conv", x, stride)

    lateral5 = layer("lateral", 3, c5)
    lateral4 = layer("lateral", 2, c4)
    lateral4 = lateral4 + interpolate(lateral5, size=lateral4.shape[2:], mode="nearest")
    lateral3 = layer("lateral", 1, c3)
    lateral3 = lateral3 + interpolate(lateral4, size=lateral3.shape[2:], mode="nearest")
    lateral2 = layer("lateral", 0, c2)
    lateral2 = lateral2 + interpolate(lateral3, size=lateral2.shape[2:], mode="nearest")
    inter2 = layer("fpn", 0, lateral2)
    inter3 = layer("fpn", 1, lateral3) + layer("downsample", 0, inter2, 2)
    inter4 = layer("fpn", 2, lateral4) + layer("downsample", 1, inter3, 2)
    inter5 = layer("fpn", 3, lateral5) + layer("downsample", 2, inter4, 2)
    out5 = layer("pafpn", 2, inter5)
    pooled = max_pool2d(out5, 1, stride=2)
    return [inter2, layer("pafpn", 0, inter3), layer("pafpn", 1, inter4), out5, pooled]


def detectron2(weights: Weights, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
    """detectron2, `modeling/backbone/fpn.py`; no bottom-up path, and no p6."""
    m5 = _conv(weights, "fpn_lateral5", c5)
    m4 = _conv(weights, "fpn_lateral4", c4) + _twice(m5)
    m3 = _conv(weights, "fpn_lateral3", c3) + _twice(m4)
    m2 = _conv(weights, "fpn_lateral2", c2) + _twice(m3)
    return [_conv(weights, f"fpn_output{k}", m) for k, m in ((2, m2), (3, m3), (4, m4), (5, m5))]


def drawn(original: str, *, normed: bool = False) -> dict[str, Tensor]:
    """Return weights of an original, under its names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, channels in enumerate(CHANNELS):
        lateral = {
            "official": "conv_top"
            if index == 3
            else f"topdown_lateral_modules.{2 - index}.conv_lateral",
            "mmdetection": f"lateral_convs.{index}.conv",
            "detectron2": f"fpn_lateral{index + 2}",
        }[original]
        smooth = {
            "official": f"posthoc_modules.{3 - index}",
            "mmdetection": f"fpn_convs.{index}.conv",
            "detectron2": f"fpn_output{index + 2}",
        }[original]
        shapes |= {lateral: (OUT, channels, 1, 1), smooth: (OUT, OUT, 3, 3)}
    path = {
        "official": ("panet_buttomup_conv1_modules.{}", "panet_buttomup_conv2_modules.{}"),
        "mmdetection": ("downsample_convs.{}.conv", "pafpn_convs.{}.conv"),
        "detectron2": (),
    }[original]
    shapes |= {name.format(step): (OUT, OUT, 3, 3) for name in path for step in range(3)}
    generator = torch.Generator().manual_seed(7)
    weights = {}
    for name, shape in shapes.items():
        layer = f"{name}.0" if normed else name
        fan_in = shape[1] * shape[2] * shape[3]
        weights[f"{layer}.weight"] = torch.randn(shape, generator=generator) / fan_in**0.5
        if not normed or "panet" in name:
            weights[f"{layer}.bias"] = torch.randn(OUT, generator=generator)
        if normed:
            weights[f"{name}.1.weight"] = 1 + torch.rand(OUT, generator=generator)
            weights[f"{name}.1.bias"] = torch.randn(OUT, generator=generator)
    return weights
