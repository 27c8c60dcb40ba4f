"""AIFI, the attention within the coarsest level of RT-DETR's hybrid encoder.

Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", section 4.2; sizes of the
authors' code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from panet.errors import InputError

HEADS = 8
EXPANSION = 4
"""Channels between the two linear layers, over those of the map."""
TEMPERATURE = 10_000.0


class AIFI(nn.Module):
    """One encoder layer of a transformer over all pixels: attention, then two linear layers.

    Args:
        channels: of the map.

    Raises:
        InputError: channels that the heads cannot share.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % HEADS:
            raise InputError(f"AIFI of {channels} channels: give a multiple of its {HEADS} heads")
        self.attention = nn.MultiheadAttention(channels, HEADS, batch_first=True)
        self.norm1 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, EXPANSION * channels)
        self.linear2 = nn.Linear(EXPANSION * channels, channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return ``(N, channels, H, W)``."""
        pixels = x.flatten(2).transpose(1, 2)
        placed = pixels + positions(x)
        attended, _ = self.attention(placed, placed, pixels, need_weights=False)
        pixels = self.norm1(pixels + attended)
        hidden = functional.gelu(self.linear1(pixels))
        pixels = self.norm2(pixels + self.linear2(hidden))
        last = x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        maps: Tensor = pixels.transpose(1, 2).reshape(x.shape)
        return maps.contiguous(memory_format=layout)


def positions(x: Tensor) -> Tensor:
    """Return the embedding of the pixels of ``(N, C, H, W)``: ``(H * W, C)``.

    A quarter of the channels each: sine and cosine of the row, sine and cosine of the column.
    """
    height, width = x.shape[-2:]
    quarter = x.shape[1] // 4
    steps = torch.arange(quarter, device=x.device, dtype=torch.float64) / quarter
    row, column = (
        torch.arange(side, device=x.device, dtype=torch.float64)[:, None] / TEMPERATURE**steps
        for side in (height, width)
    )
    row = row[:, None].expand(height, width, quarter)
    column = column[None].expand(height, width, quarter)
    waves = torch.cat((row.sin(), row.cos(), column.sin(), column.cos()), dim=-1)
    return waves.flatten(0, 1).to(x.dtype)
