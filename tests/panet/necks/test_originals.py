"""Our necks, their weights: the same maps as the originals' formulas, and as the originals.

In float64, where the order of a sum leaves nothing to tolerate. The originals run where they are
installed; `docs/necks.md` says how.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from panet import InputError
from panet.necks import convert
from panet.necks.bifpn import BiFPN
from panet.necks.ccfm import CCFM
from panet.necks.concat_pan import ConcatPAN
from panet.necks.nas_fpn import NASFPN
from tests.panet.necks import originals
from tests.panet.necks.originals import Weights

CHANNELS = (16, 32, 64)
OUT = 8
SIZES = {
    "even": ((32, 64), (16, 32), (8, 16)),
    "rounded up": ((17, 21), (9, 11), (5, 6)),
    "rounded down": ((19, 23), (9, 11), (4, 5)),
}

Maps = tuple[Tensor, ...]
Original = Callable[[Mapping[str, Tensor], Maps], list[Tensor]]


@dataclass(frozen=True)
class Pair:
    ours: Callable[[], nn.Module]
    formula: Callable[..., list[Tensor]]
    converted: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    prefix: str
    """Of the names in a whole detector."""
    original: Original


def effdet(weights: Mapping[str, Tensor], c: Maps) -> list[Tensor]:
    effdet = pytest.importorskip("effdet", reason="an extra; make test installs it")
    config = effdet.get_efficientdet_config("efficientdet_d0")
    size = tuple(8 * side for side in c[0].shape[-2:])
    effdet.config.set_config_writeable(config)
    config.update(fpn_channels=OUT, fpn_cell_repeats=2, image_size=size)
    info = [{"num_chs": channels, "reduction": 8} for channels in CHANNELS]
    neck = effdet.efficientdet.BiFpn(config, info).double().eval()
    neck.load_state_dict(weights)
    return list(neck(list(c)))


def yolox(weights: Mapping[str, Tensor], c: Maps) -> list[Tensor]:
    models = pytest.importorskip("yolox.models", reason="install yolox to compare with it")
    width = CHANNELS[-1] / 1024
    whole = models.YOLOX(
        models.YOLOPAFPN(2 / 3, width), models.YOLOXHead(1, OUT / 256, in_channels=(256, 512, 1024))
    )
    stems = [models.network_blocks.BaseConv(channels, OUT, 1, 1) for channels in CHANNELS]
    whole.head.stems = nn.ModuleList(stems)
    whole.double().eval()
    for layer in whole.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 1e-3  # of yolox.exp
    found = whole.load_state_dict(weights, strict=False)
    assert not found.unexpected_keys
    assert all(name.startswith(("backbone.backbone.", "head.")) for name in found.missing_keys)
    whole.backbone.backbone = nn.Identity()  # which leaves the maps as they are
    maps = whole.backbone(dict(zip(("dark3", "dark4", "dark5"), c, strict=True)))
    return [stem(x) for stem, x in zip(whole.head.stems, maps, strict=True)]


def rt_detr(weights: Mapping[str, Tensor], c: Maps, *, aifi: bool) -> list[Tensor]:
    transformers = pytest.importorskip("transformers", reason="install it to compare with it")
    code = pytest.importorskip("transformers.models.rt_detr.modeling_rt_detr")
    config = transformers.RTDetrConfig(
        encoder_hidden_dim=OUT, encoder_ffn_dim=4 * OUT, encoder_layers=int(aifi)
    )
    whole: Any = nn.Module()
    whole.encoder_input_proj = nn.ModuleList(
        nn.Sequential(nn.Conv2d(channels, OUT, 1, bias=False), nn.BatchNorm2d(OUT))
        for channels in CHANNELS
    )
    whole.encoder = code.RTDetrHybridEncoder(config)
    whole.double().eval()
    missing, unexpected = whole.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.startswith("encoder.aifi.") and not aifi for name in missing)
    projected = [layer(x) for layer, x in zip(whole.encoder_input_proj, c, strict=True)]
    return list(whole.encoder(inputs_embeds=projected).last_hidden_state)


def mmdetection(weights: Mapping[str, Tensor], c: Maps) -> list[Tensor]:
    code = pytest.importorskip(
        "mmdet.models.necks.nas_fpn", reason="install mmdet to compare with it"
    )
    neck = code.NASFPN(list(CHANNELS), OUT, 5, 2, norm_cfg={"type": "BN"}).double().eval()
    neck.load_state_dict(weights)
    return list(neck(c))


PAIRS = {
    "bifpn": Pair(
        partial(BiFPN, CHANNELS, OUT, 3, repeats=2, extra_levels=2),
        partial(originals.effdet, out=OUT),
        convert.bifpn_from_effdet,
        "fpn.",
        effdet,
    ),
    "concat_pan": Pair(
        partial(ConcatPAN, CHANNELS, OUT, 3, widths=CHANNELS, bottlenecks=2),
        partial(originals.yolox, out=OUT),
        convert.concat_pan_from_yolox,
        "",
        yolox,
    ),
    "ccfm": Pair(
        partial(CCFM, CHANNELS, OUT, 3),
        partial(originals.rt_detr, out=OUT, aifi=False),
        convert.ccfm_from_transformers,
        "",
        partial(rt_detr, aifi=False),
    ),
    "ccfm with aifi": Pair(
        partial(CCFM, CHANNELS, OUT, 3, aifi=True),
        partial(originals.rt_detr, out=OUT, aifi=True),
        convert.ccfm_from_transformers,
        "",
        partial(rt_detr, aifi=True),
    ),
    "nas_fpn": Pair(
        partial(NASFPN, CHANNELS, OUT, 3, repeats=2, extra_levels=2),
        partial(originals.mmdetection, out=OUT),
        convert.nas_fpn_from_mmdetection,
        "neck.",
        mmdetection,
    ),
}

every_pair = pytest.mark.parametrize("name", PAIRS)


def pyramid(halved: str) -> Maps:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
        for channels, size in zip(CHANNELS, SIZES[halved], strict=True)
    )


def with_weights(pair: Pair, weights: Mapping[str, Tensor]) -> Any:
    """Return our neck with the weights of a detector, of which the neck is a part."""
    detector = {f"{pair.prefix}{name}": weight for name, weight in weights.items()}
    neck = pair.ours().double().eval()
    neck.load_state_dict(pair.converted(detector | {"somewhere.else": torch.zeros(1)}))
    return neck


def assert_equal(ours: Maps, theirs: list[Tensor]) -> None:
    for x, y in zip(ours, theirs, strict=True):
        assert y.std() > 0.05, "a map that says nothing"
        torch.testing.assert_close(x, y, rtol=0, atol=1e-12)


@every_pair
@pytest.mark.parametrize("halved", SIZES)
@torch.inference_mode()
def test_maps_are_those_of_the_formulas(name: str, halved: str) -> None:
    pair, weights, c = PAIRS[name], Weights(), pyramid(halved)
    theirs = pair.formula(weights, *c)
    assert_equal(with_weights(pair, weights)(*c), theirs)


@every_pair
@torch.inference_mode()
def test_maps_are_those_of_the_original(name: str) -> None:
    pair, weights, c = PAIRS[name], Weights(), pyramid("even")
    pair.formula(weights, *c)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what others import
        theirs = pair.original(weights, c)
    assert_equal(with_weights(pair, weights)(*c), theirs)


@torch.inference_mode()
def test_bifpn_s_odd_maps_are_those_of_the_original() -> None:
    """The others scale by a factor, and fail there."""
    pair, weights, c = PAIRS["bifpn"], Weights(), pyramid("rounded up")
    pair.formula(weights, *c)
    assert_equal(with_weights(pair, weights)(*c), pair.original(weights, c))


@torch.inference_mode()
def test_deployed_rep_blocks_give_the_same_maps() -> None:
    pair, weights, c = PAIRS["ccfm"], Weights(), pyramid("even")
    pair.formula(weights, *c)
    neck = with_weights(pair, weights)
    before = neck(*c)
    neck.deploy()
    neck.deploy()
    assert not any(".one." in name for name in neck.state_dict())
    assert_equal(neck(*c), list(before))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_weights_of_something_else_are_refused(pair: Pair) -> None:
    with pytest.raises(InputError, match="no weights of a neck among 1 names"):
        pair.converted({"head.conv.weight": torch.zeros(1)})
