"""How far the run is: a bar with the time left; nothing where the output is no terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn


class ProgressBar:
    """A `bench.engine.scheduler.Watch` that draws on the terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[left]} left"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[doing]}  [dim]{task.description}[/dim]"),
            console=console,
            transient=True,
            auto_refresh=False,  # no thread that wakes up beside what is timed
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=1.0, left="--:--", doing="starting")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self._progress.stop()

    def update(self, case_id: str, doing: str, left_s: float, share_done: float) -> None:
        """Draw once; called between processes, never while one is timed."""
        left = f"{int(left_s) // 60:02d}:{int(left_s) % 60:02d}"
        self._progress.update(
            self._task, completed=share_done, description=case_id, doing=doing, left=left
        )
        self._progress.refresh()
