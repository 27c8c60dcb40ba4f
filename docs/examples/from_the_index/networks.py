"""Five networks as people install them: weights are drawn, inputs are random."""

from typing import Any

import torch
from torch import nn

Made = tuple[nn.Module, tuple[Any, ...]]
"""A network, and what it is called with."""


def mask_rcnn() -> Made:
    """Return torchvision's Mask R-CNN of ResNet-50, with 100 proposals and 10 detections."""
    from torchvision.models import detection

    network = detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=256,
        max_size=256,
        rpn_post_nms_top_n_test=100,
        box_detections_per_img=10,
        box_score_thresh=0.0,  # untrained scores are low: the mask head gets its 10 all the same
    )
    torch.manual_seed(0)
    return network, ([torch.rand(3, 256, 256)],)


def unet() -> Made:
    """Return the U-Net of segmentation_models_pytorch on ResNet-18."""
    import segmentation_models_pytorch

    network = segmentation_models_pytorch.Unet("resnet18", encoder_weights=None)
    return network, (torch.rand(1, 3, 128, 128),)


def rt_detr() -> Made:
    """Return transformers' RT-DETR of ResNet-18."""
    import transformers

    backbone = transformers.RTDetrResNetConfig(
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[128, 256, 512],
        decoder_in_channels=[256, 256, 256],
    )
    return transformers.RTDetrForObjectDetection(config), (torch.rand(1, 3, 256, 256),)


def vit() -> Made:
    """Return timm's ViT-S/16."""
    import timm

    network = timm.create_model("vit_small_patch16_224", pretrained=False)
    return network, (torch.rand(1, 3, 224, 224),)


def deeplab() -> Made:
    """Return torchvision's DeepLabV3 of MobileNetV3."""
    from torchvision.models import segmentation

    network = segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)
    return network, (torch.rand(1, 3, 128, 128),)
