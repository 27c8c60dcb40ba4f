"""Weights and multiply-accumulates of the heads, beside what one reckons by hand from the paper."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("torchvision", reason="an extra; make test installs it")

from bench.machine.environment import ROOT
from panet.heads import (
    PARTS,
    BoxOutputs,
    ConvolutionBoxHead,
    FullyConnectedFusion,
    Heads,
    MaskHead,
    MaskOutputs,
    TwoLayerBoxHead,
)

FC1 = 256 * 7 * 7 * 1024
FC2 = 1024 * 1024
CONV = 256 * 256 * 3 * 3
HALVING = 256 * 128 * 3 * 3
UPCONV = 256 * 256 * 2 * 2
FUSION_FC = 128 * 14 * 14 * 28 * 28
NORM = 2 * 256
SMALL, LARGE = 7 * 7, 14 * 14
"""Bins of a grid."""


def counted(make: Any, *shapes: tuple[int, ...], listed: bool = True) -> tuple[int, int]:
    """Return weights, biases included, and multiply-accumulates."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = make()
        grids = [torch.empty(shape) for shape in shapes]
        network(grids) if listed else network(*grids)
    return sum(w.numel() for w in network.parameters()), int(counter.get_total_flops()) // 2


def test_two_layer_head() -> None:
    grid = (1, 256, 7, 7)
    one = counted(lambda: TwoLayerBoxHead(levels=None), grid)
    assert one == (FC1 + FC2 + 2 * 1024, FC1 + FC2) == (13_895_680, 13_893_632)
    adaptive = counted(TwoLayerBoxHead, *[grid] * 4)
    assert adaptive == (4 * (FC1 + 1024) + FC2 + 1024, 4 * FC1 + FC2) == (52_433_920, 52_428_800)
    normed = counted(lambda: TwoLayerBoxHead(norm=True), *[grid] * 4)
    assert normed == (52_433_920 + 5 * 2 * 1024, 52_428_800)


@pytest.mark.parametrize(("fuse_after", "first", "second"), [(0, 1, 1), (1, 4, 1), (2, 4, 4)])
def test_layers_in_front_of_the_fusion_are_as_many_as_levels(
    fuse_after: int, first: int, second: int
) -> None:
    make = lambda: TwoLayerBoxHead(fuse_after=fuse_after)  # noqa: E731
    macs = counted(make, *[(1, 256, 7, 7)] * 4)[1]
    assert macs == first * FC1 + second * FC2


def test_heavier_head() -> None:
    grid = (1, 256, 7, 7)
    one = counted(lambda: ConvolutionBoxHead(levels=None), grid)
    assert one == (4 * (CONV + NORM) + FC1 + 1024, 4 * CONV * SMALL + FC1)
    assert one == (15_207_424, 128_450_560)
    adaptive = counted(ConvolutionBoxHead, *[grid] * 4)
    assert adaptive == (7 * (CONV + NORM) + FC1 + 1024, 7 * CONV * SMALL + FC1)
    assert adaptive == (16_978_432, 215_154_688)


def test_mask_head() -> None:
    grid = (1, 256, 14, 14)
    one = counted(lambda: MaskHead(levels=None), grid)
    assert one == (4 * (CONV + 256) + UPCONV + 256, (4 * CONV + UPCONV) * LARGE)
    assert one == (2_622_720, 513_802_240)
    adaptive = counted(MaskHead, *[grid] * 4)
    assert adaptive[0] - one[0] == 3 * (CONV + 256) == 1_770_240
    assert adaptive[1] - one[1] == 3 * CONV * LARGE == 346_816_512
    normed = counted(lambda: MaskHead(norm=True), *[grid] * 4)
    assert normed == (adaptive[0] + 7 * (NORM - 256), adaptive[1])


def test_fully_connected_fusion() -> None:
    macs = (CONV + HALVING) * LARGE + FUSION_FC
    biases = 256 + 128 + 28 * 28
    weights = CONV + HALVING + FUSION_FC + biases
    found = counted(FullyConnectedFusion, (1, 256, 14, 14), listed=False)
    assert found == (weights, macs) == (20_554_896, 193_077_248)
    normed = counted(lambda: FullyConnectedFusion(norm=True), (1, 256, 14, 14), listed=False)
    assert normed == (weights + 256 + 128, macs)


def test_outputs() -> None:
    assert counted(BoxOutputs, (1, 1024), listed=False) == (1025 * 81 * 5, 1024 * 81 * 5)
    found = counted(MaskOutputs, (1, 256, 28, 28))
    assert found == (257 * 81, 256 * 81 * 28 * 28) == (20_817, 16_257_024)


BOXES, MASKS = 1000, 100
"""Proposals, and detections whose masks are wanted (test configuration of the official code)."""

OUTPUTS = BOXES * 1024 * 81 * 5 + MASKS * 256 * 81 * 28 * 28
ONE_LEVEL = BOXES * (FC1 + FC2) + MASKS * (4 * CONV + UPCONV) * LARGE + OUTPUTS
POOLING = ONE_LEVEL + 3 * (BOXES * FC1 + MASKS * CONV * LARGE)
FUSION = POOLING + MASKS * ((CONV + HALVING) * LARGE + FUSION_FC)
HEAVIER = FUSION + BOXES * (7 * CONV * SMALL - 3 * FC1 - FC2)


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("one_level", 16_954_342, ONE_LEVEL),
        ("pooling", 57_262_822, POOLING),
        ("fusion", 77_817_718, FUSION),
        ("heavier", 42_362_230, HEAVIER),
        ("official", 42_364_406, HEAVIER),
    ],
)
def test_all_parts_at_a_thousand_boxes(name: str, params: int, macs: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = Heads(PARTS[name])
        if name == "one_level":  # which needs values to choose the levels by
            network.box.outputs(network.box.head([torch.empty(BOXES, 256, 7, 7)]))
            network.mask.outputs(network.mask.head([torch.empty(MASKS, 256, 14, 14)]))
        else:
            maps = [torch.empty(1, 256, 800 >> k, 1344 >> k) for k in (2, 3, 4, 5)]
            network(maps, torch.empty(BOXES, 5), torch.empty(MASKS, 5))
    assert sum(w.numel() for w in network.parameters()) == params
    assert counter.get_total_flops() == 2 * macs
    page = (ROOT / "docs" / "heads.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert row.endswith(f"| {params / 1e6:.2f} M | {macs / 1e9:.2f} G |")
