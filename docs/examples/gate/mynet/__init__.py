"""A small detector's trunk: the package whose speed is watched."""

from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions beside a shortcut.

    Args:
        channels: of what it takes and gives.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Take and give maps of one shape."""
        return self.act(x + self.second(self.act(self.first(x))))


class Trunk(nn.Module):
    """An image -> its map at an eighth of the resolution.

    Args:
        channels: of the map.
        blocks: behind the stem.
    """

    def __init__(self, channels: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 8, stride=8)
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(blocks)))

    def forward(self, image: Tensor) -> Tensor:
        """Take an image; return its map."""
        x: Tensor = self.blocks(self.stem(image))
        return x
