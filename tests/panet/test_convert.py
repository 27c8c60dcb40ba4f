"""Weights get others' names and ours, and nothing is lost on the way."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panet import InputError, build_neck
from panet.convert import RULES, from_original, layer_names, to_original
from tests.panet import originals
from tests.panet.originals import CHANNELS, OUT

CASES = [("official", False), ("official", True), ("mmdetection", False), ("detectron2", False)]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(("original", "normed"), CASES)
def test_there_and_back_again(original: str, normed: bool) -> None:
    theirs = originals.drawn(original, normed=normed)
    assert equal(to_original(from_original(theirs, original), original), theirs)


@pytest.mark.parametrize(("original", "normed"), CASES)
def test_all_weights_have_a_place_in_ours(original: str, normed: bool) -> None:
    weights = from_original(originals.drawn(original, normed=normed), original)
    built = build_neck(CHANNELS, "official_gn" if normed else original, OUT).state_dict()
    path = set() if original in {"official", "mmdetection"} else {"panet"}
    expected = {name for name in built if name.partition(".")[0] not in path}
    assert set(weights) == expected
    assert all(weights[name].shape == built[name].shape for name in weights)


def test_torchvision_s_fpn_loads_strictly_what_was_ours() -> None:
    ops = pytest.importorskip("torchvision.ops", reason="an extra; make test installs it")
    ours = build_neck(CHANNELS, "torchvision", OUT).state_dict()
    theirs = ops.FeaturePyramidNetwork(list(CHANNELS), OUT)
    theirs.load_state_dict(to_original(ours, "torchvision"))
    back = from_original(theirs.state_dict(), "torchvision")
    assert equal(back, {k: v for k, v in ours.items() if k.startswith("fpn.")})


def test_neck_is_found_in_a_whole_detector_by_its_prefix() -> None:
    theirs = originals.drawn("mmdetection")
    detector = {f"neck.{name}": weight for name, weight in theirs.items()}
    detector |= {"backbone.conv1.weight": torch.zeros(1), "rpn_head.bias": torch.zeros(1)}
    weights = from_original(detector, "mmdetection", prefix="neck.")
    back = to_original(weights, "mmdetection", prefix="neck.")
    assert equal(back, {k: v for k, v in detector.items() if k.startswith("neck.")})


@pytest.mark.parametrize("original", RULES)
def test_other_levels_have_other_names(original: str) -> None:
    built = build_neck((8, 8, 8), "paper", 8, 3)
    layers = {name for name, of in built.named_modules() if isinstance(of, torch.nn.Conv2d)}
    without_path = {name for name in layers if name.startswith("fpn.")}
    expected = layers if original in {"official", "mmdetection"} else without_path
    names = list(layer_names(original, (3, 4, 5)).values())
    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"original": "detectron"}, "no weights of 'detectron' are known; choose one of official"),
        ({"prefix": "head."}, "no weights of head.lateral_convs.0.conv and 13 more"),
        ({"levels": (2, 3, 4)}, "lateral_convs.3.conv.weight is a weight of no level"),
        ({"levels": (2, 3, 4, 5, 6)}, "no weights of lateral_convs.4.conv and"),
    ],
)
def test_wrong_uses_are_told(call: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_original(originals.drawn("mmdetection"), **{"original": "mmdetection", **call})


def test_article_s_fpn_has_a_convolution_too_few() -> None:
    ours = build_neck(CHANNELS, "article", OUT).state_dict()
    with pytest.raises(InputError, match=r"no weights of fpn\.smooth_m5"):
        to_original(ours, "torchvision")
