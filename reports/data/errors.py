"""The one error of this package."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class ReportError(Exception):
    """A file that cannot be read, or an output that cannot be written; one line for the user."""


@contextlib.contextmanager
def damaged(path: Path, then: str) -> Iterator[None]:
    """Raise `ReportError` where what was read of a file is not as it should be.

    Args:
        path: of the file.
        then: what the user is to do.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged result file ({kind}: {error}); {then}") from error
