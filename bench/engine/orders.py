"""In which order the arms of a case take their turns: random, and balanced over the case."""

import itertools
import random
from collections.abc import Sequence

from bench.schema.tasks import Order


def orders(
    arms: Sequence[str], seed: str, first: int, count: int, order: Order = "balanced"
) -> list[tuple[str, ...]]:
    """Return rounds ``first`` to ``first + count`` of the endless sequence of ``seed``.

    The sequence is made of blocks; a block holds every permutation of the arms once, shuffled. So
    every arm stands in every place, and behind every other, equally often - whatever the replicates
    cut from the sequence.
    """
    if order == "fixed":
        return [tuple(arms)] * count
    if order == "blocks":
        return [(arm,) for arm in arms for _ in range(count)]
    block = list(itertools.permutations(arms))
    shuffle = random.Random(seed)  # noqa: S311 - not for secrets
    sequence: list[tuple[str, ...]] = []
    while len(sequence) < first + count:
        sequence += shuffle.sample(block, len(block))
    return sequence[first : first + count]
