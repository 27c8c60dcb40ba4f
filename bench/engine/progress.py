"""How far a run is: a table that fills while it is measured; without a terminal plain lines."""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from bench.schema.text import percent

LINES = 10
"""Plain ones in a run: one whenever a tenth of it is done."""

AROUND_TABLE = 3
"""Lines of the terminal that are not the table's."""

UNKNOWN = "--:--"
"""How long it still takes, where nobody knows."""


class ProgressBar:
    """A `bench.engine.plan.Watch` that draws on the terminal.

    Args:
        console: drawn on.
        of: what something is known of.
        known: what that is, as the head of its column.
    """

    def __init__(self, console: Console, known: str = "PANet adds", of: str = "case") -> None:
        self._console = console
        self._known = known
        self._of = of
        self._progress = Progress(
            TextColumn("{task.fields[left]} left"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:.0f} %"),
            TextColumn("{task.description}", markup=False),
            auto_refresh=False,  # no thread that wakes up beside what is timed
        )
        self._task = self._progress.add_task("starting", total=1.0, left=UNKNOWN)
        self._live = Live(self._progress, console=console, auto_refresh=False, transient=True)
        self._lines = 0

    def __enter__(self) -> Self:
        """Show how far it is."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was drawn."""
        self._live.stop()

    def update(
        self, now: str, left_s: float, share_done: float, known: Mapping[str, str] | None = None
    ) -> None:
        """Draw once; called between processes, never while one is timed."""
        left = UNKNOWN
        if math.isfinite(left_s):
            left = f"{int(left_s) // 60:02d}:{int(left_s) % 60:02d}"
        if not self._console.is_terminal:
            self._say(now, left, share_done, known or {})
            return
        self._progress.update(self._task, completed=share_done, description=now, left=left)
        table = _table(known or {}, self._of, self._known, self._console.height - AROUND_TABLE)
        self._live.update(Group(table, self._progress), refresh=True)

    def _say(self, now: str, left: str, share_done: float, known: Mapping[str, str]) -> None:
        """Print a line whenever a tenth more is done, or where much more turns out to be needed."""
        done = math.floor(share_done * LINES)
        if self._lines - 1 <= done <= self._lines:
            return
        self._lines = done
        sure = sum(said.endswith("ok") for said in known.values())
        counted = f": {sure} of {len(known)} cases are sure" if known else ""
        if self._of != "case":
            counted = f": {now}"
        left = f", at most {left} left" if left != UNKNOWN else ""
        said = f"{percent(share_done, 0)}{left}{counted}"
        self._console.print(said, highlight=False)


def _table(known: Mapping[str, str], of: str, head: str, most: int) -> Table:
    """Return what is known of the cases; of too many those that are not sure yet."""
    open_ones = {name: said for name, said in known.items() if not said.endswith("ok")}
    shown = known if len(known) <= most else dict(list(open_ones.items())[: max(0, most)])
    table = Table(box=None, pad_edge=False, show_header=bool(shown))
    table.add_column(of)
    table.add_column(head, justify="right")
    for name, said in shown.items():
        table.add_row(name, said)
    return table
