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


@contextlib.contextmanager
def storage_faults(advice: str) -> Iterator[None]:
    """Turn what a full, lost or locked disk answers into a `BenchError` that ends in an advice."""
    try:
        yield
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise BenchError(f"{where}{error.strerror}; {advice}") from error


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

NO_ROOM = 74
"""Exit code of a worker that could not write, as sysexits(3) has it: no finding about its case."""

DEFECT = 70
"""Exit code of a failure of the program itself, as sysexits(3) has it: Python's own, 1, would say
"regressed"."""
