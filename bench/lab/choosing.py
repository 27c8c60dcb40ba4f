"""Some of several named things, as an option names them."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bench.schema.errors import BenchError


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """What the option calls it."""


NamedT = TypeVar("NamedT", bound=Named)


def choose(known: Sequence[NamedT], only: str | None) -> tuple[NamedT, ...]:
    """Return those with the names of ``--only``, in this order; all of them without names.

    Raises:
        BenchError: there is none of such a name.
    """
    by_name = {each.name: each for each in known}
    names = [name.strip() for name in only.split(",")] if only else list(by_name)
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise BenchError(f"--only {', '.join(unknown)}: choose from {', '.join(by_name)}")
    return tuple(by_name[name] for name in names)
