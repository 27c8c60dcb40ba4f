"""The one way to open an engine: its processes, its journal and its progress, closed at the end."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.engine.launcher import Launcher, ServerLauncher
from bench.engine.plan import Plan
from bench.engine.preloading import needed_by
from bench.engine.progress import ProgressBar
from bench.engine.scheduler import Engine
from bench.machine.environment import usable_cores
from bench.schema import journal, run_folders
from bench.schema.case import Case


@contextlib.contextmanager
def launched(
    scratch_dir: Path,
    cases: Sequence[Case],
    *,
    allocator: bool = True,
    one_server: bool = False,
    traces: bool = False,
) -> Iterator[ServerLauncher]:
    """Provide the processes for some cases.

    Args:
        scratch_dir: where results and logs go; made if it is not there.
        cases: what they will run.
        allocator: whether malloc is to keep its pages.
        one_server: whether all timed workers are to come from one server.
        traces: whether they are profiled.
    """
    scratch_dir.mkdir(parents=True, exist_ok=True)
    launcher = ServerLauncher(
        scratch_dir,
        needed_by(cases, traces=traces),
        usable_cores(),
        allocator=allocator,
        one_server=one_server,
    )
    try:
        yield launcher
    finally:
        launcher.close()


def launched_for(plan: Plan) -> contextlib.AbstractContextManager[ServerLauncher]:
    """Provide the processes for a plan."""
    design = plan.design
    return launched(
        Path(plan.scratch_dir),
        plan.cases,
        allocator=design.allocator,
        one_server=design.one_server,
    )


@contextlib.contextmanager
def opened(
    plan: Plan,
    folder: Path,
    header: Mapping[str, Any],
    console: Console,
    *,
    must_match: Mapping[str, str] | None = None,
    launcher: Launcher | None = None,
    known: journal.Entries | None = None,
    adds: str = "PANet adds",
) -> Iterator[Engine]:
    """Provide an engine whose journal is in a folder: begun, or gone on with where there is one.

    Args:
        plan: what is measured.
        folder: of the journal.
        header: what identifies the measurement.
        console: hears how far it is.
        must_match: of the header, what a measurement that goes on shares with its first part.
        launcher: starts the processes, and is the caller's to close; otherwise fork servers do.
        known: findings from elsewhere, which are not checked again.
        adds: what the progress calls what is known of the cases.

    Raises:
        BenchError: the folder has another measurement in it, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        log = journal.Journal.open(folder, header)
        stack.callback(log.close)
        entries = log.entries
        if must_match is not None:
            run_folders.refuse_other(folder.name, entries.header, header, must_match)
        if known is not None:
            entries.findings.update(known.findings)
        if launcher is None:
            launcher = stack.enter_context(launched_for(plan))
        bar = stack.enter_context(ProgressBar(console, adds))
        yield Engine(plan, launcher, log, time.monotonic, bar, entries)
