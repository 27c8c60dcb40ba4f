"""What waits of a kind of machine: one queue, the long cases first, which is cut into shards.

Shards become smaller as the queue becomes shorter (guided self-scheduling: Polychronopoulos and
Kuck, 1987), so that all nodes end at about the same time.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

MIN_SHARD_S = 60.0
"""Of a forecast: several times what its process takes to start. Less where there is less to do."""

MAX_SHARD_S = 600.0
"""What at most is begun anew where a node is lost."""

MAX_CASES = 400
"""Of a shard: their ids are a single argument, and Linux has 128 KiB for that."""

SHARE = 0.5
"""Of what would be a node's part of the queue, by its pace; of its first shard half of that."""

ROUNDING = 1 + 1e-9


@dataclass
class Shard:
    """Some whole cases for one node."""

    name: str
    cases: tuple[str, ...]
    """Their ids."""
    forecast_s: float
    attempts: int = 0
    whole: bool = True
    """Whether it is measured in one go: otherwise its seconds are not those of its forecast."""


@dataclass
class Pace:
    """How fast somebody is."""

    done_s: float = 0.0
    """Of forecasts, of what was measured."""
    busy_s: float = 0.0
    """In which it was."""

    def add(self, done_s: float, busy_s: float) -> None:
        """Hear of a shard that was measured."""
        self.done_s += done_s
        self.busy_s += busy_s

    def beside(self, all_of_them: "Pace") -> float:
        """Return how fast it is beside the others of its kind; of an unknown one be careful."""
        if not (self.done_s and self.busy_s):
            return 0.5
        return self.done_s / self.busy_s / (all_of_them.done_s / all_of_them.busy_s)


class Queue:
    """The cases of a kind that nobody has begun.

    Args:
        seconds: id -> forecast, of all cases of the kind.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.pace = Pace()
        """Of all nodes of the kind together."""
        self.left_s = self._total_s = sum(seconds.values())
        self.alone: list[str] = []
        """Cases of shards that broke: each is to be a shard of its own."""
        self._seconds = dict(seconds)
        self._open = sorted((s, case) for case, s in seconds.items())
        """The long ones are at the end."""

    @property
    def cases(self) -> list[str]:
        """All that wait."""
        return [*self.alone, *(case for _, case in self._open)]

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._open or self.alone)

    def forecast_s(self, cases: Iterable[str]) -> float:
        """Return the seconds of some cases."""
        return sum(self._seconds[case] for case in cases)

    def take(self, pace: Pace, nodes: int, may: Callable[[str], bool]) -> tuple[str, ...]:
        """Take out the cases of a node's next shard, if any.

        Args:
            pace: of the node.
            nodes: that measure.
            may: whether it may have a case of those that are alone.
        """
        if self._open:
            taken = self._longest(pace, nodes)
        else:
            taken = list(itertools.islice(filter(may, self.alone), 1))
            for case in taken:
                self.alone.remove(case)
        self.left_s = max(0.0, self.left_s - self.forecast_s(taken))
        return tuple(taken)

    def put_alone(self, cases: Iterable[str]) -> None:
        """Let cases wait again, each for a shard of its own."""
        for case in cases:
            self.alone.append(case)
            self.left_s += self._seconds[case]

    def take_out(self, cases: Collection[str]) -> None:
        """Let cases wait no more."""
        out = set(cases)
        self._open = [each for each in self._open if each[1] not in out]
        self.alone = [case for case in self.alone if case not in out]
        self.left_s = self.forecast_s(self.cases)

    def _longest(self, pace: Pace, nodes: int) -> list[str]:
        least_s = min(MIN_SHARD_S, self._total_s / nodes)
        share = SHARE * pace.beside(self.pace)
        target_s = min(MAX_SHARD_S, max(least_s, share * self.left_s / nodes))
        taken: list[str] = []
        taken_s = 0.0
        while self._open and len(taken) < MAX_CASES:
            seconds, case = self._open[-1]
            if taken and taken_s + seconds > target_s * ROUNDING:
                break
            self._open.pop()
            taken.append(case)
            taken_s += seconds
        return taken
