"""``python -m reports``: reads result files and answers."""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.stats.verdict import EXIT_CODES, overall
from reports.analysis import compare_files, compilation
from reports.data import extra_arms, frames, profiles
from reports.data.errors import ReportError
from reports.exports import tensorboard
from reports.pages import compare_files_page, cost_table

TABLE_WIDTH = 160
"""Characters that the table needs: a narrower terminal wraps lines, but loses no digit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line about bad input."""
    arguments = _parser().parse_args(argv)
    try:
        console = Console(width=max(shutil.get_terminal_size().columns, TABLE_WIDTH))
        if arguments.command == "profile":
            return _profile(arguments.run, arguments.out, console)
        if arguments.command == "compare":
            return _compare(arguments, console)
        if arguments.command == "history":
            return _history(arguments, console)
        if arguments.command == "export":
            return _export(arguments, console)
        return _cost(arguments, console)
    except ReportError as error:
        print(f"python -m reports: {error}", file=sys.stderr)
        return 2


def _cost(arguments: argparse.Namespace, console: Console) -> int:
    files, out = arguments.files, arguments.out
    if out is None and len(files) > 1:
        raise ReportError("several files: say with --out DIR where the report goes")
    from reports.analysis import breakeven  # its drawings take a second to import
    from reports.pages import cost_page

    limits = breakeven.Limits.parse(arguments.within)
    with frames.no_garbage():
        read = [frames.read(path) for path in files]
        frame = frames.frame_of(read)
    first = read[0].run
    table = frames.cost(frame, first["half_width"])
    heading = _heading(first, len(files))
    cost_table.show(table, console, heading)
    for sentence in compilation.sentences(compilation.table(frame)):
        console.print(sentence)
    for run_dir in dict.fromkeys(path.parent for path in files):
        for sentence in extra_arms.sentences(run_dir):
            console.print(sentence, markup=False, highlight=False)
    folder = out or files[0].parent
    written: list[Path | None] = [*cost_table.write(table, folder, heading)]
    written += cost_page.write(read, frame, table, folder, limits)
    written.append(tensorboard.write(table, folder, heading))
    for path in filter(None, written):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _profile(run: Path, out: Path | None, console: Console) -> int:
    from reports.pages import profile_page  # its drawings take a second to import

    folder = run if run.is_dir() else run.parent
    found = profiles.load(folder)
    sections, pages = profile_page.write(found, out or folder)
    written: list[Path | None] = [*pages]
    for section in sections:
        console.print(section.name, style="bold", markup=False, highlight=False)
        for sentence in (*section.sentences, *section.warnings):
            console.print(sentence, markup=False, highlight=False)
    table = frames.cost(found.table, found.run["half_width"])
    written.append(tensorboard.write(table, out or folder, _heading(found.run, 1)))
    for path in filter(None, written):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _compare(arguments: argparse.Namespace, console: Console) -> int:
    metrics = tuple(compare_files.METRICS)
    if arguments.metrics is not None:
        metrics = tuple(name.strip() for name in arguments.metrics.split(","))
        unknown = [name for name in metrics if name not in compare_files.METRICS]
        if unknown:
            raise ReportError(
                f"--metrics {', '.join(unknown)}: choose from {', '.join(compare_files.METRICS)}"
            )
    thresholds = compare_files.Thresholds.parse(arguments.threshold)
    table = compare_files.compare(arguments.base, arguments.head, thresholds, metrics)
    compare_files_page.show(table, console)
    folder = arguments.out or arguments.head.parent
    for path in compare_files_page.write(table, folder):
        console.print(f"wrote {path}", style="dim", markup=False)
    return EXIT_CODES[overall(table["verdict"])]


def _history(arguments: argparse.Namespace, console: Console) -> int:
    from reports.data import history  # their libraries take a second to import
    from reports.pages import history_page

    store = arguments.store
    if not arguments.paths and store is None:
        raise ReportError("name result files or folders of runs, or a store with --store")
    if store is None:
        table = history.collect(arguments.paths)
    else:
        if arguments.paths:
            added = history.add(history.collect(arguments.paths), store)
            console.print(f"{added} new runs in {store}", markup=False, highlight=False)
        table = history.read(store)
    changes = history.change_points(table)
    for sentence in history_page.sentences(changes):
        console.print(sentence, markup=False, highlight=False)
    folder = arguments.out or next((p for p in arguments.paths if p.is_dir()), Path.cwd())
    for path in history_page.write(table, changes, folder):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _export(arguments: argparse.Namespace, console: Console) -> int:
    from reports.data import history
    from reports.exports import trackers

    table = history.collect(arguments.paths)
    for path in trackers.export(table, arguments.format, arguments.out):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _heading(run: Mapping[str, Any], files: int) -> str:
    others = f", and {files - 1} more" if files > 1 else ""
    machine = cost_table.machine_of(run)
    return f"Cost of PANet on top of FPN: run {run['run_id']}{others}; {machine}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    cost = commands.add_parser("cost", help="what PANet costs, as table, CSV, Parquet and Markdown")
    cost.add_argument("files", nargs="+", type=Path, metavar="FILE")
    cost.add_argument("--out", type=Path, metavar="DIR", help="where to (beside a single FILE)")
    cost.add_argument(
        "--within", default="", metavar="LIMITS", help="of the break-evens (33.3ms,8GiB)"
    )
    profile = commands.add_parser("profile", help="where the time goes, as one page and CSV")
    profile.add_argument("run", type=Path, metavar="RUN", help="folder of a run with profiles")
    profile.add_argument("--out", type=Path, metavar="DIR", help="where to (into the run)")
    two = commands.add_parser("compare", help="two stored runs: has it become slower?")
    two.add_argument("base", type=Path, metavar="BASE.json")
    two.add_argument("head", type=Path, metavar="HEAD.json")
    two.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="SHARE",
        help="3%%, or 'resnet50-*=5%%' for some cases; repeatable (5%%)",
    )
    two.add_argument(
        "--metrics", metavar="LIST", help=f"of {', '.join(compare_files.METRICS)} (all)"
    )
    two.add_argument("--out", type=Path, metavar="DIR", help="where to (beside HEAD.json)")
    many = commands.add_parser("history", help="many runs: when did it begin?")
    many.add_argument("paths", nargs="*", type=Path, metavar="DIR|FILE", help="runs, ours or not")
    many.add_argument("--store", metavar="URL", help="folder or s3://... that keeps them all")
    many.add_argument("--out", type=Path, metavar="DIR", help="where the page goes")
    export = commands.add_parser("export", help="for other trackers of benchmarks")
    export.add_argument("format", choices=("github", "bencher", "otava", "asv"))
    export.add_argument("paths", nargs="+", type=Path, metavar="DIR|FILE")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="asv: a folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
