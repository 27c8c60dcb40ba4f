"""The one base class of what the user can mend: says what, where, and what to do next."""

import contextlib
import errno
from collections.abc import Iterator


class BenchError(Exception):
    """One line for the user; ends in exit code 2 (pytest: its usage error)."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows in the place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


STORAGE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES),
        *(errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    }
)
"""What a full, lost or locked disk answers, and one that cannot have such a name."""


NO_MEMORY = (
    "cannot allocate memory",
    "can't allocate memory",
    "failed to map segment",  # of a library that is to be imported
    "can't start new thread",
    "bad_alloc",
)


def lacks_memory(error: BaseException) -> bool:
    """Say whether an error is that there was no memory."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(mark in words for mark in NO_MEMORY)


@contextlib.contextmanager
def storage_faults(advice: str) -> Iterator[None]:
    """Turn what a full, lost or locked disk answers into a `BenchError` that ends in an advice.

    That there is no memory left is told in the same way.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise BenchError(f"there is no memory left; {advice}") from error
        if not isinstance(error, OSError) or error.errno not in STORAGE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise BenchError(f"{where}{error.strerror}; {advice}") from error


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

NO_ROOM = 74
"""Exit code of a worker that could not write, as sysexits(3) has it: no finding about its case."""

DEFECT = 70
"""Exit code of a failure of the program itself, as sysexits(3) has it: Python's own, 1, would say
"regressed"."""
