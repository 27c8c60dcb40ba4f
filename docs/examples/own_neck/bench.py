"""What is measured: a neck on the maps of the article's backbone, made once per side."""

import torch
from neck import Neck
from torch import Tensor, nn

from panet import CNN


def make(batch: int, height: int, width: int) -> tuple[nn.Module, list[Tensor]]:
    """Return the neck, and the maps that it is called with."""
    with torch.inference_mode():
        maps = CNN()(torch.randn(batch, 3, height, width))
    return Neck([x.shape[1] for x in maps]), [x.clone() for x in maps]
