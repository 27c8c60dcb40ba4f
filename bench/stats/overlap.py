"""How much of an exchange of gradients is hidden behind the backward pass.

Told from three calls that take turns, as timers inside would break the very overlap: a step of DDP,
the same step without the exchange, and the exchange alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.stats.intervals import Estimate, t_interval
from bench.stats.readings import centre

STEP, UNSYNCED, EXCHANGE = KINDS = ("step", "no_sync", "all_reduce")

Turns = Mapping[str, Mapping[str, Sequence[float]]]
"""Arm -> kind -> seconds of every round, in one set of processes."""


@dataclass(frozen=True)
class Overlap:
    """Of an arm, over sets of processes."""

    step_s: Estimate
    unsynced_s: Estimate
    exchange_s: Estimate
    """Of the same buckets, with nothing beside it."""
    exposed_s: Estimate
    """What the step takes longer for the exchange."""
    hidden: Estimate
    """Share of the exchange: 1 - exposed / alone. Below 0, it slows the backward pass as well."""


def slowest(ranks: Sequence[Turns]) -> Turns:
    """Return of every turn the time of the rank that took longest: a step ends with it."""
    return {
        arm: {kind: np.max([rank[arm][kind] for rank in ranks], axis=0).tolist() for kind in kinds}
        for arm, kinds in ranks[0].items()
    }


def overlap(replicates: Sequence[Turns], arm: str) -> Overlap:
    """Return what is known of an arm.

    Args:
        replicates: of a number that was fixed before.
        arm: one of theirs.
    """
    means = {
        kind: [centre(turns[arm][kind]) for turns in replicates]
        for kind in (STEP, UNSYNCED, EXCHANGE)
    }
    exposed = [_exposed_s(turns, arm) for turns in replicates]
    hidden = [1 - s / alone for s, alone in zip(exposed, means[EXCHANGE], strict=True)]
    return Overlap(*(t_interval(values) for values in (*means.values(), exposed, hidden)))


def more_exposed_s(replicates: Sequence[Turns], arm: str, base: str) -> Estimate:
    """Return how many seconds more of a step an arm waits for its gradients than another one."""
    return t_interval([_exposed_s(turns, arm) - _exposed_s(turns, base) for turns in replicates])


def _exposed_s(turns: Turns, arm: str) -> float:
    return centre(np.subtract(turns[arm][STEP], turns[arm][UNSYNCED]))
