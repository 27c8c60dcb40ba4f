"""What every neck of the table promises: sizes, channels, layouts, capture, refusals."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panet import InputError
from panet.necks import NECKS

CHANNELS = (6, 8, 10, 12, 14)
HALVED = {
    "even": ((32, 48), (16, 24), (8, 12), (4, 6), (2, 3)),
    "rounded up": ((33, 45), (17, 23), (9, 12), (5, 6), (3, 3)),
    "rounded down": ((39, 47), (19, 23), (9, 11), (4, 5), (2, 2)),
}

ONCE: dict[str, dict[str, Any]] = {
    "bifpn": {"repeats": 1},
    "concat_pan": {"bottlenecks": 1},
    "ccfm": {"blocks": 1, "aifi": True},
    "nas_fpn": {"repeats": 1},
}
"""Of what comes several times, once: all that is to be captured, in a fifth of the time."""

every_neck = pytest.mark.parametrize("name", NECKS)


def count(name: str) -> int:
    """Return the paper's number of levels."""
    return len(NECKS[name].levels)


def neck(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    build: Any = NECKS[name].build
    return build(CHANNELS[: count(name)], 16, 3, **options).eval()


def pyramid(name: str, halved: str = "even") -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(2, channels, *size, generator=generator)
        for channels, size in zip(CHANNELS[: count(name)], HALVED[halved], strict=False)
    )


@every_neck
def test_neck_tells_its_levels_and_channels(name: str) -> None:
    built = neck(name)
    told = (built.in_channels, built.out_channels, built.levels)
    assert told == (CHANNELS[: count(name)], 16, tuple(range(3, 3 + count(name))))


@every_neck
@pytest.mark.parametrize("halved", HALVED)
@torch.inference_mode()
def test_maps_keep_their_sizes_and_their_layout(name: str, halved: str) -> None:
    built = neck(name).to(memory_format=torch.channels_last)
    c = pyramid(name, halved)
    out = built(*c)
    assert isinstance(out, tuple)
    assert [tuple(x.shape[-2:]) for x in out] == list(HALVED[halved])[: count(name)]
    assert {x.shape[:2] for x in out} == {(2, 16)}
    last = built(*(x.to(memory_format=torch.channels_last) for x in c))
    for first, x in zip(out, last, strict=True):
        assert x.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(x, first)


@every_neck
def test_images_of_a_batch_do_not_meet(name: str) -> None:
    built, c = neck(name), pyramid(name)
    together, alone = built(*c), built(*(x[1:] for x in c))
    for both, one in zip(together, alone, strict=True):
        torch.testing.assert_close(both[1:], one)


@pytest.mark.slow
@every_neck
def test_compiles_as_one_graph_and_exports(name: str) -> None:
    built, c = neck(name, **ONCE.get(name, {})), pyramid(name, "rounded up")
    eager = built(*c)
    torch._dynamo.reset()
    compiled = torch.compile(built, fullgraph=True, dynamic=False, backend="eager")
    exported = torch.export.export(built, c).module()
    captures: list[Any] = [compiled, exported]
    for captured in captures:
        for ours, expected in zip(captured(*c), eager, strict=True):
            torch.testing.assert_close(ours, expected)


@every_neck
def test_autocast_gives_its_dtype(name: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert {x.dtype for x in neck(name)(*pyramid(name))} == {torch.bfloat16}


@every_neck
def test_every_parameter_gets_a_gradient(name: str) -> None:
    built = neck(name)
    torch.stack([x.square().mean() for x in built(*pyramid(name))]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
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
    c3, c4, *coarser = pyramid(name)
    with pytest.raises(InputError, match=rf"expected {count(name)} feature maps \(c3, c4, .*got 2"):
        neck(name)(c3, c4)
    with pytest.raises(InputError, match="c4 of 32x48 does not halve c3 of 32x48"):
        neck(name)(c3, c3.new_zeros(2, 8, 32, 48), *coarser)


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
