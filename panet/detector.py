"""The paper's detector: its neck and heads in torchvision's Mask R-CNN.

    image -> body -> FPN -> bottom-up path -> proposals -> pooling -> classes, boxes, masks

Proposals, matching, losses, suppression and post-processing are torchvision's.

>>> import torch
>>> from panet.detector import PANetDetector
>>> from panet.heads import PARTS
>>> from panet.torchvision import timm_backbone
>>> detector = PANetDetector(timm_backbone("resnet50"), 91, PARTS["fusion"]).eval()
>>> (found,) = detector([torch.rand(3, 480, 640)])
>>> sorted(found)
['boxes', 'labels', 'masks', 'scores']
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from panet.errors import InputError
from panet.heads import box, mask
from panet.heads.branches import PARTS, Parts, box_head, mask_head
from panet.heads.pooling import LEVELS, SAMPLING_RATIO, AdaptiveFeaturePooling
from panet.neck import build_neck
from panet.torchvision import DetectorBackbone

try:
    from torchvision.models import resnet50
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.detection import MaskRCNN
    from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
except ImportError as error:
    raise ImportError("it needs torchvision: pip install 'panet-bench[backbones]'") from error

NAMES = tuple(str(place) for place in range(len(LEVELS)))
"""What torchvision's backbones call the maps of `LEVELS`."""


class PANetDetector(MaskRCNN):  # type: ignore[misc]  # torchvision is not typed
    """Boxes and masks by the paper's network.

    Takes and returns what torchvision's `MaskRCNN` does: a list of images ``(3, H, W)`` with values
    from 0 to 1, and in training their targets; losses in training, detections otherwise.

    Args:
        backbone: image -> maps ``"0"`` to ``"3"`` of strides 4 to 32, and ``"pool"`` for the
            proposals, all of ``backbone.out_channels``; such as `panet.torchvision.timm_backbone`.
        classes: with the background.
        parts: which of the paper's parts the heads have; `PARTS` names some.
        options: others of `MaskRCNN`, such as ``min_size`` and ``box_detections_per_img``.

    Raises:
        InputError: a backbone without ``out_channels``, fewer than two classes, or an option that
            the parts decide.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        parts: Parts = PARTS["heavier"],
        **options: Any,  # noqa: ANN401 - torchvision's
    ) -> None:
        channels = getattr(backbone, "out_channels", None)
        if not isinstance(channels, int):
            raise InputError(
                f"backbone {type(backbone).__name__} has no out_channels; take one of "
                "panet.torchvision, or of torchvision's detectors"
            )
        if classes < 2:
            raise InputError(f"classes={classes}: give 2 or more, the background is one")
        heads = _heads(parts, channels, classes)
        if ours := sorted({"num_classes", *heads} & set(options)):
            raise InputError(f"{', '.join(ours)}: parts and classes decide that")
        super().__init__(backbone, num_classes=None, **heads, **options)
        self.parts = parts


def _heads(parts: Parts, channels: int, classes: int) -> dict[str, nn.Module]:
    """Return what `MaskRCNN` is given in the place of its own."""
    pooling = PoolAllLevels if parts.pooling else PoolOneLevel
    return {
        "box_roi_pool": pooling(box.SIDE),
        "box_head": box_head(parts, channels, LEVELS),
        "box_predictor": box.BoxOutputs(box.WIDTH, classes),
        "mask_roi_pool": pooling(mask.SIDE),
        "mask_head": mask_head(parts, channels, LEVELS),
        "mask_predictor": mask.MaskOutputs(channels, classes),
    }


class PoolAllLevels(MultiScaleRoIAlign):  # type: ignore[misc]
    """`AdaptiveFeaturePooling` where torchvision's detectors look for a pooling of theirs.

    Args:
        side: of the grids, in bins.
    """

    def __init__(self, side: int) -> None:
        super().__init__([*NAMES], side, SAMPLING_RATIO)
        self.pooling = AdaptiveFeaturePooling(side, LEVELS, SAMPLING_RATIO)

    def forward(
        self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor], _sizes: object
    ) -> tuple[Tensor, ...]:
        """Take maps by name and boxes ``(K, 4)`` per image; return a grid per box and level."""
        grids: tuple[Tensor, ...] = self.pooling([maps[name] for name in NAMES], with_image(boxes))
        return grids


class PoolOneLevel(MultiScaleRoIAlign):  # type: ignore[misc]
    """torchvision's own, whose grids come in a tuple, as our heads take them.

    Args:
        side: of the grids, in bins.
    """

    def __init__(self, side: int) -> None:
        super().__init__([*NAMES], side, SAMPLING_RATIO)

    def forward(
        self, maps: dict[str, Tensor], boxes: list[Tensor], sizes: list[tuple[int, int]]
    ) -> tuple[Tensor]:
        """Take maps by name, boxes ``(K, 4)`` per image, and its size; return a grid per box."""
        return (super().forward(maps, boxes, sizes),)


def with_image(boxes: Sequence[Tensor]) -> Tensor:
    """Return the boxes ``(K, 4)`` of each image as one ``(K, 5)``, with the image's place first."""
    of_images = [
        torch.cat((torch.full_like(found[:, :1], place), found), dim=1)
        for place, found in enumerate(boxes)
    ]
    return torch.cat(of_images)


OFFICIAL_CLASSES = 81
"""COCO's, and the background."""

OFFICIAL_MEANS = (122.7717, 115.9465, 102.9801)
"""Of red, green and blue, of 255 (Detectron)."""


def official_detector(classes: int = OFFICIAL_CLASSES) -> PANetDetector:
    """Return the detector of the official code's ``e2e_panet_R-50-FPN_2x_mask``.

    ResNet-50 as Caffe has it (strides in the 1x1 convolutions, frozen norms), GroupNorm in neck and
    heads, images of 1000 px. `panet.heads.convert` renames its weights. What stays torchvision's:
    anchors that differ by up to a pixel, boxes without Detectron's additional pixel, and losses.

    Args:
        classes: with the background.
    """
    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    for stage in (body.layer2, body.layer3, body.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    layers = {f"layer{place}": name for place, name in enumerate(NAMES, start=1)}
    neck = build_neck(behaviour="official_gn")
    backbone = DetectorBackbone(
        IntermediateLayerGetter(body, layers), neck, None, LastLevelMaxPool(), neck.out_channels
    )
    return PANetDetector(
        backbone,
        classes,
        PARTS["official"],
        min_size=1000,
        max_size=1400,
        image_mean=[mean / 255 for mean in OFFICIAL_MEANS],
        image_std=[1 / 255] * 3,
    )
