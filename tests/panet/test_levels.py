"""Other levels than c2..c5: which maps a backbone gives, and that its own stay what they were."""

import functools

import pytest
import torch

from panet import FPN, BackboneNeck, PANet
from panet.backbone import build_backbone
from panet.levels import BackboneLevels, parse_levels
from panet.walk import shape_walk


@functools.cache
def built(levels: tuple[int, int]) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_backbone("cnn", levels=levels).eval()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (65, 97), (32, 200)])
@pytest.mark.parametrize("levels", [(2, 5), (3, 5), (3, 7), (2, 6), (5, 8)])
def test_maps_of_the_backbone_stay_what_they_were(
    levels: tuple[int, int], size: tuple[int, int]
) -> None:
    image = torch.rand(1, 3, *size)
    finest, coarsest = levels
    with torch.inference_mode():
        c = built((2, 5))(image)
        found = built(levels)(image)
    assert len(found) == coarsest - finest + 1
    for ours, expected in zip(found, c[finest - 2 : coarsest - 1], strict=False):
        assert torch.equal(ours, expected)


def test_extra_levels_are_those_of_torchvision_s_retinanet() -> None:
    theirs = pytest.importorskip("torchvision.ops.feature_pyramid_network")
    levels = built((3, 7))
    blocks = theirs.LastLevelP6P7(2048, 256)  # on c5, as the paper has it
    with torch.no_grad():
        blocks.p6.load_state_dict(levels.get_submodule("extra_c6").state_dict())
        blocks.p7.load_state_dict(levels.get_submodule("extra_c7").get_submodule("1").state_dict())
        *_, c5, c6, c7 = levels(torch.rand(2, 3, 96, 160))
        (_, p6, p7), _ = blocks([c5], [c5], ["c5"])
    torch.testing.assert_close(c6, p6)
    torch.testing.assert_close(c7, p7)


@pytest.mark.parametrize("size", [(64, 64), (100, 132)])
def test_both_necks_run_over_five_levels(size: tuple[int, int]) -> None:
    network = BackboneNeck(built((3, 7))).eval()
    assert isinstance(network.fpn, FPN)
    assert isinstance(network.panet, PANet)
    assert network.fpn.levels == network.panet.levels == (3, 4, 5, 6, 7)
    with torch.inference_mode():
        image = torch.rand(1, 3, *size)
        maps = network(image)
        c = network.cnn(image)
    assert [n.shape[-2:] for n in maps] == [x.shape[-2:] for x in c]


@pytest.mark.parametrize("name", ["cnn", "swin_tiny_patch4_window7_224"])
def test_stages_name_every_level(name: str) -> None:
    pytest.importorskip("timm", reason="timm is an extra; make test installs it")
    with torch.device("meta"):
        found = build_backbone(name, levels=(3, 7))
    assert isinstance(found, BackboneLevels)
    of_body = build_backbone(name).stages()
    assert list(found.stages()) == [*of_body, "c6", "c7"]
    for layers in found.stages().values():
        for layer in layers:
            found.get_submodule(layer)


def test_walk_has_the_extra_levels_with_their_counts() -> None:
    walk = shape_walk(BackboneNeck(built((3, 7))).eval(), torch.rand(1, 3, 64, 64))
    stages = {stage.name: stage for stage in walk.stages}
    assert {name[1:] for name in stages if name[0] in "pn"} == set("34567")
    assert stages["c6"].params == 2048 * 256 * 9 + 256
    total = walk.parts[-1]
    assert sum(stage.params or 0 for stage in walk.stages) == total.params
    assert sum(stage.macs or 0 for stage in walk.stages) == total.macs


@pytest.mark.parametrize("text", ["p3", "p1-p5", "p5-p5", "p6-p7", "p3-p9", "c3-c5", "p5-p3", ""])
def test_levels_that_are_none_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=f"levels '?{text}'?: give the finest") as caught:
        parse_levels(text)
    assert "\n" not in str(caught.value)
