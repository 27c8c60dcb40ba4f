"""Networks that other packages offer by a name: entry points of the group `GROUP`.

``name = "package.module:factory"`` in the group's table of a ``pyproject.toml``; the factory is one
as `bench.workload.users` takes it.
"""

import difflib
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from bench.schema.errors import BenchError

GROUP = "panet_bench.networks"


@dataclass(frozen=True)
class Plugin:
    """A network of another package."""

    name: str
    factory: str
    """``module:factory``."""
    distribution: str
    """Name and version of what was installed."""
    broken: str
    """Why it cannot be had; empty: it can."""


def factory_of(name: str) -> str:
    """Return ``module:factory`` of a network that another package offers; empty: there is none.

    Raises:
        BenchError: it is offered by two, or is no function of a module.
    """
    offered = [entry for entry in _entries() if entry.name == name]
    if len({entry.value for entry in offered}) > 1:
        both = " and ".join(_distribution(entry) for entry in offered)
        raise BenchError(f"{name} is a network of {both}: name the one as module:factory")
    for entry in offered[:1]:
        if not re.fullmatch(r"[\w.]+:\w+", entry.value):
            who = _distribution(entry)
            raise BenchError(f"{name} of {who} is {entry.value!r}, which is no module:factory")
        return entry.value
    return ""


def like(name: str) -> str:
    """Return what to say of a name that nobody offers."""
    near = difflib.get_close_matches(name, [entry.name for entry in _entries()], n=1)
    return f"; or did you mean {near[0]}, of `panet-bench arms`?" if near else ""


def plugins() -> list[Plugin]:
    """Return what other packages offer, each tried: it is imported."""
    return [
        Plugin(entry.name, entry.value, _distribution(entry), _broken(entry))
        for entry in sorted(_entries(), key=lambda entry: (entry.name, _distribution(entry)))
    ]


def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "?"


def _broken(entry: EntryPoint) -> str:
    try:
        made = entry.load()
    except Exception as error:  # noqa: BLE001 - whatever another package raises while it is imported
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "" if callable(made) else f"{entry.value} is no function"
