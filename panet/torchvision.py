"""Our necks in torchvision's detectors: the path on top of their FPN, or a neck in its place.

>>> from torchvision.models.detection import fasterrcnn_resnet50_fpn
>>> from panet.torchvision import with_path
>>> detector = with_path(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None))
>>> list(dict(detector.backbone.named_children()))
['body', 'fpn', 'path', 'extra_blocks']

The detector's own weights keep their names, so its checkpoints load with ``strict=False``: those of
the path are new, and say nothing before they are trained.
"""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from panet.backbone import TimmBackbone
from panet.errors import InputError
from panet.levels import ARTICLE_LEVELS, BackboneLevels
from panet.neck import build_neck
from panet.panet import PANet

try:
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
except ImportError as error:
    raise ImportError("it needs torchvision: pip install 'panet-bench[backbones]'") from error

COARSEST_LEVEL = ARTICLE_LEVELS[1]
"""Of a backbone's maps."""


class DetectorBackbone(nn.Module):
    """What torchvision's detectors call a backbone: image -> body -> FPN -> path -> extra levels.

    Args:
        body: gives an ordered dictionary of maps, fine to coarse.
        fpn: torchvision's `FeaturePyramidNetwork`, or a module that takes the maps, and returns as
            many.
        path: takes the maps of the FPN, and returns as many; none if `None`.
        extra_blocks: of torchvision (`LastLevelMaxPool`, `LastLevelP6P7`); none if `None`.
        out_channels: channels of every output.
    """

    def __init__(
        self,
        body: nn.Module,
        fpn: nn.Module,
        path: nn.Module | None,
        extra_blocks: nn.Module | None,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.body = body
        self.fpn = fpn
        self.path = path
        self.extra_blocks = extra_blocks
        self.out_channels = out_channels
        self.register_load_state_dict_pre_hook(_extra_blocks_have_moved)  # type: ignore[no-untyped-call]  # torch's

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Take ``(N, 3, H, W)``; return its maps by torchvision's names, ``"0"``, ``"1"``, ...

        Raises:
            InputError: the body's maps are no pyramid in which each halves the one before.
        """
        features: dict[str, Tensor] = self.body(image)
        names, c = list(features), list(features.values())
        if isinstance(self.fpn, FeaturePyramidNetwork):
            maps = list(self.fpn(features).values())
        else:
            maps = list(self.fpn(*c))
        if self.path is not None:
            maps = list(self.path(*maps))
        if self.extra_blocks is not None:
            maps, names = self.extra_blocks(maps, c, names)
        return OrderedDict(zip(names, maps, strict=True))


class TimmBody(nn.Module):
    """A timm backbone that returns its maps under torchvision's names.

    Args:
        name: a name of `timm.list_models()`.
        finest_level: the ``k`` of the first map that is returned, whose stride is ``2**k``.
        pretrained: load timm's weights.

    Raises:
        InputError: see `TimmBackbone` and `BackboneLevels`.
    """

    def __init__(self, name: str, finest_level: int = 2, pretrained: bool = False) -> None:
        super().__init__()
        levels = (finest_level, COARSEST_LEVEL)
        self.levels = BackboneLevels(TimmBackbone(name, pretrained), levels)
        self.out_channels = self.levels.out_channels

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Take ``(N, 3, H, W)``; return ``{"0": (N, out_channels[0], H/2**k, W/2**k), ...}``.

        Raises:
            InputError: see `TimmBackbone`.
        """
        return OrderedDict((str(place), c) for place, c in enumerate(self.levels(image)))


def with_path(detector: nn.Module, path: nn.Module | None = None) -> nn.Module:
    """Put a bottom-up path between the FPN of a torchvision detector and its extra levels.

    Args:
        detector: Faster, Mask or Keypoint R-CNN, RetinaNet or FCOS; it is changed.
        path: takes the FPN's maps and returns as many; `panet.PANet` if `None`.

    Returns:
        The detector.

    Raises:
        InputError: it has no FPN of torchvision, or its path already.
    """
    backbone = _with_fpn(detector)
    levels = len(backbone.fpn.inner_blocks)
    if path is None:
        path = PANet(backbone.out_channels, levels, COARSEST_LEVEL + 1 - levels)
    return _rebuilt(detector, backbone.fpn, path)


def with_neck(detector: nn.Module, neck: nn.Module) -> nn.Module:
    """Put a neck of ours in the place of the FPN of a torchvision detector.

    Args:
        detector: see `with_path`; it is changed.
        neck: takes the body's maps, and returns as many, of ``detector.backbone.out_channels``.

    Returns:
        The detector. The weights of its FPN are gone: `panet.convert` can take them along.

    Raises:
        InputError: it has no FPN of torchvision, or its maps have other channels than the neck's.
    """
    backbone = _with_fpn(detector)
    given = tuple(block[0].in_channels for block in backbone.fpn.inner_blocks)
    for what, theirs in (("in_channels", given), ("out_channels", backbone.out_channels)):
        ours = getattr(neck, what, theirs)
        if ours != theirs:
            raise InputError(f"the neck has {what}={ours}, and the detector {theirs}; build it so")
    return _rebuilt(detector, neck, None)


def timm_backbone(
    name: str,
    neck: nn.Module | None = None,
    finest_level: int = 2,
    extra_blocks: nn.Module | None = None,
    *,
    pretrained: bool = False,
) -> DetectorBackbone:
    """Return a timm backbone and a neck of ours, for ``FasterRCNN(backbone, num_classes)``.

    Args:
        name: a name of `timm.list_models()`.
        neck: takes the maps and returns as many, and tells its ``out_channels``; FPN + PANet as
            `build_neck` has it for ``"torchvision"``, of 256 channels, if `None`.
        finest_level: the ``k`` of the first map, whose stride is ``2**k``; RetinaNet and FCOS of
            torchvision begin with 3.
        extra_blocks: see `DetectorBackbone`; `LastLevelMaxPool` if `None`.
        pretrained: load timm's weights.

    Raises:
        InputError: see `TimmBody`.
    """
    body = TimmBody(name, finest_level, pretrained)
    if neck is None:
        neck = build_neck(body.out_channels, "torchvision", finest_level=finest_level)
    extra_blocks = LastLevelMaxPool() if extra_blocks is None else extra_blocks
    channels: Any = neck.out_channels
    return DetectorBackbone(body, neck, None, extra_blocks, channels)


def _with_fpn(detector: nn.Module) -> Any:  # noqa: ANN401 - torchvision is not typed
    backbone = getattr(detector, "backbone", None)
    kind = type(detector).__name__
    if getattr(backbone, "path", None) is not None:
        raise InputError(f"this {kind} has a path already; make a new one")
    if not isinstance(getattr(backbone, "fpn", None), FeaturePyramidNetwork):
        raise InputError(
            f"{kind} has no FPN of torchvision in backbone.fpn; "
            "take one of its detectors that is called ..._fpn"
        )
    return backbone


def _rebuilt(detector: nn.Module, fpn: nn.Module, path: nn.Module | None) -> nn.Module:
    backbone: Any = detector.backbone
    extra_blocks, backbone.fpn.extra_blocks = backbone.fpn.extra_blocks, None
    detector.backbone = DetectorBackbone(
        backbone.body, fpn, path, extra_blocks, backbone.out_channels
    )
    return detector.train(detector.training)


def _extra_blocks_have_moved(
    _module: nn.Module, weights: dict[str, Any], prefix: str, *_told: object
) -> None:
    """In torchvision they are a part of the FPN; here they follow the path."""
    theirs = f"{prefix}fpn.extra_blocks."
    for name in [name for name in weights if name.startswith(theirs)]:
        weights[f"{prefix}extra_blocks.{name.removeprefix(theirs)}"] = weights.pop(name)
