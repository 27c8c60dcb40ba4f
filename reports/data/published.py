"""What others report for the price of PANet: accuracy, and the one published pair of latencies.

Theirs, not ours: other machines, other networks around the neck, no intervals.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One figure and where it is from."""

    what: str
    fpn: str
    panet: str
    gain: str
    source: str


PUBLISHED = (
    Published(
        "mask AP, COCO, ResNet-50, the bottom-up path alone",
        "",
        "",
        "+0.7",
        "Liu et al., Path Aggregation Network for Instance Segmentation, 2018, table of ablations",
    ),
    Published(
        "box AP, COCO, ResNet-50, the bottom-up path alone", "", "", "+0.9", "the same table"
    ),
    Published("box AP, COCO, re-run", "", "", "+0.1", "mmdetection, model zoo of PAFPN"),
    Published(
        "latency of Faster R-CNN R50, V100, batch 1, 800x1333",
        "46.73 ms",
        "58.14 ms",
        "+24.4 %",
        "mmdetection, model zoo; no interval, the checkpoints are months apart",
    ),
)
"""mmdetection's PAFPN starts each step from the sum before the convolution: another network."""
