"""Weights and multiply-accumulates at 640x640, beside what one reckons by hand from the papers."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.machine.environment import ROOT
from panet.necks import NECKS
from panet.necks.bifpn import BiFPN
from panet.necks.ccfm import CCFM
from panet.necks.concat_pan import ConcatPAN
from panet.necks.nas_fpn import NASFPN

C3, C4, C5 = 512, 1024, 2048
"""Channels of ResNet-50."""
P3, P4, P5, P6, P7 = (side * side for side in (80, 40, 20, 10, 5))
"""Pixels of the maps of an image of 640x640."""


def weights(neck: torch.nn.Module) -> int:
    """Return how many weights there are, without biases, norms, and the weights of sums."""
    return sum(p.numel() for p in neck.parameters() if p.ndim > 1)


def macs(neck: Any) -> int:
    pixels = dict(zip((3, 4, 5), (80, 40, 20), strict=True))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        shapes = zip(neck.in_channels, neck.levels, strict=False)
        neck(*(torch.empty(1, channels, pixels[k], pixels[k]) for channels, k in shapes))
    return int(counter.get_total_flops()) // 2


@pytest.mark.slow
@pytest.mark.parametrize(("width", "repeats"), [(64, 3), (88, 4), (160, 6)])
def test_bifpn(width: int, repeats: int) -> None:
    with torch.device("meta"):
        neck = BiFPN((C3, C4, C5), width, 3, repeats=repeats, extra_levels=2).eval()
    separable = 9 * width + width**2
    # c4 and c5 go into two nodes, with a projection for each, and c5 into p6 as well.
    projected = width * (C3 + 2 * C4 + 3 * C5)
    assert weights(neck) == projected + repeats * 8 * separable
    nodes = separable * (P3 + 2 * (P4 + P5 + P6) + P7)
    assert macs(neck) == width * (C3 * P3 + 2 * C4 * P4 + 3 * C5 * P5) + repeats * nodes


def csp(before: int, behind: int) -> int:
    half = behind // 2
    return 2 * before * half + 3 * (1 + 9) * half**2 + behind**2


def test_concat_pan_is_that_of_yolox_l() -> None:
    with torch.device("meta"):
        neck = ConcatPAN((256, 512, 1024), 256, 3).eval()
    down = {P5: 1024 * 512, P4: 512 * 256 + csp(1024, 512), P3: csp(512, 256)}
    up = {P4: 9 * 256**2 + csp(512, 512), P5: 9 * 512**2 + csp(1024, 1024)}
    stems = {P3: 256 * 256, P4: 512 * 256, P5: 1024 * 256}
    parts = (down, up, stems)
    assert weights(neck) == sum(sum(part.values()) for part in parts)
    assert macs(neck) == sum(pixels * count for part in parts for pixels, count in part.items())
    assert sum(up.values()) / sum((*down.values(), *up.values())) == pytest.approx(0.79, abs=0.005)


def test_other_widths_than_the_backbone_s_are_projected() -> None:
    with torch.device("meta"):
        narrow, wide = ConcatPAN((256, 512, 1024), 256, 3), ConcatPAN((C3, C4, C5), 256, 3)
    assert weights(wide) - weights(narrow) == C3 * 256 + C4 * 512 + C5 * 1024


@pytest.mark.parametrize("aifi", [False, True])
def test_ccfm_deployed(aifi: bool) -> None:
    with torch.device("meta"):
        neck = CCFM((C3, C4, C5), 256, 3, aifi=aifi).eval()
    one = 256**2
    before = weights(neck)
    neck.deploy()
    assert before - weights(neck) == 4 * 3 * one
    rep = 2 * 2 * one + 3 * 9 * one
    attention = (4 + 2 * 4) * one
    layers = {
        P3: C3 * 256 + rep,
        P4: C4 * 256 + one + 9 * one + 2 * rep,
        P5: C5 * 256 + one + 9 * one + rep + attention * aifi,
    }
    assert weights(neck) == sum(layers.values())
    scores = 2 * P5**2 * 256 * aifi
    assert macs(neck) == sum(pixels * count for pixels, count in layers.items()) + scores


def test_nas_fpn() -> None:
    with torch.device("meta"):
        neck = NASFPN((C3, C4, C5), 256, 3, extra_levels=2).eval()
    one = 256**2
    assert weights(neck) == 256 * (C3 + C4 + C5) + 2 * one + 7 * 7 * 9 * one
    lateral = 256 * (C3 * P3 + C4 * P4 + C5 * P5) + one * (P5 + P6)
    assert macs(neck) == lateral + 7 * 9 * one * (P3 + 3 * P4 + P5 + P6 + P7)


IN_CHANNELS = {2: 256, 3: C3, 4: C4, 5: C5, 6: 256, 7: 256}
"""Of a ResNet-50 and what `panet.levels` makes behind it."""


def counted(name: str, finest: int, coarsest: int) -> str:
    """Return a cell of the table in the docs: millions of weights, billions of MACs."""
    entry, levels = NECKS[name], range(finest, coarsest + 1)
    if entry.level_count not in (None, len(levels)):
        return ""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        neck = entry.build([IN_CHANNELS[k] for k in levels], 256, finest).eval()
        neck(*(torch.empty(1, IN_CHANNELS[k], 640 >> k, 640 >> k) for k in levels))
    parameters = sum(p.numel() for p in neck.parameters())
    return f"{parameters / 1e6:.2f} M, {counter.get_total_flops() / 2e9:.2f} G"


@pytest.mark.slow
def test_table_of_the_docs_is_what_is_counted() -> None:
    page = (ROOT / "docs" / "necks.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    stands = {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}
    assert stands == {
        name: [entry.about, *(counted(name, *ends) for ends in ((2, 5), (3, 5), (3, 7)))]
        for name, entry in NECKS.items()
    }
