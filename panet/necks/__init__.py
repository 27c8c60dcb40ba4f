"""The necks that people choose between, in one table.

>>> import torch
>>> from panet.necks import NECKS
>>> neck = NECKS["panet"].build((512, 1024, 2048), 256, 3)
>>> p3, p4, p5 = neck(*(torch.randn(1, c, s, s) for c, s in ((512, 28), (1024, 14), (2048, 7))))

Every neck takes maps fine to coarse, each half the size of the one before (rounded up or down), and
returns as many of ``out_channels`` and the same sizes. It tells its ``in_channels`` (a tuple),
``out_channels``, ``levels``, and its ``stages()``: the layers behind each level. Wrong channels and
wrong maps raise `panet.InputError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from panet.fpn import FPN
from panet.neck import build_neck
from panet.necks.bifpn import BiFPN
from panet.necks.ccfm import CCFM
from panet.necks.concat_pan import ConcatPAN
from panet.necks.nas_fpn import NASFPN


class Builder(Protocol):
    """Makes a neck."""

    def __call__(
        self, in_channels: Sequence[int], out_channels: int = 256, finest_level: int = 2, /
    ) -> nn.Module:
        """Return a neck of ``len(in_channels)`` levels, the first of stride ``2**finest_level``."""


@dataclass(frozen=True)
class NeckEntry:
    """A neck, and how its paper uses it."""

    build: Builder
    about: str
    """One line: what flows where."""
    paper: str
    """Authors, title, year."""
    finest_level: int
    """The ``k`` of the paper's finest map, whose stride is ``2**k``."""
    coarsest_level: int
    out_channels: int
    """The paper's width."""
    level_count: int | None = None
    """The only number of levels that it can have; `None`: two or more."""

    @property
    def levels(self) -> tuple[int, ...]:
        """The paper's levels, fine to coarse."""
        return tuple(range(self.finest_level, self.coarsest_level + 1))


def _article(
    in_channels: Sequence[int], out_channels: int = 256, finest_level: int = 2
) -> nn.Module:
    return build_neck(in_channels, "article", out_channels, finest_level)


NECKS = {
    "fpn": NeckEntry(
        FPN,
        "top-down sums, as in the article",
        "Lin et al., Feature Pyramid Networks for Object Detection, 2017",
        *(2, 5, 256),
    ),
    "panet": NeckEntry(
        _article,
        "FPN, then a bottom-up path of sums",
        "Liu et al., Path Aggregation Network for Instance Segmentation, 2018",
        *(2, 5, 256),
    ),
    "bifpn": NeckEntry(
        BiFPN,
        "weighted sums of separable convolutions, down and up three times",
        "Tan et al., EfficientDet: Scalable and Efficient Object Detection, 2020",
        *(3, 7, 64),
    ),
    "concat_pan": NeckEntry(
        ConcatPAN,
        "concatenations and CSP blocks, down and up, as in YOLOX",
        "Ge et al., YOLOX: Exceeding YOLO Series in 2021, 2021",
        *(3, 5, 256),
    ),
    "ccfm": NeckEntry(
        CCFM,
        "concatenations and rep blocks, down and up, as in RT-DETR",
        "Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, 2024",
        *(3, 5, 256),
    ),
    "nas_fpn": NeckEntry(
        NASFPN,
        "sums and global pooling in an order found by search, seven times",
        "Ghiasi et al., NAS-FPN: Learning Scalable Feature Pyramid Architecture for Object "
        "Detection, 2019",
        *(3, 7, 256),
        level_count=5,
    ),
}
"""Name -> neck."""
