"""The commands of ``python -m reports``: options, and what is printed."""

import argparse
import functools
import os
import shutil
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from bench.schema import text
from bench.schema.errors import DEFECT, lacks_memory
from bench.schema.files import COST, RESULTS
from bench.stats.verdict import EXIT_CODES, overall
from reports.analysis import compare_files, compilation, metrics, peers_and_caches, run_before
from reports.analysis.breakeven import Limits
from reports.analysis.names import run_letters
from reports.data import (
    frames,
    necks,
    own_runs,
    own_series,
    prices,
    profile_frames,
    profiles,
    result_files,
    run_series,
)
from reports.data.costs import cost
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.data.stages import stages
from reports.exports import tensorboard
from reports.pages import compare_files_page, cost_table

TABLE_WIDTH = 100
"""Characters that the table needs: a narrower terminal wraps lines, but loses no digit."""

BAD_INPUT = 2

NO_MEMORY = "there is no memory left; free some and try again"

RUN = f"folder of a run, or its {RESULTS} or {COST}"


class _Console(Console):
    """Says nothing more where nobody listens: the exit code is that of the answer."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader, as of ``| head``."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 2 after one line about bad input."""
    console = _Console(width=max(shutil.get_terminal_size().columns, TABLE_WIDTH))
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.command(arguments, console))
    except ReportError as error:
        print(f"python -m reports: {text.in_a_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # of a name that no file can have, of a disk
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"python -m reports: {text.in_a_line(told)}; name another", file=sys.stderr)
        return BAD_INPUT
    except Exception as error:  # noqa: BLE001 - Python's own exit code 1 would say "regressed"
        if lacks_memory(error):
            print(f"python -m reports: {NO_MEMORY}", file=sys.stderr)
            return BAD_INPUT
        traceback.print_exc()
        print("python -m reports: a defect of this program; please report it", file=sys.stderr)
        return DEFECT


def _cost(arguments: argparse.Namespace, console: Console) -> int:
    own = [path for path in arguments.runs if own_runs.is_own(path)]
    if own:
        return _own_cost(arguments, own, console)
    from reports.pages import (  # slow to import
        breakeven_blocks,
        cost_page,
        fleet_section,
        neck_section,
        price_section,
        pyramid,
    )

    limits = Limits() if arguments.within is None else Limits.parse(arguments.within)
    files = result_files.read_all(arguments.runs)
    home = arguments.out or fleet_section.home(arguments.runs)
    if home is None and len(files) > 1:
        raise ReportError("several runs: say with --out DIR where the report goes")
    frame = frames.frame_of(files)
    table, heading = cost(frame), _heading(files)
    found = stages(frame[frame["arm"] == "panet"])
    of_necks, damaged = necks.of_files(files)
    of_paper = prices.prices(files, frame, table)
    drawn = pyramid.of_cases(found, table, profile_frames.work(files))
    out = home or files[0].path.parent
    written = [  # before anything is said: a pipe may be closed, and a folder not writable
        *cost_table.write(table, out, heading),
        *cost_page.write(
            files, frame, table, found, (of_necks, damaged), of_paper, drawn, out, limits
        ),
        *pyramid.write(drawn, out),
        *neck_section.write(of_necks, out),
        *tensorboard.write(table, out, heading),
    ]
    cost_table.show(table, console, heading)
    _say(console, damaged)
    letters = run_letters(frame["run_id"])
    for file in files:
        run_id = file.run["run_id"]
        letter, of_run = letters.get(run_id, ""), frame[frame["run_id"] == run_id]
        said = [
            *run_before.sentences(file, functools.partial(run_series.of_file, file, of_run)),
            *compilation.sentences(compilation.table(of_run)),
            *peers_and_caches.sentences(file.path.parent),
            *neck_section.sentences(of_necks[of_necks["run_id"] == run_id]),
            *price_section.sentences(of_paper[of_paper["run_id"] == run_id]),
        ]
        _say(console, (f"{letter}: {sentence}" if letter else sentence for sentence in said))
    _say(console, fleet_section.sentences(files, table))
    if arguments.within is not None:
        _say(console, breakeven_blocks.sentences(table, limits))
    _wrote(console, written)
    return 0


def _own_cost(arguments: argparse.Namespace, own: Sequence[Path], console: Console) -> int:
    from reports.pages import own_page  # its drawings take a second to import

    if len(arguments.runs) > 1:
        raise ReportError(f"{own[0]} is a run of `panet-bench cost`: ask for its report alone")
    if arguments.within is not None:
        raise ReportError("--within: break-evens are of PANet on FPN; leave it out")
    run = own_runs.read(own[0])
    written = own_page.write(run, arguments.out or run.path.parent)
    own_page.show(run, console)
    _say(console, run_before.sentences(run.file, lambda: own_series.of_run(run)))
    _wrote(console, written)
    return 0


def _profile(arguments: argparse.Namespace, console: Console) -> int:
    from reports.pages import profile_page  # its drawings take a second to import

    found = profiles.load(arguments.run)
    out = arguments.out or found.file.path.parent
    sections, pages = profile_page.write(found, out)
    for section in sections:
        console.print(text.printable(section.name), style="bold", markup=False, highlight=False)
        _say(console, (*section.sentences, *section.warnings))
    _wrote(console, pages)
    _wrote(console, tensorboard.write(cost(found.table), out, _heading([found.file])))
    return 0


def _compare(arguments: argparse.Namespace, console: Console) -> int:
    base, head = (run_series.read(path) for path in (arguments.base, arguments.head))
    request = metrics.parse(arguments.metrics)
    thresholds = metrics.Thresholds.parse(arguments.threshold)
    table = compare_files.compare(base, head, thresholds, request, arguments.case)
    names = run_series.names((base, head))
    compare_files_page.show(table, console, names)
    if arguments.out is not None:
        from reports.pages import compare_page  # its drawings take a second to import

        _wrote(console, compare_files_page.write(table, arguments.out))
        runs = base.file.run, head.file.run
        _wrote(console, [compare_page.write(table, *runs, names, arguments.out)])
    return EXIT_CODES[overall(table["verdict"])]


def _history(arguments: argparse.Namespace, console: Console) -> int:
    from reports.analysis import change_points  # their libraries take a second to import
    from reports.data import history
    from reports.pages import history_page

    paths, store = arguments.paths, arguments.store
    if not paths and store is None:
        raise ReportError("name files or folders of runs, or a store with --store")
    table = history.collect(paths) if paths else history.read(store)
    if paths and store is not None:
        _say(console, [f"{history.add(table, store)} new runs in {store}"])
        table = history.read(store)
    changes = change_points.find(table)
    _say(console, history_page.sentences(changes, table))
    out = arguments.out or next((path for path in paths if path.is_dir()), Path.cwd())
    _wrote(console, history_page.write(table, changes, out))
    return 0


def _export(arguments: argparse.Namespace, console: Console) -> int:
    from reports.data import history
    from reports.exports import trackers

    table, said = trackers.chosen(history.collect(arguments.paths), arguments.metrics.split(","))
    _say(console, said)
    _wrote(console, trackers.export(table, arguments.format, arguments.out))
    return 0


def _heading(files: Sequence[ResultFile]) -> str:
    title = "Cost of PANet on top of FPN"
    machines = {str(file.run["run_id"]): text.machine(file.run["environment"]) for file in files}
    lines = [
        f"{letter or title}: run {run_id}; {machines[run_id]}"
        for run_id, letter in run_letters(machines).items()
    ]
    return "\n".join(lines if len(lines) == 1 else [title, *lines])


def _say(console: Console, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(text.printable(sentence), markup=False, highlight=False)


def _wrote(console: Console, paths: Iterable[Path]) -> None:
    for path in paths:
        console.print(f"wrote {text.printable(str(path))}", style="dim", markup=False)


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise ReportError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(prog="python -m reports")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "what PANet costs, as table, page, CSV, Parquet and Markdown"
    costs = commands.add_parser("cost", help=about, description=about)
    costs.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=RUN)
    costs.add_argument("--out", type=Path, metavar="DIR", help="where to (into a single RUN)")
    about = "of the break-evens (33.3ms,8GiB)"
    costs.add_argument("--within", metavar="LIMITS", help=about)
    costs.set_defaults(command=_cost)
    about = "where the time goes, as one page and CSV"
    profile = commands.add_parser("profile", help=about, description=about)
    profile.add_argument("run", type=Path, metavar="RUN", help=f"with profiles: {RUN}")
    profile.add_argument("--out", type=Path, metavar="DIR", help="where to (into RUN)")
    profile.set_defaults(command=_profile)
    about = "two stored runs: has it become slower?"
    two = commands.add_parser("compare", help=about, description=about)
    two.add_argument("base", type=Path, metavar="BASE", help=RUN)
    two.add_argument("head", type=Path, metavar="HEAD", help="the same")
    about = "3%%, or 'resnet50-*=5%%' for some cases; repeatable (5%%)"
    two.add_argument("--threshold", action="append", default=[], metavar="SHARE", help=about)
    about = f"of {', '.join(metrics.METRICS)} (all)"
    two.add_argument("--metrics", metavar="LIST", help=about)
    about = "only cases that match, such as those that both runs are to have"
    two.add_argument("--case", default="*", metavar="PATTERN", help=about)
    two.add_argument("--out", type=Path, metavar="DIR", help="write the table there as well")
    two.set_defaults(command=_compare)
    about = "many runs: when did it begin?"
    many = commands.add_parser("history", help=about, description=about)
    many.add_argument("paths", nargs="*", type=Path, metavar="DIR|FILE", help="runs, ours or not")
    many.add_argument("--store", metavar="URL", help="folder or s3://... that keeps them all")
    many.add_argument("--out", type=Path, metavar="DIR", help="where the page goes")
    many.set_defaults(command=_history)
    about = "for other trackers of benchmarks"
    export = commands.add_parser("export", help=about, description=about)
    about = "the tracker that is to read it"
    export.add_argument("format", choices=("github", "bencher", "otava", "asv"), help=about)
    about = "runs, ours or not"
    export.add_argument("paths", nargs="+", type=Path, metavar="DIR|FILE", help=about)
    about = "of cost, latency, control, which is the base against itself (%(default)s)"
    export.add_argument("--metrics", default="cost", metavar="LIST", help=about)
    about = "where to; for asv and otava a folder"
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help=about)
    export.set_defaults(command=_export)
    return parser
