"""The one base class of what the user can mend: says what, where, and what to do next."""


class BenchError(Exception):
    """One line for the user; ends in exit code 2 (pytest: its usage error)."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows in the place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


DEFECT = 70
"""Exit code of a failure of the program itself, as sysexits(3) has it: Python's own, 1, would say
"regressed"."""
