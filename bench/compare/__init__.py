"""`bench compare` and `bench bisect`: has it become slower?

In: two revisions, or two folders. Out: verdicts per case and over all of them, as comment, JUnit
and JSON.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.compare.result import ComparisonResult


class _Room(ModuleType):
    """Is called, too: ``from bench import compare`` gives the room, as Python binds it there."""

    def __call__(self, base: str, head: str, **options: Any) -> "ComparisonResult":  # noqa: ANN401 - those of the command
        """Compare, as `bench.compare.api.compare` says."""
        from bench.compare.api import compare

        return compare(base, head, **options)


sys.modules[__name__].__class__ = _Room
