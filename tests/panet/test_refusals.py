"""Wrong input is refused with a sentence that says what would be right."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from panet import CNN, FPN, BackboneNeck, InputError, PANet, TimmBackbone

P = [torch.empty(1, 256, side, side) for side in (56, 28, 14, 7)]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: CNN()(torch.empty(1, 3, 31, 224)),
            "31x224 is too small; both sides need at least 32",
        ),
        (lambda: CNN()(torch.empty(3, 224, 224)), r"shape \[3, 224, 224\], expected \[batch, 3,"),
        (
            lambda: BackboneNeck()(torch.empty(1, 1, 64, 64)),
            r"expected \[batch, 3, height, width\]",
        ),
        (lambda: PANet()(*P[:3]), r"expected 4 feature maps \(p2, p3, p4, p5\), got 3"),
        (lambda: FPN()(*P), r"c3 has shape \[1, 256, 28, 28\], expected \[batch, 512"),
        (
            lambda: PANet()(*reversed(P)),
            "p3 of 14x14 does not halve p2 of 7x7; pass the maps fine to",
        ),
        (lambda: PANet()(P[0], P[1].expand(2, -1, -1, -1), *P[2:]), "p2 holds 1 images and p3 2"),
        (lambda: FPN((256,)), "give two levels or more"),
        (lambda: PANet(levels=1), "give two levels or more"),
        (lambda: PANet(channels=0), "at least one channel"),
        (lambda: BackboneNeck(torch.nn.Identity()), "Identity has no out_channels"),
        (lambda: BackboneNeck(neck="pafpn"), "unknown neck 'pafpn'; choose one of panet, fpn"),  # type: ignore[arg-type]  # the point
        (lambda: BackboneNeck(pretrained=True), "cnn has no pretrained weights"),
        (lambda: BackboneNeck("resnet5"), r"unknown backbone 'resnet5'; did you mean resnet50"),
        (
            lambda: BackboneNeck("vit_tiny_patch16_224"),
            r"vit_tiny_patch16_224 has maps of reduction",
        ),
        (lambda: BackboneNeck("levit_128s"), r"none of \[4, 8\]"),
        (
            lambda: TimmBackbone("swin_tiny_patch4_window7_224")(torch.empty(1, 3, 64, 64)),
            "cannot take an image of 64x64: Input height",
        ),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call: Callable[[], Any], sentence: str) -> None:
    with torch.device("meta"), pytest.raises(InputError, match=sentence):
        call()


def test_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_missing_timm_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(InputError, match=r"needs timm: pip install 'panet-bench\[backbones\]'"):
        BackboneNeck("resnet50")
