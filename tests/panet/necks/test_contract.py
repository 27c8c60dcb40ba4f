"""What every neck of the table promises: sizes, channels, layouts, capture, refusals."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panet import InputError
from panet.necks import NECKS

CHANNELS = (6, 8, 10)
HALVED = {
    "even": ((16, 24), (8, 12), (4, 6)),
    "rounded up": ((17, 23), (9, 12), (5, 6)),
    "rounded down": ((19, 23), (9, 11), (4, 5)),
}

every_neck = pytest.mark.parametrize("name", NECKS)


def neck(name: str) -> Any:
    torch.manual_seed(0)
    return NECKS[name].build(CHANNELS, 16, 3).eval()


def pyramid(halved: str = "even") -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(2, channels, *size, generator=generator)
        for channels, size in zip(CHANNELS, HALVED[halved], strict=True)
    )


@every_neck
def test_neck_tells_its_levels_and_channels(name: str) -> None:
    built = neck(name)
    told = (built.in_channels, built.out_channels, built.levels)
    assert told == (CHANNELS, 16, (3, 4, 5))


@every_neck
@pytest.mark.parametrize("halved", HALVED)
@torch.inference_mode()
def test_maps_keep_their_sizes_and_their_layout(name: str, halved: str) -> None:
    built = neck(name).to(memory_format=torch.channels_last)
    c = pyramid(halved)
    out = built(*c)
    assert isinstance(out, tuple)
    assert [tuple(x.shape) for x in out] == [(2, 16, *size) for size in HALVED[halved]]
    last = built(*(x.to(memory_format=torch.channels_last) for x in c))
    for first, x in zip(out, last, strict=True):
        assert x.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(x, first)


@every_neck
def test_images_of_a_batch_do_not_meet(name: str) -> None:
    built, c = neck(name), pyramid()
    together, alone = built(*c), built(*(x[1:] for x in c))
    for both, one in zip(together, alone, strict=True):
        torch.testing.assert_close(both[1:], one)


@every_neck
def test_compiles_as_one_graph_and_exports(name: str) -> None:
    built, c = neck(name), pyramid("rounded up")
    eager = built(*c)
    torch._dynamo.reset()
    compiled = torch.compile(built, fullgraph=True, dynamic=False, backend="aot_eager")
    exported = torch.export.export(built, c).module()
    for captured in (compiled, exported):
        for ours, expected in zip(captured(*c), eager, strict=True):
            torch.testing.assert_close(ours, expected)


@every_neck
def test_every_parameter_gets_a_gradient(name: str) -> None:
    built = neck(name).train()
    torch.stack([x.square().mean() for x in built(*pyramid())]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    dead = [name for name, w in built.named_parameters() if w.grad is None or not w.grad.any()]
    assert dead == []


@every_neck
def test_every_weight_belongs_to_one_level(name: str) -> None:
    built = neck(name)
    layers = [layer for level in built.stages().values() for layer in level]
    owners = {
        weight: sum(weight.startswith(f"{layer}.") for layer in layers)
        for weight, _ in built.named_parameters()
    }
    assert set(owners.values()) == {1}, owners


@every_neck
@pytest.mark.parametrize(
    ("channels", "out_channels", "sentence"),
    [((8,), 16, "two levels or more"), ((8, 0), 16, "at least one"), ((8, 8), 0, "at least one")],
)
def test_what_is_no_pyramid_is_not_built(
    name: str, channels: tuple[int, ...], out_channels: int, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        NECKS[name].build(channels, out_channels, 3)


@every_neck
def test_maps_that_are_no_pyramid_are_refused(name: str) -> None:
    c3, c4, c5 = pyramid()
    with pytest.raises(InputError, match=r"expected 3 feature maps \(c3, c4, c5\), got 2"):
        neck(name)(c3, c4)
    with pytest.raises(InputError, match="c4 of 16x24 does not halve c3 of 16x24"):
        neck(name)(c3, c3.new_zeros(2, 8, 16, 24), c5)


@every_neck
def test_paper_s_levels_and_width_are_built(name: str) -> None:
    entry = NECKS[name]
    channels = [64 << k for k in entry.levels]
    with torch.device("meta"):
        built = entry.build(channels, entry.out_channels, entry.finest_level)
        out = built(
            *(
                torch.empty(1, c, 1024 >> k, 1024 >> k)
                for c, k in zip(channels, entry.levels, strict=True)
            )
        )
    assert [x.shape[-1] for x in out] == [1024 >> k for k in entry.levels]
    assert "\n" not in entry.about
