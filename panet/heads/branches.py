"""Both branches on a pyramid: maps and proposals -> classes, boxes, masks; figure 2 (c) to (e).

No region proposals, no losses and no suppression: those are torchvision's detectors'.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from panet.errors import InputError, did_you_mean
from panet.heads import box, mask
from panet.heads.fusion import FullyConnectedFusion
from panet.heads.pooling import LEVELS, AdaptiveFeaturePooling, OneLevelPooling

CLASSES = 81
"""Of COCO, with the background."""


@dataclass(frozen=True)
class Parts:
    """Which of the paper's parts the branches have. Without any: Mask R-CNN's with FPN."""

    pooling: bool = False
    """Adaptive feature pooling (c), in both branches."""
    fusion: bool = False
    """Fully-connected fusion (e)."""
    heavier: bool = False
    """Box branch of four convolutions and one fully-connected layer, with GroupNorm."""
    norm: bool = False
    """GroupNorm everywhere, and the ReLU behind the fusion's layer: the official code's."""


PARTS = {
    "one_level": Parts(),
    "pooling": Parts(pooling=True),
    "fusion": Parts(pooling=True, fusion=True),
    "heavier": Parts(pooling=True, fusion=True, heavier=True),
    "official": Parts(pooling=True, fusion=True, heavier=True, norm=True),
}
"""Name -> parts: table 3 of the paper row by row, and the official code's configuration."""


class Branch(nn.Module):
    """Pooling, head and outputs of one branch.

    Args:
        pool: maps and boxes -> a grid per level.
        head: grids -> features.
        outputs: features -> what is predicted.
    """

    def __init__(self, pool: nn.Module, head: nn.Module, outputs: nn.Module) -> None:
        super().__init__()
        self.pool = pool
        self.head = head
        self.outputs = outputs

    def forward(self, maps: Sequence[Tensor], boxes: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Take maps and boxes as `AdaptiveFeaturePooling` does; return what the outputs do."""
        predicted: Tensor | tuple[Tensor, Tensor] = self.outputs(self.head(self.pool(maps, boxes)))
        return predicted

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers in the order of a call; they are of no single level."""
        fused = ("head.fusion",) if getattr(self.head, "fusion", None) is not None else ()
        return {"": ("pool", "head.levels", "head.rest", *fused, "outputs")}


class Heads(nn.Module):
    """The box branch and the mask branch, each on proposals of its own.

    Args:
        parts: which they have.
        channels: of the maps.
        classes: with the background.
        levels: of the maps, fine to coarse.
    """

    def __init__(
        self,
        parts: Parts,
        channels: int = 256,
        classes: int = CLASSES,
        levels: Sequence[int] = LEVELS,
    ) -> None:
        super().__init__()
        pooling = AdaptiveFeaturePooling if parts.pooling else OneLevelPooling
        self.box = Branch(
            pooling(box.SIDE, levels),
            box_head(parts, channels, levels),
            box.BoxOutputs(box.WIDTH, classes),
        )
        self.mask = Branch(
            pooling(mask.SIDE, levels),
            mask_head(parts, channels, levels),
            mask.MaskOutputs(channels, classes),
        )

    def forward(
        self, maps: Sequence[Tensor], boxes: Tensor, mask_boxes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict for fixed boxes.

        Args:
            maps: one per level, fine to coarse, ``(N, channels, H/2**k, W/2**k)``.
            boxes: ``(K, 5)``: place of the image in the batch, and x1, y1, x2, y2 in its pixels.
            mask_boxes: ``(M, 5)``, those whose masks are wanted.

        Returns:
            Logits ``(K, classes)``, deltas ``(K, 4 * classes)``, masks ``(M, classes, 28, 28)``.

        Raises:
            InputError: see `AdaptiveFeaturePooling`.
        """
        scores, deltas = self.box(maps, boxes)
        return scores, deltas, self.mask(maps, mask_boxes)


def box_head(parts: Parts, channels: int, levels: Sequence[int]) -> box.BoxHead:
    """Return the box head that parts name."""
    kind = box.ConvolutionBoxHead if parts.heavier else box.TwoLayerBoxHead
    norm = parts.norm or parts.heavier
    return kind(channels, levels=levels if parts.pooling else None, norm=norm)


def mask_head(parts: Parts, channels: int, levels: Sequence[int]) -> mask.MaskHead:
    """Return the mask head that parts name."""
    fusion = FullyConnectedFusion(channels, mask.SIDE, norm=parts.norm, relu=parts.norm)
    return mask.MaskHead(
        channels,
        levels=levels if parts.pooling else None,
        norm=parts.norm,
        fusion=fusion if parts.fusion else None,
    )


def find_parts(name: str) -> Parts:
    """Return the entry of `PARTS`; raise `InputError` if there is none."""
    if name not in PARTS:
        hint = did_you_mean(name, PARTS, f"choose one of {', '.join(PARTS)}")
        raise InputError(f"unknown parts {name!r}; {hint}")
    return PARTS[name]
