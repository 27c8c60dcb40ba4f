"""The paper's heads once more, one formula per tensor on a plain `state_dict`.

Nothing is shared with `panet.heads`, as in `tests.panet.reference`: RoIAlign is a loop over boxes,
bins and samples, every layer a function of `torch.nn.functional`.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, group_norm, linear, relu

Weights = Mapping[str, Tensor]


def roi_align(x: Tensor, boxes: Tensor, side: int, stride: int) -> Tensor:
    """Average of 2x2 bilinear samples in each of side x side bins (Mask R-CNN, section 3)."""
    grids = x.new_zeros(len(boxes), x.shape[1], side, side)
    for number, (image, left, top, right, bottom) in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (edge / stride for edge in (left, top, right, bottom))
        bin_width, bin_height = max(x2 - x1, 1.0) / side, max(y2 - y1, 1.0) / side
        for row, column in itertools.product(range(side), repeat=2):
            for down, right_of in itertools.product((0.25, 0.75), repeat=2):
                at_y, at_x = y1 + (row + down) * bin_height, x1 + (column + right_of) * bin_width
                grids[number, :, row, column] += _bilinear(x[int(image)], at_y, at_x) / 4
    return grids


def _bilinear(x: Tensor, y: float, x_: float) -> Tensor:
    height, width = x.shape[-2:]
    if not (-1 <= y <= height and -1 <= x_ <= width):
        return x.new_zeros(x.shape[0])
    y, x_ = min(max(y, 0.0), height - 1), min(max(x_, 0.0), width - 1)
    top, left = min(int(y), height - 2), min(int(x_), width - 2)
    y, x_ = y - top, x_ - left
    upper = x[:, top, left] * (1 - x_) + x[:, top, left + 1] * x_
    lower = x[:, top + 1, left] * (1 - x_) + x[:, top + 1, left + 1] * x_
    return upper * (1 - y) + lower * y


def on_all_levels(maps: Sequence[Tensor], boxes: Tensor, side: int) -> list[Tensor]:
    """N2..n5 -> a grid per level."""
    n2, n3, n4, n5 = maps
    return [
        roi_align(n2, boxes, side, 4),
        roi_align(n3, boxes, side, 8),
        roi_align(n4, boxes, side, 16),
        roi_align(n5, boxes, side, 32),
    ]


def on_one_level(maps: Sequence[Tensor], boxes: Tensor, side: int) -> Tensor:
    """N2..n5 -> the grid of the level that FPN's equation 1 says."""
    grids = []
    for box in boxes:
        _, x1, y1, x2, y2 = box.tolist()
        k = math.floor(4 + math.log2(math.sqrt((x2 - x1) * (y2 - y1)) / 224) + 1e-6)
        k = min(max(k, 2), 5)
        grids.append(roi_align(maps[k - 2], box[None], side, 2**k))
    return torch.cat(grids)


def _fc(weights: Weights, name: str, x: Tensor) -> Tensor:
    x = linear(x.flatten(1), weights[f"{name}.linear.weight"], weights[f"{name}.linear.bias"])
    return relu(_normed(weights, name, x))


def _conv(weights: Weights, name: str, x: Tensor) -> Tensor:
    x = conv2d(x, weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), padding=1)
    return relu(_normed(weights, name, x))


def _normed(weights: Weights, name: str, x: Tensor) -> Tensor:
    if f"{name}.norm.weight" not in weights:
        return x
    return group_norm(x, 32, weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"])


def two_layers(weights: Weights, g2: Tensor, g3: Tensor, g4: Tensor, g5: Tensor) -> Tensor:
    """Of table 4 ``fc1fu.fc2`` with the maximum."""
    first = torch.maximum(
        torch.maximum(_fc(weights, "levels.n2.fc1", g2), _fc(weights, "levels.n3.fc1", g3)),
        torch.maximum(_fc(weights, "levels.n4.fc1", g4), _fc(weights, "levels.n5.fc1", g5)),
    )
    return _fc(weights, "rest.fc2", first)


def two_layers_of_one_grid(weights: Weights, grid: Tensor, level: str = "any") -> Tensor:
    """Mask R-CNN's head with FPN."""
    return _fc(weights, "rest.fc2", _fc(weights, f"levels.{level}.fc1", grid))


def two_layers_of_fused(weights: Weights, g2: Tensor, g3: Tensor, g4: Tensor, g5: Tensor) -> Tensor:
    """Of table 4 ``fu.fc1fc2`` with the sum."""
    return _fc(weights, "rest.fc2", _fc(weights, "rest.fc1", g2 + g3 + g4 + g5))


def convolutions(weights: Weights, g2: Tensor, g3: Tensor, g4: Tensor, g5: Tensor) -> Tensor:
    """The heavier head."""
    x = torch.stack(
        [
            _conv(weights, "levels.n2.conv1", g2),
            _conv(weights, "levels.n3.conv1", g3),
            _conv(weights, "levels.n4.conv1", g4),
            _conv(weights, "levels.n5.conv1", g5),
        ]
    ).amax(0)
    x = _conv(weights, "rest.conv2", x)
    x = _conv(weights, "rest.conv3", x)
    return _fc(weights, "rest.fc", _conv(weights, "rest.conv4", x))


def mask(
    weights: Weights, outputs: Weights, g2: Tensor, g3: Tensor, g4: Tensor, g5: Tensor
) -> Tensor:
    """Mask branch with a fusion from conv3, whose logits are added."""
    conv1 = [_conv(weights, f"levels.n{k}.conv1", g) for k, g in enumerate((g2, g3, g4, g5), 2)]
    conv2 = _conv(weights, "rest.in_front.conv2", torch.stack(conv1).amax(0))
    conv3 = _conv(weights, "rest.in_front.conv3", conv2)
    conv4 = _conv(weights, "rest.behind.conv4", conv3)
    upsampled = relu(
        conv_transpose2d(
            conv4, weights["rest.upconv.weight"], weights["rest.upconv.bias"], stride=2
        )
    )
    logits = conv2d(upsampled, outputs["classify.weight"], outputs["classify.bias"])
    conv5_fc = _conv(weights, "fusion.conv5_fc", _conv(weights, "fusion.conv4_fc", conv3))
    foreground = linear(conv5_fc.flatten(1), weights["fusion.fc.weight"], weights["fusion.fc.bias"])
    side = logits.shape[-1]
    return logits + foreground.view(-1, 1, side, side)
