"""A sitting of a fleet: its log begun or gone on with, its nodes reached, its driver run."""

import contextlib
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from bench.engine.progress import ProgressBar
from bench.fleet import copies
from bench.fleet.driver import Fleet
from bench.fleet.executors import EXECUTORS, open_executor
from bench.fleet.kept import Kept
from bench.fleet.work import Work
from bench.machine.environment import code_digest
from bench.schema import run_folders

MUST_MATCH = {"asked": "the options", "code": "the code of panet/ or bench/"}
"""What a fleet that is gone on with shares with its first sitting; its nodes may be others."""

Part = TypeVar("Part")


@dataclass(frozen=True)
class Nodes:
    """Where somebody wants it measured."""

    executor: str
    hosts: tuple[str, ...]


def folder_of(runs_dir: Path, kind: str, resume: str | None) -> Path:
    """Return the folder of a fleet that is gone on with, or one for a new fleet, not made yet.

    Args:
        runs_dir: where runs are kept.
        kind: what the names of such folders begin with.
        resume: the name of one, or `run_folders.LATEST`; `None` for a new one.

    Raises:
        BenchError: there is no such fleet.
    """
    if resume is not None:
        return run_folders.find(runs_dir, kind, resume)
    return runs_dir / f"{kind}-{run_folders.new_run_dir(runs_dir).name}"


def sit(
    work: Work[Part],
    folder: Path,
    nodes: Nodes,
    budget_s: float,
    console: Console,
    lasting: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> tuple[Kept[Part], Fleet]:
    """Let the nodes measure what is asked for; return what was found, and the driver.

    Args:
        work: what is asked for.
        folder: of the fleet; nobody else is in it.
        nodes: who measures.
        budget_s: for all of it.
        console: hears what goes wrong, and how far it is.
        lasting: returns of the first line of a log what a later sitting has to share.

    Raises:
        BenchError: no node can measure, or another fleet was begun in the folder.
    """
    head: dict[str, Any] = {"asked": work.to_json(), "code": code_digest()}
    if (folder / copies.LOG).exists():
        began, now = next(copies.events(folder), {}), json.loads(json.dumps(head))
        run_folders.refuse_other(folder.name, lasting(began), lasting(now), MUST_MATCH)
    else:
        copies.Log.create(folder, head).close()
    with contextlib.ExitStack() as stack:
        executor = open_executor(nodes.executor, nodes.hosts, folder)
        stack.callback(executor.close)
        kept = Kept(folder, work)
        stack.callback(kept.close)
        fleet = Fleet(
            kept,
            executor,
            code=head["code"],
            budget_s=budget_s,
            apart=EXECUTORS[nodes.executor].apart,
            node_folder=str(folder / "nodes"),
            say=functools.partial(console.print, markup=False, highlight=False, soft_wrap=True),
            watch=stack.enter_context(ProgressBar(console, "does", of="node")),
        )
        fleet.run()
    return kept, fleet
