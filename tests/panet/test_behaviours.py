"""Every behaviour is its original: the same maps of the same weights, whatever the sizes."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.machine.environment import ROOT
from panet import FPN, InputError, PANet, build_neck
from panet.behaviours import BEHAVIOURS, Behaviour
from panet.convert import from_original
from panet.neck import GeneralNeck
from tests.panet import originals, reference
from tests.panet.originals import CHANNELS, OUT

EVEN = ((16, 24), (8, 12), (4, 6), (2, 3))
CEIL = ((19, 30), (10, 15), (5, 8), (3, 4))
FLOOR = ((19, 30), (9, 15), (4, 7), (2, 3))
TO_SIZE = [name for name, behaviour in BEHAVIOURS.items() if behaviour.upsample_to_size]


def pyramid(sizes: Sequence[tuple[int, int]], channels: Sequence[int] = CHANNELS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    pairs = zip(channels, sizes, strict=True)
    return [torch.randn(2, c, *size, generator=generator) for c, size in pairs]


def neck(behaviour: str, weights: dict[str, Tensor], extra_levels: int = 1) -> GeneralNeck:
    """Return one with the weights; where they are the FPN's only, the path's are drawn."""
    torch.manual_seed(5)
    built = build_neck(CHANNELS, behaviour, OUT, extra_levels=extra_levels).eval()
    unmatched = built.load_state_dict(weights, strict=False)
    assert not unmatched.unexpected_keys
    assert all(name.startswith("panet.") for name in unmatched.missing_keys)
    return built


def same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def with_our_path(built: GeneralNeck, p: Sequence[Tensor]) -> list[Tensor]:
    n = reference.panet(built.state_dict(), p[0], p[1], p[2], p[3])
    return [*n, torch.nn.functional.max_pool2d(n[-1], 1, 2)]


@pytest.mark.parametrize("sizes", [EVEN, CEIL, FLOOR], ids=["even", "ceil", "floor"])
@torch.inference_mode()
def test_article_is_fpn_and_panet_bit_for_bit(sizes: Any) -> None:
    torch.manual_seed(3)
    fpn, path = FPN(CHANNELS, OUT), PANet(OUT)
    torch.manual_seed(3)
    built = build_neck(CHANNELS, "article", OUT)
    theirs = {f"fpn.{name}": weight for name, weight in fpn.state_dict().items()}
    theirs |= {f"panet.{name}": weight for name, weight in path.state_dict().items()}
    ours = built.state_dict()
    assert list(ours) == list(theirs)  # one seed gives one network
    assert all(torch.equal(ours[name], weight) for name, weight in theirs.items())
    c = pyramid(sizes)
    assert same(built(*c), path(*fpn(*c)))
    assert built.fpn.stages() == fpn.stages()
    assert built.panet.stages() == path.stages()


@pytest.mark.parametrize("normed", [False, True], ids=["plain", "GroupNorm"])
@torch.inference_mode()
def test_official_code(normed: bool) -> None:
    weights = originals.drawn("official", normed=normed)
    built = neck("official_gn" if normed else "official", from_original(weights, "official"))
    c = pyramid(EVEN)
    assert same(built(*c), originals.official(weights, c[0], c[1], c[2], c[3]))


@pytest.mark.parametrize("sizes", [EVEN, CEIL], ids=["even", "ceil"])
@torch.inference_mode()
def test_mmdetection(sizes: Any) -> None:
    weights = originals.drawn("mmdetection")
    built = neck("mmdetection", from_original(weights, "mmdetection"))
    c = pyramid(sizes)
    assert same(built(*c), originals.mmdetection(weights, c[0], c[1], c[2], c[3]))


@pytest.mark.parametrize("sizes", [EVEN, CEIL], ids=["even", "ceil"])
@torch.inference_mode()
def test_torchvision_s_own_fpn_and_our_path(sizes: Any) -> None:
    ops = pytest.importorskip("torchvision.ops", reason="an extra; make test installs it")
    theirs = ops.FeaturePyramidNetwork(list(CHANNELS), OUT)
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias"):  # which it sets to 0
            torch.nn.init.normal_(parameter)
    built = neck("torchvision", from_original(theirs.state_dict(), "torchvision"))
    c = pyramid(sizes)
    p = list(theirs(OrderedDict(zip("0123", c, strict=True))).values())
    assert same(built(*c), with_our_path(built, p))


@pytest.mark.parametrize("behaviour", ["detectron2", "paper"])
@torch.inference_mode()
def test_detectron2_and_our_path_which_is_the_paper_s_network(behaviour: str) -> None:
    weights = originals.drawn("detectron2")
    built = neck(behaviour, from_original(weights, "detectron2"))
    c = pyramid(EVEN)
    p = originals.detectron2(weights, c[0], c[1], c[2], c[3])
    assert same(built(*c), with_our_path(built, p))


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS.keys() - set(TO_SIZE)))
def test_what_doubles_refuses_other_sizes_as_its_original_does(behaviour: str) -> None:
    weights = originals.drawn("official")
    c = pyramid(CEIL)
    with pytest.raises(RuntimeError, match="must match"):
        originals.official(weights, c[0], c[1], c[2], c[3])
    with pytest.raises(InputError, match="map of 5x8 is not twice the next of 3x4"):
        build_neck(CHANNELS, behaviour, OUT)(*c)


@pytest.mark.parametrize("behaviour", TO_SIZE)
def test_what_resizes_takes_backbones_that_round_down(behaviour: str) -> None:
    n = build_neck(CHANNELS, behaviour, OUT)(*pyramid(FLOOR))
    assert [tuple(x.shape[-2:]) for x in n] == list(FLOOR)


def test_behaviours_differ_in_their_maps() -> None:
    """Of equal weights; those of the last two are only drawn otherwise than the paper's."""
    c = pyramid(EVEN)
    source = build_neck(CHANNELS, "paper", OUT).state_dict()
    maps = {}
    for name in BEHAVIOURS.keys() - {"official_gn"}:  # it has other weights
        built = build_neck(CHANNELS, name, OUT)
        built.load_state_dict(source, strict=False)
        with torch.inference_mode():
            maps[name] = [float(n.sum()) for n in built(*c)]
    assert maps["torchvision"] == maps["detectron2"] == maps["paper"]
    unlike = [maps[name] for name in ("article", "paper", "official", "mmdetection")]
    assert len({tuple(sums) for sums in unlike}) == 4
    # mmdetection's way is the official one up to n3.
    assert maps["mmdetection"][:2] == maps["official"][:2]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_initialisation_reaches_every_convolution(behaviour: str) -> None:
    torch.manual_seed(0)
    built = build_neck(CHANNELS, behaviour, OUT)
    for name, layer in built.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            fan_in = layer.in_channels * layer.kernel_size[0] ** 2
            fan_out = layer.out_channels * layer.kernel_size[0] ** 2
            bound = {
                "article": (1 / fan_in) ** 0.5,
                "paper": (1 / fan_in) ** 0.5,
                "mmdetection": (6 / (fan_in + fan_out)) ** 0.5,
            }.get(behaviour, (3 / fan_in) ** 0.5)
            assert 0.98 * bound < layer.weight.abs().max() <= bound, name
            if layer.bias is not None:
                assert bool(layer.bias.any()) == (behaviour in {"article", "paper"}), name


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_exports(behaviour: str) -> None:
    built, c = build_neck(CHANNELS, behaviour, OUT).eval(), tuple(pyramid(EVEN))
    exported = torch.export.export(built, c).module()
    for ours, eager in zip(exported(*c), built(*c), strict=True):
        torch.testing.assert_close(ours, eager)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"behaviour": "mmdet"}, "unknown behaviour 'mmdet'; did you mean mmdetection"),
        ({"behaviour": "x"}, "choose one of article, paper"),
        ({"in_channels": (8,)}, "two levels or more"),
        ({"out_channels": 0}, "at least one channel"),
        ({"behaviour": "official_gn", "out_channels": 40}, "a multiple of 32"),
        ({"extra_levels": 1}, "extra_levels=1: give 0: article has none"),
        ({"behaviour": "paper", "extra_levels": -1}, "give 0 or more"),
    ],
)
def test_wrong_uses_are_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build_neck(**wrong)


def test_page_has_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "behaviours.md").read_text()
    told = [line for line in page.splitlines() if line.startswith("| `")]
    assert told == [_row(name, of) for name, of in BEHAVIOURS.items()]


def _row(name: str, of: Behaviour) -> str:
    norm = f"GroupNorm{'' if of.fpn_bias else ', FPN without biases'}" if of.group_norm else "none"
    cells = (
        f"`{name}`",
        "yes" if of.smooth_coarsest else "no",
        "to size" if of.upsample_to_size else "x2",
        norm,
        "yes" if of.relu else "no",
        "the sum before its convolution" if of.next_from_sum else "n(i+1)",
        "pooled" if of.pooled_level else "no",
        str(of.initialisation),
    )
    return f"| {' | '.join(cells)} |"
