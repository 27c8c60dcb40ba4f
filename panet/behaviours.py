"""What differs between seven FPNs with a bottom-up path: a table of facts, and no code.

`panet.general` is the network that follows a row; docs/behaviours.md is this table.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Initialisation(StrEnum):
    """How weights are drawn."""

    TORCH = "torch's default"
    XAVIER_FAN_IN = "U(±√(3 / fan-in)), biases 0"
    """Caffe2's XavierFill; in torch ``kaiming_uniform_`` with ``a=1``."""
    XAVIER = "U(±√(6 / (fan-in + fan-out))), biases 0"
    """Of Glorot and Bengio; in torch ``xavier_uniform_``."""


@dataclass(frozen=True)
class Behaviour:
    """One row of the table. Every fact is of the whole network, unless it names a path."""

    smooth_coarsest: bool
    """FPN has a 3x3 convolution of its coarsest level, too."""
    upsample_to_size: bool
    """Upsampled to the size of the next finer map; otherwise by a factor of 2, so that it must
    have exactly twice the sides."""
    group_norm: bool
    """Every convolution is followed by GroupNorm, of 32 groups."""
    fpn_bias: bool
    """FPN's convolutions have biases; those of the bottom-up path always do."""
    relu: bool
    """ReLU after every convolution of the bottom-up path (after its norm)."""
    next_from_sum: bool
    """The next step starts from the sum, before its 3x3 convolution; otherwise from n(i+1)."""
    pooled_level: bool
    """There may be levels beyond the coarsest: of every second pixel of the one before."""
    initialisation: Initialisation
    source: str
    """Where it was read."""


PAPER = Behaviour(
    smooth_coarsest=True,
    upsample_to_size=False,
    group_norm=False,
    fpn_bias=True,
    relu=True,
    next_from_sum=False,
    pooled_level=True,
    initialisation=Initialisation.TORCH,  # it says nothing
    source="arXiv 1612.03144, section 3, and 1803.01534, section 3.2",
)

OFFICIAL = replace(
    PAPER,
    relu=False,
    initialisation=Initialisation.XAVIER_FAN_IN,
    source="ShuLiu1993/PANet f055f71, `lib/modeling/FPN.py`",
)

BEHAVIOURS = {
    "article": replace(
        PAPER,
        smooth_coarsest=False,
        upsample_to_size=True,  # where its factor of 2 works, the bits are the same
        pooled_level=False,
        source="the article, as `panet.FPN` and `panet.PANet`",
    ),
    "paper": PAPER,
    "official": OFFICIAL,
    "official_gn": replace(
        OFFICIAL,
        group_norm=True,
        fpn_bias=False,
        relu=True,
        source="the same, with `FPN.USE_GN`",
    ),
    "mmdetection": replace(
        PAPER,
        upsample_to_size=True,
        relu=False,
        next_from_sum=True,
        initialisation=Initialisation.XAVIER,
        source="mmdet 3.3.0, `models/necks/pafpn.py`",
    ),
    "torchvision": replace(
        PAPER,
        upsample_to_size=True,
        initialisation=Initialisation.XAVIER_FAN_IN,
        source="torchvision 0.29.2, `ops/feature_pyramid_network.py`, and the paper's path",
    ),
    "detectron2": replace(
        PAPER,
        initialisation=Initialisation.XAVIER_FAN_IN,
        source="detectron2 02b5c4e, `modeling/backbone/fpn.py`, and the paper's path",
    ),
}
"""Name -> what it does."""
