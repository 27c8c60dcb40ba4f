"""``panet.optimize``: the same outputs, one shape, and nothing that is not what it says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from panet import InputError, build_neck, optimize

MAPS = [torch.rand(1, channels, side, side) for channels, side in ((8, 16), (16, 8))]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(8, 4, 3)

    def forward(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(fine).relu(), coarse * 2


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """What was given to the compiler, which returns it as it is."""
    given: list[nn.Module] = []

    def keep(network: nn.Module, **_: Any) -> nn.Module:
        given.append(network)
        return network

    monkeypatch.setattr(torch, "compile", keep)
    return given


def test_network_stays_as_it_was(uncompiled: list[nn.Module]) -> None:
    network = Small().train()
    fast = optimize(network, MAPS)
    (compiled,) = uncompiled
    assert compiled is not network
    assert (network.training, compiled.training) == (True, False)
    for one, other in zip(fast(*MAPS), network(*MAPS), strict=True):
        torch.testing.assert_close(one, other)
    assert not fast(*MAPS)[0].requires_grad


@pytest.mark.usefixtures("uncompiled")
def test_other_shapes_are_refused() -> None:
    fast = optimize(Small(), MAPS)
    with pytest.raises(InputError, match=r"1x8x16x16 float32.*optimized for.*1x16x8x8 float32"):
        fast(MAPS[0])


def test_what_is_not_on_the_cpu_is_refused() -> None:
    with pytest.raises(InputError, match="for the CPU"):
        optimize(Small(), [x.to("meta") for x in MAPS])


def test_other_outputs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: nn.Module, **_: Any) -> Callable[..., tuple[Tensor, ...]]:
        return lambda *x: tuple(y * 1.1 for y in network(*x))

    monkeypatch.setattr(torch, "compile", wrong)
    with pytest.raises(InputError, match=r"differs from itself by 1.0e-01"):
        optimize(Small(), MAPS)


@pytest.mark.process  # the compiler
@pytest.mark.filterwarnings("ignore")  # what it warns of is not ours
def test_weights_are_packed() -> None:
    from torch._dynamo.utils import counters

    def packed() -> int:
        return counters["inductor"]["mkldnn_conv_weight_pack_matcher_count"]

    neck = build_neck((8, 16), out_channels=8)
    counters.clear()
    fast = optimize(neck, MAPS)
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in neck.modules())
    assert packed() == convolutions
    # These are not copied: torch compiles once more, as they were not made in inference mode.
    fast(*(x.contiguous(memory_format=torch.channels_last) for x in MAPS))
    assert packed() == 2 * convolutions
