"""torchvision's detectors with our path or neck: names, weights, a step, detections, export."""

import copy
import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from panet import InputError, build_neck
from panet.convert import from_original

pytest.importorskip("timm", reason="an extra; make test installs it")
pytest.importorskip("torchvision", reason="an extra; make test installs it")

from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from panet.torchvision import timm_backbone, with_neck, with_path

SMALL = {"num_classes": 3, "min_size": 64, "max_size": 96}
RESNET18 = (64, 128, 256, 512)


def resnet() -> Any:
    return resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5)


def resnet_from_c3() -> Any:
    return resnet_fpn_backbone(
        backbone_name="resnet18",
        weights=None,
        trainable_layers=5,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )


def sparing(kind: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    """Return one whose proposals are few, so that it is fast."""
    few = {f"rpn_{when}_nms_top_n_{what}": 20 for when in ("pre", "post") for what in MODES}
    return lambda: kind(resnet(), **SMALL, **few)


MODES = ("train", "test")
DETECTORS: dict[str, Callable[[], nn.Module]] = {
    "Faster R-CNN": sparing(detection.FasterRCNN),
    "Mask R-CNN": sparing(detection.MaskRCNN),
    "RetinaNet": lambda: detection.RetinaNet(resnet_from_c3(), score_thresh=0.0, **SMALL),
    "FCOS": lambda: detection.FCOS(resnet_from_c3(), score_thresh=0.0, **SMALL),
}
KINDS = pytest.mark.parametrize("kind", DETECTORS)


class Through(nn.Module):
    """A path that changes nothing."""

    def forward(self, *p: Tensor) -> tuple[Tensor, ...]:
        return p


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(3, 64, 90, generator=generator), torch.rand(3, 70, 64, generator=generator)]


def targets() -> list[dict[str, Tensor]]:
    box = torch.tensor([[8.0, 8.0, 40.0, 48.0]])
    mask = torch.ones(1, 64, 90, dtype=torch.uint8), torch.ones(1, 70, 64, dtype=torch.uint8)
    return [{"boxes": box, "labels": torch.tensor([1]), "masks": m} for m in mask]


def built(kind: str) -> nn.Module:
    """Return a detector of one's own; drawing its weights takes longer than all else here."""
    return copy.deepcopy(_drawn(kind))


@functools.cache
def _drawn(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return DETECTORS[kind]().eval()


def call(module: Any, *arguments: Any) -> Any:
    with torch.inference_mode():
        return module(*arguments)


@pytest.mark.slow
@KINDS
def test_path_keeps_keys_sizes_and_the_detector_s_own_weights(kind: str) -> None:
    detector: Any = built(kind)
    weights, image = detector.state_dict(), torch.rand(1, 3, 64, 96)
    before = {key: x.shape for key, x in call(detector.backbone, image).items()}
    detections = call(detector, images())

    through: Any = with_path(built(kind), Through())
    through.load_state_dict(weights)  # strictly
    for ours, theirs in zip(call(through, images()), detections, strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)

    ours = with_path(detector)
    unmatched = ours.load_state_dict(weights, strict=False)
    assert unmatched.unexpected_keys == []
    path = [f"backbone.path.{name}" for name in detector.backbone.path.state_dict()]
    assert unmatched.missing_keys == path
    assert {key: x.shape for key, x in call(detector.backbone, image).items()} == before
    assert detector.backbone.out_channels == 256


@pytest.mark.slow
@KINDS
def test_detector_with_path_trains_a_step_and_detects(kind: str) -> None:
    detector: Any = with_path(built(kind)).train()
    optimiser = torch.optim.SGD(detector.parameters(), lr=1e-3)
    losses = detector(images(), targets())
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    path = dict(detector.backbone.path.named_parameters())
    assert all(w.grad is not None and bool(w.grad.isfinite().all()) for w in path.values())
    before = path["conv_n4down_p5.weight"].clone()
    optimiser.step()
    assert not torch.equal(path["conv_n4down_p5.weight"], before)
    found = call(detector.eval(), images())
    assert all(len(one["boxes"]) == len(one["scores"]) > 0 for one in found)


def test_level_beyond_the_path_is_of_its_maps() -> None:
    """p6 of RetinaNet is computed of n5, as it is of p5 without the path."""
    detector: Any = with_path(built("RetinaNet"))
    image = torch.rand(1, 3, 64, 96)
    before = call(detector.backbone, image)
    with torch.no_grad():
        detector.backbone.path.conv_n4down_p5.bias.add_(1.0)
    after = call(detector.backbone, image)
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert changed == ["2", "p6", "p7"]


@pytest.mark.slow
def test_any_neck_takes_the_place_of_the_fpn_with_its_weights() -> None:
    donor: Any = with_path(built("Faster R-CNN"))
    weights = from_original(donor.state_dict(), "torchvision", prefix="backbone.fpn.")
    path = donor.backbone.path.state_dict()
    neck = build_neck(RESNET18, "torchvision")
    neck.load_state_dict({**weights, **{f"panet.{name}": w for name, w in path.items()}})
    ours: Any = with_neck(built("Faster R-CNN"), neck.eval())
    image = torch.rand(1, 3, 64, 96)
    given, expected = call(ours.backbone, image), call(donor.backbone, image)
    assert list(given) == list(expected) == ["0", "1", "2", "3", "pool"]
    assert all(torch.equal(given[key], expected[key]) for key in expected)
    assert torch.equal(call(ours, images())[0]["boxes"], call(donor, images())[0]["boxes"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_timm_backbones_carry_both_kinds_of_detectors(name: str) -> None:
    faster: Any = detection.FasterRCNN(timm_backbone(name), **SMALL).eval()
    assert list(call(faster.backbone, torch.rand(1, 3, 64, 96))) == ["0", "1", "2", "3", "pool"]
    extra = LastLevelP6P7(256, 256)
    backbone = timm_backbone(name, finest_level=3, extra_blocks=extra)
    retina: Any = detection.RetinaNet(backbone, score_thresh=0.0, **SMALL).eval()
    assert list(call(retina.backbone, torch.rand(1, 3, 64, 96))) == ["0", "1", "2", "p6", "p7"]
    for detector in (faster, retina):
        assert "boxes" in call(detector, images())[0]


@pytest.mark.slow
@KINDS
def test_backbone_exports_with_the_path(kind: str) -> None:
    """The whole detector does as far as torchvision's own does: docs/torchvision.md."""
    detector: Any = with_path(built(kind))
    image = torch.rand(1, 3, 64, 96)
    exported = torch.export.export(detector.backbone, (image,)).module()
    ours, eager = call(exported, image), call(detector.backbone, image)
    assert list(ours) == list(eager)
    for key in eager:
        torch.testing.assert_close(ours[key], eager[key])


def test_wrong_uses_are_told() -> None:
    detector = built("Faster R-CNN")
    with pytest.raises(InputError, match=r"in_channels=\(8, 8\), and the detector \(64, 128, 256"):
        with_neck(detector, build_neck((8, 8), "paper"))
    with pytest.raises(InputError, match="out_channels=64, and the detector 256"):
        with_neck(detector, build_neck(RESNET18, "paper", 64))
    with pytest.raises(InputError, match="path already"):
        with_path(with_path(detector))
    with pytest.raises(InputError, match=r"Linear has no FPN of torchvision in backbone\.fpn"):
        with_path(nn.Linear(1, 1))
    with pytest.raises(InputError, match="levels p5-p5: give the finest, of p2 to p5"):
        timm_backbone("resnet18", finest_level=5)


def test_without_torchvision_the_import_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "panet.torchvision")
    monkeypatch.setitem(sys.modules, "torchvision.ops.feature_pyramid_network", None)
    with pytest.raises(ImportError, match=r"pip install 'panet-bench\[backbones\]'"):
        __import__("panet.torchvision")
