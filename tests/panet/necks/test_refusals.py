"""What a single neck refuses, with a sentence that says what would be right."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from panet import InputError
from panet.necks.bifpn import BiFPN
from panet.necks.ccfm import CCFM
from panet.necks.concat_pan import ConcatPAN
from panet.necks.nas_fpn import NASFPN

THREE = (8, 8, 8)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: NASFPN(THREE), "3 in_channels, extra_levels=0: .* give 5 in all"),
        (lambda: NASFPN((8,) * 5, extra_levels=1), "give 5 in all"),
        (lambda: NASFPN((8,) * 5, repeats=0), "NASFPN of repeats=0: give 1 or more"),
        (lambda: BiFPN(THREE, repeats=0), "BiFPN of repeats=0: give 1 or more"),
        (lambda: BiFPN(THREE, extra_levels=-1), "BiFPN of extra_levels=-1: give 0 or more"),
        (lambda: ConcatPAN(THREE, widths=(8, 8)), "give one even width per level"),
        (lambda: ConcatPAN(THREE, 7), r"widths=\(7, 14, 28\): give one even width"),
        (lambda: CCFM(THREE).deploy(), r"deploy in training: call eval\(\) first"),
        (lambda: CCFM(THREE, 12, aifi=True), "AIFI of 12 channels: give a multiple of its 8 heads"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(call: Callable[[], Any], sentence: str) -> None:
    with torch.device("meta"), pytest.raises(InputError, match=sentence):
        call()
