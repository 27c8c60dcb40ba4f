"""The heads give what the paper's formulas give, and depend on what they should."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("torchvision", reason="an extra; make test installs it")

from torchvision.ops import MultiScaleRoIAlign

from panet import InputError
from panet.heads import (
    PARTS,
    AdaptiveFeaturePooling,
    ConvolutionBoxHead,
    FullyConnectedFusion,
    Heads,
    MaskHead,
    MaskOutputs,
    OneLevelPooling,
    Parts,
    TwoLayerBoxHead,
    levels_of,
)
from tests.panet.heads import reference

CHANNELS = 32
"""As many as GroupNorm has groups, the fewest that it takes; a fusion needs twice that."""
BOXES = torch.tensor(
    [
        [0, 4.0, 8.0, 60.0, 40.0],
        [1, 3.5, 0.0, 250.0, 255.0],
        [1, 100.25, 40.0, 215.0, 190.5],
        [0, 0.0, 0.0, 256.0, 128.0],
        [0, 17.0, 33.0, 18.0, 33.5],
    ]
)
"""On images of 256x256; the last one is smaller than a pixel of any level."""


def pyramid(channels: int = CHANNELS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, channels, side, side, generator=generator) for side in (64, 32, 16, 8)]


def grids(side: int, channels: int = CHANNELS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(3, channels, side, side, generator=generator) for _ in range(4)]


def drawn(network: nn.Module) -> Any:
    """Draw all weights anew, the norms' and biases too, so that none is one or zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in network.parameters():
            fan_in = weight[0].numel() if weight.ndim > 1 else 4
            weight.copy_(torch.randn(weight.shape, generator=generator) / fan_in**0.5)
    return network.double().eval()


def double(tensors: list[Tensor]) -> list[Tensor]:
    return [x.double() for x in tensors]


def call(network: Any, *arguments: Any) -> Any:
    with torch.no_grad():
        return network(*arguments)


def test_every_box_is_sampled_on_every_level() -> None:
    maps = double(pyramid(2))
    pooled = AdaptiveFeaturePooling(7)(maps, BOXES.double())
    expected = reference.on_all_levels(maps, BOXES.double(), 7)
    for ours, theirs in zip(pooled, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_fpn_s_rule_samples_every_box_on_one_level() -> None:
    maps = double(pyramid(2))
    boxes = BOXES.double()
    (ours,) = OneLevelPooling(7)(maps, boxes)
    torch.testing.assert_close(ours, reference.on_one_level(maps, boxes, 7))


def test_one_level_pooling_is_torchvision_s() -> None:
    maps, order = pyramid(), BOXES[BOXES[:, 0].argsort(stable=True)]
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)(
        {str(place): x for place, x in enumerate(maps)},
        [order[order[:, 0] == image][:, 1:] for image in (0, 1)],
        [(256, 256)] * 2,
    )
    (ours,) = OneLevelPooling(14)(maps, order)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_rule_of_fpn_is_equation_1() -> None:
    """A box of 224x224 is on level 4, of half the sides on 3; smaller and larger ones are there."""
    sides = [1.0, 56.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 2000.0]
    boxes = torch.tensor([[0, 5.0, 7.0, 5.0 + side, 7.0 + side] for side in sides])
    assert levels_of(boxes).tolist() == [2, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("norm", [False, True])
def test_two_layer_head_is_the_formula(norm: bool) -> None:
    head = drawn(TwoLayerBoxHead(CHANNELS, 7, 64, norm=norm))
    pooled = double(grids(7))
    torch.testing.assert_close(call(head, pooled), reference.two_layers(head.state_dict(), *pooled))


def test_head_of_one_grid_is_mask_r_cnn_s() -> None:
    head = drawn(TwoLayerBoxHead(CHANNELS, 7, 64, levels=None))
    grid = grids(7)[0].double()
    expected = reference.two_layers_of_one_grid(head.state_dict(), grid)
    torch.testing.assert_close(call(head, [grid]), expected)


def test_grids_fused_before_any_layer() -> None:
    head = drawn(TwoLayerBoxHead(CHANNELS, 7, 64, fuse="sum", fuse_after=0))
    pooled = double(grids(7))
    expected = reference.two_layers_of_fused(head.state_dict(), *pooled)
    torch.testing.assert_close(call(head, pooled), expected)


@pytest.mark.parametrize("norm", [False, True])
def test_heavier_head_is_the_formula(norm: bool) -> None:
    head = drawn(ConvolutionBoxHead(CHANNELS, 7, 64, norm=norm))
    pooled = double(grids(7))
    expected = reference.convolutions(head.state_dict(), *pooled)
    torch.testing.assert_close(call(head, pooled), expected)


@pytest.mark.parametrize("norm", [False, True])
def test_mask_branch_is_the_formula(norm: bool) -> None:
    head = drawn(MaskHead(64, norm=norm, fusion=FullyConnectedFusion(64, 4, norm=norm)))
    outputs = drawn(MaskOutputs(64, 3))
    pooled = double(grids(4, 64))
    expected = reference.mask(head.state_dict(), outputs.state_dict(), *pooled)
    torch.testing.assert_close(call(outputs, call(head, pooled)), expected)


@pytest.mark.parametrize("start", [2, 3, 4])
def test_fusion_sees_the_convolution_that_it_starts_from(start: int) -> None:
    fusion = FullyConnectedFusion(CHANNELS, 4)
    head = drawn(MaskHead(CHANNELS, fusion=fusion, fusion_from=start))
    pooled = double(grids(4))
    features, foreground = call(head, pooled)
    hidden = head.levels(pooled)
    for place in range(2, start + 1):
        hidden = head.rest.in_front.get_submodule(f"conv{place}")(hidden)
    torch.testing.assert_close(foreground, fusion(hidden))
    without = drawn(MaskHead(CHANNELS, fusion_from=start))
    without.load_state_dict(head.state_dict(), strict=False)
    torch.testing.assert_close(call(without, pooled)[0], features)


def test_masks_meet_by_sum_product_or_maximum() -> None:
    features = torch.randn(2, CHANNELS, 8, 8), torch.randn(2, 1, 8, 8)
    by = {fuse: MaskOutputs(CHANNELS, 3, fuse) for fuse in ("sum", "product", "max")}
    for outputs in by.values():
        outputs.load_state_dict(by["sum"].state_dict())
    alone = call(by["sum"], features[:1])
    assert torch.equal(call(by["sum"], features), alone + features[1])
    assert torch.equal(call(by["product"], features), alone * features[1])
    assert torch.equal(call(by["max"], features), torch.maximum(alone, features[1]))


def test_relu_behind_the_fusion_is_the_official_code_s() -> None:
    plain, official = FullyConnectedFusion(64, 4), FullyConnectedFusion(64, 4, relu=True)
    official.load_state_dict(plain.state_dict())
    grid = torch.randn(3, 64, 4, 4)
    assert call(plain, grid).min() < 0
    assert torch.equal(call(official, grid), call(plain, grid).relu())


def heads(name: str = "fusion", channels: int = CHANNELS) -> Any:
    torch.manual_seed(0)
    return Heads(PARTS[name], channels, classes=3).eval()


def test_level_whose_layer_is_zeroed_no_longer_counts() -> None:
    """Its activation is 0 then, which no maximum of rectified values can be below."""
    network, maps = heads(), pyramid()
    for layer in (network.box.head.levels.n4.fc1.linear, network.mask.head.levels.n4.conv1.conv):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    before = call(network, maps, BOXES, BOXES)
    other = [x + 1 if place == 2 else x for place, x in enumerate(maps)]
    assert all(map(torch.equal, before, call(network, other, BOXES, BOXES)))
    other = [x + 1 if place == 1 else x for place, x in enumerate(maps)]
    assert not any(map(torch.equal, before, call(network, other, BOXES, BOXES)))


@pytest.mark.parametrize("level", [2, 3, 4, 5])
def test_every_level_reaches_every_box_and_one_level_only_its_own(level: int) -> None:
    maps = pyramid()
    other = [x + 1 if k == level else x for k, x in enumerate(maps, start=2)]
    for pooling, reached in (
        (AdaptiveFeaturePooling(7), torch.ones(len(BOXES), dtype=torch.bool)),
        (OneLevelPooling(7), levels_of(BOXES) == level),
    ):
        before, after = pooling(maps, BOXES), pooling(other, BOXES)
        changed = torch.stack(
            [(a != b).flatten(1).any(1) for a, b in zip(before, after, strict=True)]
        ).any(0)
        assert torch.equal(changed, reached)


def test_moved_proposal_changes_its_own_row_alone() -> None:
    network, maps = heads(), pyramid()
    moved = BOXES.clone()
    moved[2, 1:] += 8.0
    for before, after in zip(
        call(network, maps, BOXES, BOXES), call(network, maps, moved, moved), strict=True
    ):
        changed = (before != after).flatten(1).any(1)
        assert changed.tolist() == [False, False, True, False, False]


def test_images_of_a_batch_do_not_meet() -> None:
    network, maps = heads(), pyramid()
    other = [torch.stack((x[0] + 1, x[1])) for x in maps]
    for before, after in zip(
        call(network, maps, BOXES, BOXES), call(network, other, BOXES, BOXES), strict=True
    ):
        changed = (before != after).flatten(1).any(1)
        assert torch.equal(changed, BOXES[:, 0] == 0)


@pytest.mark.parametrize("name", PARTS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = heads(name, 64 if PARTS[name].norm else CHANNELS).train()
    network.requires_grad_()
    outputs = network(pyramid(64 if PARTS[name].norm else CHANNELS), BOXES, BOXES)
    torch.stack([x.square().mean() for x in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    dead = [name for name, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert dead == []


def test_maps_get_the_gradient_of_every_level() -> None:
    maps = [x.requires_grad_() for x in pyramid()]
    scores, _, masks = heads()(maps, BOXES, BOXES)
    (scores.mean() + masks.mean()).backward()
    assert all(x.grad is not None and bool(x.grad.any()) for x in maps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pooling", "official"])
def test_compiles_as_one_graph_and_exports(name: str) -> None:
    channels = 64 if PARTS[name].norm else CHANNELS
    network, maps = heads(name, channels), pyramid(channels)
    eager = call(network, maps, BOXES, BOXES)
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, dynamic=False, backend="aot_eager")
    exported = torch.export.export(network, (maps, BOXES, BOXES)).module()
    for captured in (compiled, exported):
        for ours, expected in zip(call(captured, maps, BOXES, BOXES), eager, strict=True):
            torch.testing.assert_close(ours, expected)


def test_nothing_is_changed_in_place() -> None:
    maps = pyramid()
    kept, boxes = [x.clone() for x in maps], BOXES.clone()
    pooled = AdaptiveFeaturePooling(7)(maps, BOXES)
    before = [x.clone() for x in pooled]
    call(heads("pooling").box.head, pooled)
    call(heads("fusion"), maps, BOXES, BOXES)
    assert all(map(torch.equal, kept, maps))
    assert all(map(torch.equal, before, pooled))
    assert torch.equal(boxes, BOXES)


def test_no_proposal_gives_no_prediction() -> None:
    for name in ("one_level", "fusion"):
        outputs = call(heads(name), pyramid(), BOXES[:0], BOXES[:0])
        assert [tuple(x.shape) for x in outputs] == [(0, 3), (0, 12), (0, 3, 28, 28)]


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: TwoLayerBoxHead(fuse="mean"), "unknown fusion of levels 'mean'; choose one of"),
        (lambda: TwoLayerBoxHead(fuse_after=3), "fuse_after=3: give 0 to 2"),
        (lambda: TwoLayerBoxHead(levels=()), r"levels=\(\): give one level or more"),
        (lambda: TwoLayerBoxHead(width=40, norm=True), "width=40: norm=True is GroupNorm of 32"),
        (lambda: TwoLayerBoxHead(side=0), "side=0: give 1 or more"),
        (lambda: ConvolutionBoxHead(8), "channels=8: norm=True is GroupNorm of 32"),
        (lambda: ConvolutionBoxHead(convolutions=0), "convolutions=0: give 1 or more"),
        (lambda: MaskHead(fusion_from=5), "fusion_from=5: give 1 to 4"),
        (lambda: MaskHead(fuse_after=3, fusion_from=2), "fusion_from=2: give 3 to 4"),
        (lambda: MaskOutputs(fuse="add"), "unknown fusion of masks 'add'; choose one of"),
        (lambda: FullyConnectedFusion(33), "channels=33: give an even number"),
        (lambda: FullyConnectedFusion(32, norm=True), "half=16: norm=True is GroupNorm of 32"),
        (
            lambda: AdaptiveFeaturePooling(7)(pyramid()[:3], BOXES),
            r"expected 4 feature maps \(n2, n3, n4, n5\), got 3",
        ),
        (
            lambda: OneLevelPooling(7)(pyramid(), BOXES[:, 1:]),
            r"shape \[5, 4\], expected \[boxes, 5\]",
        ),
        (lambda: TwoLayerBoxHead(CHANNELS)(grids(7)[:2]), "grids of 4 levels, got 2"),
    ],
)
def test_wrong_use_is_refused_with_a_sentence(build: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build()


def test_parts_are_rows_of_table_3() -> None:
    assert PARTS["one_level"] == Parts()
    has = {name: [*vars(parts).values()] for name, parts in PARTS.items()}
    assert [sum(row) for row in has.values()] == [0, 1, 2, 3, 4]
