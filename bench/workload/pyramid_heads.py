"""The scope ``heads``: branches on the maps of a pyramid, for boxes that are drawn before.

No proposals are made and none is suppressed, so every shape is fixed: what is measured is what the
paper's parts (c) to (e) cost on the boxes that reach them.
"""

import importlib
import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

WHOLE = "fusion"
"""What the arm ``panet`` has, of `panet.heads.PARTS`: all but the heavier head, which the paper
adds last."""

BASE = "one_level"
"""What the arm ``fpn`` has: Mask R-CNN's heads."""

MOST_MASKS = 100
"""Per image: of so many detections masks are wanted (test configuration of the official code)."""

SMALLEST_PX = 16.0
"""Side of the smallest box; one on n2 has 4 pixels of it there."""

LARGEST_RATIO = 2.0
"""Of a box's sides."""


class PyramidHeads(nn.Module):
    """Both branches, called with everything in one row: the maps, then the boxes of each branch.

    Args:
        code: the package that the branches are taken from.
        name: of its ``heads.PARTS``.
        channels: of the maps.
        levels: of the maps, fine to coarse.
    """

    def __init__(self, code: ModuleType, name: str, channels: int, levels: tuple[int, ...]) -> None:
        super().__init__()
        branches: Any = importlib.import_module(f"{code.__name__}.heads.branches")
        heads = branches.Heads(branches.find_parts(name), channels, levels=levels)
        self.box_branch = heads.box
        self.mask_branch = heads.mask
        self._made_of = (code.__name__, channels, levels)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Take maps, boxes and mask boxes; return logits, deltas and masks (`panet.heads`)."""
        *maps, boxes, mask_boxes = inputs
        scores, deltas = self.box_branch(maps, boxes)
        return scores, deltas, self.mask_branch(maps, mask_boxes)

    def without_parts(self) -> "PyramidHeads":
        """Return Mask R-CNN's heads with these weights: of layers per level the finest one's."""
        code, channels, levels = self._made_of
        plain = PyramidHeads(importlib.import_module(code), BASE, channels, levels)
        finest = f".levels.n{levels[0]}."
        own = {name.replace(finest, ".levels.any."): w for name, w in self.state_dict().items()}
        plain.load_state_dict({name: own[name] for name in plain.state_dict()})
        return plain


def build(code: ModuleType, inputs: tuple[Tensor, ...], finest: int, name: str) -> PyramidHeads:
    """Return the heads for these inputs.

    Args:
        code: the package that they are taken from.
        inputs: maps, boxes, mask boxes.
        finest: the ``k`` of the first map.
        name: of `panet.heads.PARTS`; empty: `WHOLE`.
    """
    levels = tuple(range(finest, finest + len(inputs) - 2))
    return PyramidHeads(code, name or WHOLE, inputs[0].shape[1], levels)


def draw_boxes(
    batch_size: int, height_px: int, width_px: int, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return boxes for every image, and those of the mask branch, which are among them.

    Sides are spread evenly over their logarithm, from `SMALLEST_PX` to the image's, so that FPN's
    rule spreads the boxes over all levels that the image is large enough for.

    Args:
        batch_size: number of images.
        height_px: of the images.
        width_px: of the images.
        count: boxes per image.
        seed: of the drawing.

    Returns:
        ``(N * count, 5)`` and ``(N * min(count, 100), 5)``: place of the image, x1, y1, x2, y2.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.arange(batch_size).repeat_interleave(count)
    of_side, of_ratio, of_left, of_top = torch.rand(4, len(images), generator=generator)
    smallest, largest = math.log(SMALLEST_PX), math.log(height_px * width_px) / 2
    log_side = smallest + of_side * (largest - smallest)
    log_ratio = (of_ratio - 0.5) * math.log(LARGEST_RATIO)
    width = torch.exp(log_side + log_ratio).clamp(max=width_px)
    height = torch.exp(log_side - log_ratio).clamp(max=height_px)
    left, top = of_left * (width_px - width), of_top * (height_px - height)
    boxes = torch.stack((images.float(), left, top, left + width, top + height), dim=1)
    masks = boxes.view(batch_size, count, 5)[:, :MOST_MASKS].flatten(0, 1)
    return boxes, masks.contiguous()


def spread(boxes: Tensor, levels: tuple[int, ...]) -> str:
    """Return how FPN's rule spreads boxes, such as ``n2 310, n3 208``."""
    from panet.heads.pooling import levels_of  # torchvision, which no other scope needs

    of = levels_of(boxes, levels).tolist()
    return ", ".join(f"n{k} {of.count(k)}" for k in levels)
