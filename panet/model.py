"""Backbone and neck in a single pass: image -> n2..n5 (or p2..p5)."""

from typing import Literal, get_args

from torch import Tensor, nn

from panet.backbone import build_backbone
from panet.errors import InputError
from panet.fpn import FPN
from panet.levels import ARTICLE_LEVELS
from panet.panet import PANet

Neck = Literal["panet", "fpn"]


class BackboneNeck(nn.Module):
    """The article's network; with ``neck="fpn"`` the same without the bottom-up path.

    With one seed, backbone and FPN get the same weights for either neck: they are drawn first.

    Args:
        backbone: ``"cnn"`` (the article's), the name of a timm backbone, or a module that maps an
            image to a pyramid and tells its channels as ``out_channels``, and as ``finest_level``
            the ``k`` of the finest map where that is not 2.
        neck: ``"panet"`` (FPN and bottom-up path) or ``"fpn"``.
        out_channels: channels of every output.
        pretrained: load timm's weights of the backbone.

    Raises:
        InputError: an unknown neck or backbone, or a backbone without the right strides.
    """

    def __init__(
        self,
        backbone: str | nn.Module = "cnn",
        neck: Neck = "panet",
        out_channels: int = 256,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if neck not in get_args(Neck):
            raise InputError(f"unknown neck {neck!r}; choose one of {', '.join(get_args(Neck))}")
        body = build_backbone(backbone, pretrained) if isinstance(backbone, str) else backbone
        in_channels = getattr(body, "out_channels", None)
        if not isinstance(in_channels, tuple):
            raise InputError(
                f"backbone {type(body).__name__} has no out_channels; "
                "give it a tuple of channels, fine to coarse"
            )
        self.cnn = body  # the article's name, whatever the backbone is
        finest = int(getattr(body, "finest_level", ARTICLE_LEVELS[0]))
        self.fpn = FPN(in_channels, out_channels, finest)
        self.panet = PANet(out_channels, len(in_channels), finest) if neck == "panet" else None

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take ``(N, 3, H, W)``, sides of 32 px or more; return n2..n5 (``neck="fpn"``: p2..p5).

        Each output is ``(N, out_channels, H/2**k, W/2**k)``, fine to coarse.

        Raises:
            InputError: not an RGB batch, or too small.
        """
        p: tuple[Tensor, ...] = self.fpn(*self.cnn(image))
        if self.panet is None:
            return p
        n: tuple[Tensor, ...] = self.panet(*p)
        return n
