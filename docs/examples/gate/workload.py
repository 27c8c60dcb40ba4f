"""What is measured: `make` is called for every case, and once for each revision."""

import torch
from mynet import Trunk
from torch import Tensor, nn


def make(batch: int, height: int, width: int) -> tuple[nn.Module, list[Tensor]]:
    """Return the network, and what it is called with."""
    return Trunk(), [torch.randn(batch, 3, height, width)]
