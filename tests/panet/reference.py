"""The article's networks once more, written as one formula per tensor on a plain `state_dict`.

No module, no loop and no level arithmetic is shared with `panet`: what the two agree on was not
copied from one to the other.
"""

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d, relu

Weights = Mapping[str, Tensor]


def cnn(weights: Weights, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image -> c2..c5."""

    def block(number: int, x: Tensor) -> Tensor:
        x = conv2d(
            x, weights[f"cnn.conv{number}.weight"], weights[f"cnn.conv{number}.bias"], padding=1
        )
        return max_pool2d(relu(x), kernel_size=3, stride=2, padding=1)

    c2 = block(2, block(1, image))
    c3 = block(3, c2)
    c4 = block(4, c3)
    return c2, c3, c4, block(5, c4)


def fpn(weights: Weights, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, ...]:
    """c2..c5 -> p2..p5, with the article's fixed factor of 2."""

    def lateral(level: int, c: Tensor) -> Tensor:
        name = f"fpn.lateral_c{level}"
        return conv2d(c, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def smooth(level: int, m: Tensor) -> Tensor:
        name = f"fpn.smooth_m{level}"
        return conv2d(m, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    m5 = lateral(5, c5)
    m4 = interpolate(m5, scale_factor=2.0, mode="nearest") + lateral(4, c4)
    m3 = interpolate(m4, scale_factor=2.0, mode="nearest") + lateral(3, c3)
    m2 = interpolate(m3, scale_factor=2.0, mode="nearest") + lateral(2, c2)
    return smooth(2, m2), smooth(3, m3), smooth(4, m4), m5


def panet(weights: Weights, p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor) -> tuple[Tensor, ...]:
    """p2..p5 -> n2..n5."""

    def step(name: str, x: Tensor, stride: int) -> Tensor:
        weight, bias = weights[f"panet.{name}.weight"], weights[f"panet.{name}.bias"]
        return relu(conv2d(x, weight, bias, stride=stride, padding=1))

    n3 = step("conv_n2down_p3", step("downsample_n2", p2, 2) + p3, 1)
    n4 = step("conv_n3down_p4", step("downsample_n3", n3, 2) + p4, 1)
    n5 = step("conv_n4down_p5", step("downsample_n4", n4, 2) + p5, 1)
    return p2, n3, n4, n5
