"""The parts of the PANet paper, what each is said to bring, and how its price is measured.

The AP is the authors' (Liu et al., "Path Aggregation Network for Instance Segmentation", arXiv
1803.01534v4, table 3: ResNet-50, COCO val-2017, trained in 2018), not ours. Every gain is between
two of its rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HEADS_ARMS = ("one_level", "pooling", "fusion", "heavier")
"""Of `panet.heads.PARTS`, in the order in which the paper adds them; the first has none."""

HEADS_AGAIN = "one_level_again"
"""The first once more (A/A)."""


def added() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every arm with those that it is compared with: the turns of the arm before it."""
    first, *others = HEADS_ARMS
    both = (first, HEADS_AGAIN)
    yield first, (HEADS_AGAIN,)
    for place, arm in enumerate(others):
        yield arm, both if place == 0 else (others[place - 1],)
    yield HEADS_AGAIN, (first,)


@dataclass(frozen=True)
class PaperPart:
    """A part, and what the paper says that it brings."""

    name: str
    letter: str
    """Of the paper's figure 2; empty where it has none."""
    scope: str
    """Whose cases tell its price: ``neck`` or ``heads``."""
    arm: str
    """With it: ``panet`` in the neck, otherwise of `HEADS_ARMS`."""
    mask_ap: float
    """Points of mask AP."""
    box_ap: float | None
    """Points of box AP, of a detector that learns masks as well; `None`: it is not told. That of
    the heavier head is over the row without fusion, too."""
    rows: str
    """The mask AP of the two rows of table 3 that it is between."""


PAPER_PARTS = (
    PaperPart(
        *("bottom-up path", "b", "neck", "panet", 0.7, 1.0),
        "36.4 - 35.7",
    ),
    PaperPart(
        *("adaptive feature pooling", "c", "heads", "pooling", 0.5, 0.7),
        "36.9 - 36.4",
    ),
    PaperPart(
        *("fully-connected fusion", "e", "heads", "fusion", 0.7, None),
        "37.6 - 36.9",
    ),
    PaperPart(
        *("heavier head", "d", "heads", "heavier", 0.2, 1.5),
        "37.8 - 37.6",
    ),
)
"""In the order of the paper's table."""
