"""``--executor`` of ``python -m bench cost``, ``compare`` and ``selftest``: what is printed of it.

What measures is imported when it is to measure: it brings torch, and no help is to wait for that.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from bench.fleet import executors
from bench.fleet.commands import COMMANDS
from bench.schema import journal, run_folders, text
from bench.schema.errors import BenchError
from bench.workload import arguments

if TYPE_CHECKING:
    from bench.fleet.whole_commands import OfKind, WholeCommand


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Let commands that are there run on several machines as well."""
    for name in COMMANDS:
        parser = commands.choices[name]
        arguments.add_nodes(parser, executors.HELP, executors.HOSTS_HELP)
        parser.set_defaults(here=parser.get_default("command"), command=_run, name=name)


def _run(options: argparse.Namespace) -> int:
    if options.executor is None:
        if options.hosts is not None:
            raise executors.hosts_alone()
        return int(options.here(options))
    from bench.fleet import sitting
    from bench.fleet.whole_commands import WholeCommand, outcome, worst

    hosts = executors.check(options.executor, options.hosts)
    for option in COMMANDS[options.name].alone:
        if getattr(options, option) is not None:
            raise BenchError(f"--{option}: measure each machine by itself; no --executor then")
    options.check(options)
    work = WholeCommand(options.name, tuple(options.words[1:]))
    kind = run_folders.fleets_of(options.name)
    folder = sitting.folder_of(options.run_dir, kind, options.resume)
    with journal.locked(folder):
        nodes = sitting.Nodes(options.executor, hosts)
        kept, fleet = sitting.sit(work, folder, nodes, float("inf"), Console(stderr=True))
        found = outcome(kept, fleet)
    for line in _told(work, found):
        print(line)
    return worst(of.code for of in found)


def _told(work: "WholeCommand", found: "Sequence[OfKind]") -> Iterator[str]:
    """Yield what every kind printed, and what they say side by side."""
    from bench.fleet import programs, side_by_side

    for of in found:
        if of.answer is None:
            yield text.printable(f"{of.kind}: no answer: {of.why}\n")
            continue
        yield text.printable(f"{of.kind}: {of.node}, exit code {of.code}\n")
        refused = of.code not in programs.ANSWERS
        yield text.printable(f"{of.answer.said if refused else of.answer.printed.rstrip()}\n")
    beside = {
        of.kind: work.beside(of.answer.folder)
        for of in found
        if of.answer is not None and of.code in programs.ANSWERS
    }
    if len(beside) > 1:
        yield side_by_side.table(work.name, beside)
