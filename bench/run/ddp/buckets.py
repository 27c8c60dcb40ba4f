"""Which gradients travel together, and how both arms get buckets that can be compared.

DDP fills a bucket with gradients as they arrive, and sends it off when it holds so many bytes or
more. PANet's arrive first. Where its last one falls into a bucket with FPN's first, all later
buckets are others than those of FPN alone, and so is the last one, behind which no work is left
that could hide it: the arms would differ by chance. So the limit is one at which a bucket ends just
behind PANet's last gradient. It is DDP's `bucket_cap_mb`, which every version of torch has;
`bucket_cap_mb_list` is not needed.
"""

import itertools
from collections.abc import Collection, Mapping
from typing import TypedDict

from bench.workload.same_work import MismatchError

Arrivals = Mapping[str, int]
"""Parameter -> bytes of its gradient, in the order in which the backward pass finishes them."""


class Bucket(TypedDict):
    """Gradients that travel together."""

    bytes: int
    of: list[str]
    """The modules that they belong to, in the order in which they arrive."""


def filled(arrivals: Arrivals, limit_bytes: int) -> list[Bucket]:
    """Return the buckets in the order in which they are sent."""
    buckets: list[Bucket] = []
    for name, size in arrivals.items():
        if not buckets or buckets[-1]["bytes"] >= limit_bytes:
            buckets.append(Bucket(bytes=0, of=[]))
        last = buckets[-1]
        last["bytes"] += size
        last["of"] = list(dict.fromkeys((*last["of"], name.partition(".")[0])))
    return buckets


def comparable_limit(arrivals: Arrivals, shared: Collection[str], most_bytes: int) -> int:
    """Return the largest limit found at which a bucket ends behind what is not shared.

    Args:
        arrivals: of the arm that has more.
        shared: the parameters of the other arm.
        most_bytes: that are wanted in a bucket.

    Raises:
        MismatchError: what is not shared does not arrive first, so there is no such limit.
    """
    own = {name: size for name, size in arrivals.items() if name not in shared}
    if list(arrivals)[: len(own)] != list(own):
        raise MismatchError("gradients of the bottom-up path do not arrive before all others")
    # At the smallest one every bucket has one gradient.
    limits = {most_bytes, min(own.values()), *itertools.accumulate(own.values())}
    return max(x for x in limits if x <= most_bytes and filled(own, x)[-1]["bytes"] >= x)
