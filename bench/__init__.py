"""The measuring: what a piece of a vision network costs.

The rooms, each importing those above it:

- `schema`: what is stored: case, recipe, record, task, journal, folder of a run
- `stats`: arrays in, arrays out: intervals, costs, sequential tests, verdicts
- `machine`: what is known of it: environment, clock, allocator, contention, GPU
- `workload`: from a case to arms that can be called: axes, inputs, networks, stages, marks
- `engine`: processes and turns: fork servers, workers, rounds, budget
- `profiling`: where the time goes, in processes of their own
- `run`: ``pytest bench``, a cost
- `fleet`: the same on several machines
- `compare`: ``bench compare`` and ``bisect``, has it become slower?
- `selftest`: the user's own proof
- `lab`: the maintainers' evidence; not in the wheel

The files beside the rooms are the face: options and printing. Begin with schema, workload, engine.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.compare.api import compare
    from bench.run.own.api import cost
    from bench.schema.errors import BenchError

__all__ = ["BenchError", "compare", "cost"]

_AT = {"BenchError": "bench.schema.errors", "cost": "bench.run.own.api"}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: whoever imports us needs no torch."""
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_AT[name]), name)
