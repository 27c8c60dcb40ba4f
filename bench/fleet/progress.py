"""How far a fleet is, for whoever watches."""

import math
from collections.abc import Mapping
from typing import Any

from bench.engine.plan import Watch
from bench.fleet.scheduling import Scheduler
from bench.schema import text

TELL_S = 3.0
"""At least, between two drawings."""


class Progress:
    """Draws where something has changed, and rarely: a node may be this machine.

    Args:
        watch: hears of it.
        now_s: the time.
        unit: what a case is called.
    """

    def __init__(self, watch: Watch, now_s: float, unit: str) -> None:
        self._watch = watch
        self._unit = unit
        self._told: tuple[Any, ...] = ()
        self._next_s = now_s

    def asking(self, now_s: float, left_s: float) -> None:
        """Say that nodes are asked what they are."""
        self._draw(now_s, "asking the machines what they are", max(0.0, left_s), 0.0, {})

    def measuring(
        self,
        now_s: float,
        left_s: float,
        scheduler: Scheduler,
        total: int,
        lines: Mapping[str, int],
    ) -> None:
        """Say what is done, and what nodes do.

        Args:
            now_s: the time.
            left_s: of the budget.
            scheduler: knows the rest.
            total: cases, of all kinds.
            lines: node that measures -> lines of its journal.
        """
        done = sum(map(len, (*scheduler.done.values(), *scheduler.given_up.values())))
        known = {
            node.name: f"{text.counted(len(node.shard.cases), self._unit)}, "
            f"{_told(lines, node.name)}"
            for node in scheduler.nodes.values()
            if node.shard is not None
        }
        if math.isfinite(left_s):  # otherwise its end is nobody's to know
            left_s = min(max(0.0, left_s), scheduler.left_s(now_s))
        now = f"{done} of {total} {self._unit}s"
        self._draw(now_s, now, left_s, done / max(1, total), known)

    def _draw(
        self, now_s: float, now: str, left_s: float, share: float, known: Mapping[str, str]
    ) -> None:
        told = now, dict(known)
        if told != self._told and (now_s >= self._next_s or share >= 1.0):
            self._told, self._next_s = told, now_s + TELL_S
            self._watch.update(now, left_s, share, known)


def _told(lines: Mapping[str, int], node: str) -> str:
    return f"{max(0, lines[node] - 1)} lines" if node in lines else "waits"
