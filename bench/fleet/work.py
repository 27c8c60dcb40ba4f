"""What a fleet is asked for, as its driver sees it: a sweep of cases, or a command as a whole.

Cases are what is dealt to nodes. Of a command there is one on every kind of machine: itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench.fleet.copies import Copy

Stored = Mapping[str, Any]
"""A case as a node said it, in JSON."""

Part_co = TypeVar("Part_co", covariant=True)
"""What a shard gave to its kind."""


class Work(Protocol[Part_co]):
    """What every kind of machine is asked for."""

    @property
    def program(self) -> str:
        """Which of `bench.fleet.programs.PROGRAMS` measures it."""

    @property
    def whole(self) -> bool:
        """Whether shards do more than their journals tell: one that broke gave nothing."""

    @property
    def unit(self) -> str:
        """What a case is called, to users."""

    def to_json(self) -> dict[str, Any]:
        """Return it as nodes are told it, and as the log of a fleet begins."""

    def files(self) -> str:
        """Return a digest of the user's files that every node has to have."""

    def other_files(self) -> str:
        """Return what is wrong with a node that has others, in a line."""

    def cases(self, told: Iterable[Stored]) -> dict[str, Stored]:
        """Return the cases that a node told, by their ids."""

    def forecasts(self, cases: Mapping[str, Stored], runs_dir: Path) -> Mapping[str, float]:
        """Return id -> about how many seconds a case takes; earlier runs say."""

    def arguments(self, cases: Sequence[str], budget_s: float) -> list[str]:
        """Return those of the program that measure some cases, by their ids."""

    def told(self, shard: str, cases: int | None = None) -> str:
        """Return what some, or all, of a shard's cases are called, to users."""

    def complete(self, copy: Copy, cases: Sequence[Stored]) -> set[str]:
        """Return the ids of cases that need nothing more, of a shard that broke.

        Raises one of `bench.fleet.copies.BAD` where its copy is damaged.
        """

    def part(self, copy: Copy, cases: Sequence[Stored], document: Stored | None) -> Part_co:
        """Return what a shard gave of some of its cases.

        Args:
            copy: of the shard; it is closed.
            cases: that count.
            document: that came at its end; `None` where it did not come to that.

        Raises one of `bench.fleet.copies.BAD` where that cannot be read.
        """

    def open_again(self, outcome: Sequence[str]) -> bool:
        """Return whether a case that ended so is measured in the next sitting once more.

        Args:
            outcome: status and reason, as the shard gave them.
        """
