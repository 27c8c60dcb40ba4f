"""In which order the arms of a case take their turns: random, and balanced over the case.

Few arms come in every order. Of many there are too many orders: they come in the rows of a square
in which every arm stands in every place, and right behind every other, equally often (Williams
1949), each time with the arms dealt out anew.
"""

import itertools
import random
from collections.abc import Sequence

from bench.schema.tasks import Order

MOST_PERMUTED = 4
"""Arms of which every order comes: 24 orders, about what a case of slow calls gets in all."""


def orders(
    arms: Sequence[str], seed: str, first: int, count: int, order: Order = "balanced"
) -> list[tuple[str, ...]]:
    """Return rounds ``first`` to ``first + count`` of the endless sequence of ``seed``.

    The sequence is made of blocks. In a block every arm stands in every place, and behind every
    other, equally often - whatever the replicates cut from the sequence.
    """
    if order == "fixed":
        return [tuple(arms)] * count
    if order == "blocks":
        return [(arm,) for arm in arms for _ in range(count)]
    shuffle = random.Random(seed)  # noqa: S311 - not for secrets
    sequence: list[tuple[str, ...]] = []
    while len(sequence) < first + count:
        block = _block(arms, shuffle)
        sequence += shuffle.sample(block, len(block))
    return sequence[first : first + count]


def _block(arms: Sequence[str], shuffle: random.Random) -> list[tuple[str, ...]]:
    if len(arms) <= MOST_PERMUTED:
        return list(itertools.permutations(arms))
    dealt = shuffle.sample(arms, len(arms))
    # 0, 1, -1, 2, -2, ...: its steps are all different, so each row has other neighbours.
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(len(dealt))]
    rows = [
        tuple(dealt[(first + step) % len(dealt)] for step in zigzag) for first in range(len(dealt))
    ]
    # Of an odd number an arm is behind half of the others here, and behind the rest in the mirror.
    return rows if len(dealt) % 2 == 0 else [*rows, *(row[::-1] for row in rows)]
