"""The commands of ``python -m bench`` that several machines can run, each by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.fleet import side_by_side
from bench.schema import files


@dataclass(frozen=True)
class Entry:
    """A command."""

    file: str
    """Of its folder: what it answers."""
    beside: Callable[[Mapping[str, Any]], Mapping[str, str]]
    """Of what is in that file: name -> what the machine says of it, for a table side by side."""
    always: tuple[str, ...] = ()
    """Options by which it goes on where it was."""
    alone: tuple[str, ...] = ()
    """Options that ask for something that only one machine can answer."""


COMMANDS = {
    "cost": Entry(files.COST, side_by_side.costs),
    "compare": Entry(files.COMPARE, side_by_side.verdicts, alone=("junit",)),
    "selftest": Entry(files.SELFTEST, side_by_side.false_alarms, always=("--in-all",)),
}
