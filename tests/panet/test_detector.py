"""The paper's detector in torchvision's: learns, detects, is saved, exported, and converted."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("timm", reason="an extra; make test installs it")
pytest.importorskip("torchvision", reason="an extra; make test installs it")

from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

from bench.machine.environment import ROOT
from panet import InputError
from panet.detector import PANetDetector, official_detector, with_image
from panet.heads import PARTS, ConvolutionBoxHead, FullyConnectedFusion, MaskHead
from panet.heads.convert import detector_from_official
from tests.panet.heads import official
from tests.panet.learning import CHANNELS, Body, drawn, small_detector


def detector(parts: str = "fusion") -> Any:
    torch.manual_seed(0)
    built = small_detector(parts).eval()
    built.roi_heads.score_thresh = 0.0
    return built


def detections(network: Any) -> list[dict[str, Tensor]]:
    images, _ = drawn(2, seed=5)
    with torch.inference_mode():
        found: list[dict[str, Tensor]] = network(images)
    return found


def same(ours: list[dict[str, Tensor]], theirs: list[dict[str, Tensor]]) -> bool:
    return all(torch.equal(a[key], b[key]) for a, b in zip(ours, theirs, strict=True) for key in b)


@pytest.mark.process
def test_detector_learns_drawn_shapes() -> None:
    """Class, box and mask of shapes on pictures that it has not seen; docs/heads.md."""
    command = [sys.executable, "-m", "tests.panet.learning", "--steps", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    learned = json.loads(done.stdout)
    assert learned["before"] <= 0.05
    assert learned["after"] >= 0.2
    assert learned["losses"][-1] < learned["losses"][0] / 2


@pytest.mark.parametrize("parts", ["one_level", "fusion"])
def test_step_of_training_reaches_every_weight(parts: str) -> None:
    network = detector(parts).train()
    losses = network(*drawn(2, seed=5))
    assert sorted(losses) == [
        *("loss_box_reg", "loss_classifier", "loss_mask", "loss_objectness", "loss_rpn_box_reg")
    ]
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    dead = [name for name, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    # A proposal may be of no map so small: the coarsest ones have one pixel.
    assert [name for name in dead if "heads" in name] == []


def test_detections_have_boxes_classes_and_masks() -> None:
    for found in detections(detector()):
        count = len(found["scores"])
        assert 0 < count <= 5
        assert found["boxes"].shape == (count, 4)
        assert found["masks"].shape == (count, 1, 64, 64)
        assert set(found["labels"].tolist()) <= {1, 2, 3}


def test_saved_weights_load_strictly_and_detect_the_same() -> None:
    network, file = detector(), io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other = small_detector().eval()
    other.roi_heads.score_thresh = 0.0
    other.load_state_dict(torch.load(file, weights_only=True))
    assert same(detections(other), detections(network))


class TupleFree(nn.Module):
    """Our mask head on a grid alone, as torchvision calls its own."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, grid: Tensor) -> Any:
        return self.head((grid,))


def test_without_the_paper_s_parts_it_is_torchvision_s_mask_r_cnn() -> None:
    ours = detector("one_level")
    box_head = TwoMLPHead(CHANNELS * 49, 1024)
    mine = ours.roi_heads.box_head.state_dict()
    box_head.load_state_dict(
        {
            f"fc{there}.{kind}": mine[f"{here}.linear.{kind}"]
            for there, here in ((6, "levels.any.fc1"), (7, "rest.fc2"))
            for kind in ("weight", "bias")
        }
    )
    predictor = FastRCNNPredictor(1024, 4)
    predictor.load_state_dict(ours.roi_heads.box_predictor.state_dict())
    theirs: Any = MaskRCNN(
        ours.backbone,
        rpn_anchor_generator=ours.rpn.anchor_generator,
        rpn_head=ours.rpn.head,
        box_head=box_head,
        box_predictor=predictor,
        mask_head=TupleFree(ours.roi_heads.mask_head),
        mask_predictor=ours.roi_heads.mask_predictor,
        min_size=64,
        max_size=64,
        box_score_thresh=0.0,
        box_detections_per_img=5,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=30,
    ).eval()
    assert same(detections(ours), detections(theirs))


def test_boxes_of_a_batch_tell_their_image() -> None:
    boxes = [torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.zeros(0, 4), torch.zeros(2, 4)]
    assert with_image(boxes).tolist() == [[0, 1, 2, 3, 4], [2, 0, 0, 0, 0], [2, 0, 0, 0, 0]]


@pytest.mark.filterwarnings("ignore")  # the exporter's own, and those of torchvision in it
def test_whole_detector_goes_to_onnx_where_torchvision_s_does(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="no dependency of ours")
    file = tmp_path / "detector.onnx"
    images, _ = drawn(1, seed=5)
    torch.onnx.export(detector(), (images,), str(file), dynamo=False, opset_version=17)
    assert file.stat().st_size > 1_000_000


def usual() -> dict[str, Any]:
    return {"backbone": small_detector().backbone, "classes": 4, "parts": PARTS["fusion"]}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"classes": 1}, "classes=1: give 2 or more"),
        ({"box_head": nn.Identity()}, "box_head: parts and classes decide that"),
        ({"num_classes": 3}, "num_classes: parts and classes decide that"),
        ({"backbone": Body()}, "backbone Body has no out_channels"),
    ],
)
def test_wrong_use_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        PANetDetector(**usual() | options)


def test_official_weights_have_a_place_each_and_fill_the_detector() -> None:
    with torch.device("meta"):
        network = official_detector()
        theirs = {name: torch.empty(shape) for name, shape in official.shapes().items()}
        ours = detector_from_official(theirs)
    expected = {name: tuple(w.shape) for name, w in network.state_dict().items()}
    assert {name: tuple(w.shape) for name, w in ours.items()} == expected
    strides = [
        (stage[0].conv1.stride, stage[0].conv2.stride, stage[0].downsample[0].stride)
        for stage in (network.backbone.body[f"layer{place}"] for place in (2, 3, 4))
    ]
    assert strides == [((2, 2), (1, 1), (2, 2))] * 3


def test_official_heads_give_the_same_with_the_same_weights() -> None:
    generator = torch.Generator().manual_seed(1)
    theirs = {
        name: torch.randn(shape, generator=generator) / max(1, sum(shape[1:])) ** 0.5
        for name, shape in official.shapes(channels=64, classes=4).items()
    }
    ours = detector_from_official(theirs)
    grids = [[torch.randn(3, 64, s, s, generator=generator) for _ in range(4)] for s in (7, 14)]
    box_head = ConvolutionBoxHead(64)
    load(box_head, ours, "roi_heads.box_head.")
    scores, deltas = official.box(theirs, grids[0])
    features = box_head(grids[0])
    for found, kind in ((scores, "cls_score"), (deltas, "bbox_pred")):
        weight, bias = (ours[f"roi_heads.box_predictor.{kind}.{x}"] for x in ("weight", "bias"))
        torch.testing.assert_close(features @ weight.T + bias, found, rtol=1e-3, atol=1e-3)
    mask_head = MaskHead(64, norm=True, fusion=FullyConnectedFusion(64, norm=True, relu=True))
    load(mask_head, ours, "roi_heads.mask_head.")
    outputs = small_detector().roi_heads.mask_predictor.__class__(64, 4)
    load(outputs, ours, "roi_heads.mask_predictor.")
    masks = outputs(mask_head(grids[1]))
    torch.testing.assert_close(masks, official.mask(theirs, grids[1]), rtol=1e-3, atol=1e-3)


def load(network: nn.Module, weights: dict[str, Tensor], prefix: str) -> None:
    own = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
    network.load_state_dict(own)


def test_official_body_reads_blue_first_and_its_norms_scale_alone() -> None:
    theirs = {name: torch.ones(shape) for name, shape in official.shapes(32, 2).items()}
    first = torch.arange(3.0).view(1, 3, 1, 1).expand(64, 3, 7, 7)
    ours = detector_from_official(theirs | {"Conv_Body.conv_body.res1.conv1.weight": first})
    assert ours["backbone.body.conv1.weight"][0, :, 0, 0].tolist() == [2, 1, 0]
    variance = ours["backbone.body.layer3.5.bn2.running_var"]
    assert torch.equal((variance + 1e-5).rsqrt(), torch.ones(256))


def test_weight_without_a_place_is_told() -> None:
    theirs = {name: torch.empty(shape) for name, shape in official.shapes(32, 2).items()}
    with pytest.raises(InputError, match=r"Keypoint_Head\.fc\.weight is a weight that this"):
        detector_from_official(theirs | {"Keypoint_Head.fc.weight": torch.empty(1)})
    with pytest.raises(InputError, match="no weights of Conv_Body"):
        detector_from_official({})


def test_parts_of_the_detector_are_the_parts_that_were_asked_for() -> None:
    assert {name: detector(name).parts for name in ("one_level", "fusion")} == {
        name: PARTS[name] for name in ("one_level", "fusion")
    }
