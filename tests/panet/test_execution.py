"""The networks under torch's ways of running them: layout, compile, export, autocast."""

import pytest
import torch

from panet import FPN, BackboneNeck, PANet

CHANNELS = (8, 16, 24, 32)


class Neck(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fpn = FPN(CHANNELS, 16)
        self.panet = PANet(16)

    def forward(self, *c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        n: tuple[torch.Tensor, ...] = self.panet(*self.fpn(*c))
        return n


def pyramid(sides: tuple[int, ...] = (16, 8, 4, 2)) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(2, c, side, side, generator=generator)
        for c, side in zip(CHANNELS, sides, strict=True)
    )


@pytest.mark.parametrize("sides", [(16, 8, 4, 2), (17, 8, 4, 2)], ids=["even", "floor"])
def test_channels_last_in_is_channels_last_out(sides: tuple[int, ...]) -> None:
    neck = Neck().to(memory_format=torch.channels_last)
    c = [x.to(memory_format=torch.channels_last) for x in pyramid(sides)]
    for n in neck(*c):
        assert n.is_contiguous(memory_format=torch.channels_last)
        assert not n.is_contiguous()


def test_image_in_channels_last_comes_out_in_channels_last() -> None:
    network = BackboneNeck().to(memory_format=torch.channels_last)
    image = torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last)
    assert all(n.is_contiguous(memory_format=torch.channels_last) for n in network(image))


@pytest.mark.slow
def test_compiles_as_one_graph() -> None:
    """Captured by dynamo whole; the code generation behind it is the business of the benchmarks."""
    neck, c = Neck(), pyramid()
    torch._dynamo.reset()
    compiled = torch.compile(neck, fullgraph=True, dynamic=False, backend="aot_eager")
    for ours, eager in zip(compiled(*c), neck(*c), strict=True):
        torch.testing.assert_close(ours, eager)


def test_exports() -> None:
    neck, c = Neck(), pyramid()
    exported = torch.export.export(neck, c).module()
    for ours, eager in zip(exported(*c), neck(*c), strict=True):
        torch.testing.assert_close(ours, eager)


def test_autocast_gives_its_dtype() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert {n.dtype for n in Neck()(*pyramid())} == {torch.bfloat16}
