"""RoIAlign: the values of a map inside boxes, as grids of one size.

Source: He et al., "Mask R-CNN", section 3; the values are those of torchvision's `roi_align` with
`aligned=False`. On a CPU that runs in one thread and copies channels-last maps first. There a bin
is a sum of weighted rows of the map, a row being all channels of a cell: `embedding_bag`, which has
all threads and reads memory in its order.
"""

import torch
from torch import Tensor
from torch.nn import functional

try:
    from torchvision.ops import roi_align as of_torchvision
except ImportError as error:
    raise ImportError("it needs torchvision: pip install 'panet-bench[backbones]'") from error

CORNERS = 2
"""Cells per axis that a point lies between."""


def roi_align(x: Tensor, boxes: Tensor, side: int, scale: float, sampling_ratio: int) -> Tensor:
    """Sample every box on a map; every bin is the mean of its points, bilinear between cells.

    Args:
        x: ``(N, C, H, W)``.
        boxes: ``(K, 5)``: place of the image in the batch, and x1, y1, x2, y2 in its pixels.
        side: of the grids, in bins.
        scale: cells of the map per pixel.
        sampling_ratio: points per side of every bin.

    Returns:
        ``(K, C, side, side)``; on a CPU channels-last, as it comes.
    """
    if x.device.type == "cpu":
        return _sums_of_rows(x, boxes, side, scale, sampling_ratio)
    grids: Tensor = of_torchvision(x, boxes, side, scale, sampling_ratio)
    return grids


def _sums_of_rows(x: Tensor, boxes: Tensor, side: int, scale: float, ratio: int) -> Tensor:
    channels, height, width = x.shape[1:]
    first, x1, y1, x2, y2 = boxes.unbind(dim=1)
    columns, of_columns = _between(x1 * scale, x2 * scale, side, ratio, width)
    lines, of_lines = _between(y1 * scale, y2 * scale, side, ratio, height)
    cells = lines[:, :, None, :, None] * width + columns[:, None, :, None, :]
    cells = cells + (first.long() * (height * width)).view(-1, 1, 1, 1, 1)
    weights = of_lines[:, :, None, :, None] * of_columns[:, None, :, None, :]
    per_bin = (ratio * CORNERS) ** 2
    bins = functional.embedding_bag(
        cells.reshape(-1, per_bin),
        x.permute(0, 2, 3, 1).reshape(-1, channels).contiguous(),
        mode="sum",
        per_sample_weights=weights.reshape(-1, per_bin).to(x.dtype),
    )
    return bins.view(-1, side, side, channels).permute(0, 3, 1, 2)


def _between(start: Tensor, end: Tensor, side: int, ratio: int, size: int) -> tuple[Tensor, Tensor]:
    """Return which cells of an axis the points of every bin lie between, and the shares of each.

    Args:
        start: of every box, in cells.
        end: of every box; a box is a cell long at least.
        side: bins per box.
        ratio: points per bin.
        size: of the axis, in cells.

    Returns:
        Twice ``(K, side, 2 * ratio)``; the shares of a bin add up to 1, but for points outside.
    """
    steps = (torch.arange(side * ratio, dtype=start.dtype, device=start.device) + 0.5) / ratio
    points = start[:, None] + steps * ((end - start).clamp(min=1.0) / side)[:, None]
    inside = (points >= -1.0) & (points <= size)
    points = points.clamp(0, size - 1)
    low = points.floor()
    towards_high = points - low
    cells = torch.stack((low, (low + 1).clamp(max=size - 1)), dim=-1).long()
    shares = torch.stack((1 - towards_high, towards_high), dim=-1) * inside[..., None] / ratio
    return cells.view(-1, side, CORNERS * ratio), shares.view(-1, side, CORNERS * ratio)
