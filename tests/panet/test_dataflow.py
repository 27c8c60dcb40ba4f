"""What depends on what: tests that no shape test replaces."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from panet import FPN, BackboneNeck, PANet

SIDES = (16, 8, 4, 2)


def pyramid(channels: tuple[int, ...] = (8, 8, 8, 8), dtype: Any = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(1, c, side, side, generator=generator, dtype=dtype)
        for c, side in zip(channels, SIDES, strict=True)
    ]


def necks() -> tuple[FPN, PANet]:
    torch.manual_seed(0)
    return FPN((8, 8, 8, 8), 8), PANet(8)


def changed(before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> list[bool]:
    return [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]


def test_zeroed_fuse_of_n3_leaves_n4_depending_on_p4_alone() -> None:
    _, panet = necks()
    nn.init.zeros_(panet.get_parameter("conv_n2down_p3.weight"))
    nn.init.zeros_(panet.get_parameter("conv_n2down_p3.bias"))
    p = pyramid()
    before = panet(*p)
    assert changed(before, panet(p[0] + 1, p[1] + 1, p[2], p[3]))[2:] == [False, False]
    assert changed(before, panet(p[0], p[1], p[2] + 1, p[3]))[2]


def test_next_step_starts_from_n_after_its_convolution() -> None:
    """Starting from the sum before the convolution, as mmdetection does, n4 would stay the same."""
    _, panet = necks()
    before = panet(*pyramid())
    with torch.no_grad():
        panet.get_parameter("conv_n2down_p3.bias").add_(1.0)
    assert changed(before, panet(*pyramid())) == [False, True, True, True]


def test_change_of_c2_reaches_every_n() -> None:
    fpn, panet = necks()
    c = pyramid()
    assert changed(panet(*fpn(*c)), panet(*fpn(c[0] + 1, *c[1:]))) == [True] * 4


def test_change_of_p5_reaches_only_n5() -> None:
    _, panet = necks()
    p = pyramid()
    assert changed(panet(*p), panet(*p[:3], p[3] + 1)) == [False, False, False, True]


def test_only_n2_may_be_negative_and_is_p2_itself() -> None:
    _, panet = necks()
    p = pyramid()
    n = panet(*p)
    assert n[0] is p[0]
    assert n[0].min() < 0
    assert all(x.min() >= 0 for x in n[1:])


def test_downsampled_maps_are_rectified_before_the_sum() -> None:
    _, panet = necks()
    seen: list[Tensor] = []
    panet.get_submodule("sum_n2down_p3").register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    panet(*pyramid())
    assert seen[0].min() == 0


def test_nothing_is_changed_in_place() -> None:
    fpn, panet = necks()
    c = pyramid()
    p = fpn(*c)
    kept = [x.clone() for x in (*c, *p)]
    panet(*p)
    assert all(torch.equal(a, b) for a, b in zip(kept, (*c, *p), strict=True))


def test_gradients_are_right_in_float64() -> None:
    torch.manual_seed(0)
    fpn, panet = FPN((2, 2, 2), 2).double(), PANet(2, levels=3).double()
    c = [torch.randn(1, 2, s, s, dtype=torch.float64, requires_grad=True) for s in (5, 3, 2)]
    assert torch.autograd.gradcheck(lambda *maps: panet(*fpn(*maps)), c)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = BackboneNeck()
    torch.stack([n.mean() for n in network(torch.randn(1, 3, 64, 64))]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    dead = [name for name, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert dead == []


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (50, 32), (224, 161)])
def test_any_image_of_32_px_or_more_is_taken(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        n = BackboneNeck()(torch.empty(1, 3, *size))
    for level, x in enumerate(n, start=2):
        assert tuple(x.shape[-2:]) == tuple(-(-side // 2**level) for side in size)
