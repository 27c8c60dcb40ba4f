"""``python -m reports``: reads result files and answers."""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from reports import compilation, dashboards, frames, profiles, render
from reports.errors import ReportError

TABLE_WIDTH = 160
"""Characters that the table needs: a narrower terminal wraps lines, but loses no digit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line about bad input."""
    arguments = _parser().parse_args(argv)
    try:
        console = Console(width=max(shutil.get_terminal_size().columns, TABLE_WIDTH))
        if arguments.command == "profile":
            return _profile(arguments.run, arguments.out, console)
        return _cost(arguments.files, arguments.out, console)
    except ReportError as error:
        print(f"python -m reports: {error}", file=sys.stderr)
        return 2


def _cost(files: Sequence[Path], out: Path | None, console: Console) -> int:
    if out is None and len(files) > 1:
        raise ReportError("several files: say with --out DIR where the report goes")
    first = frames.read_document(files[0])["panet"]
    frame = frames.load(files)
    table = frames.cost(frame, first["half_width"])
    heading = _heading(first, len(files))
    render.show(table, console, heading)
    for sentence in compilation.sentences(compilation.table(frame)):
        console.print(sentence)
    folder = out or files[0].parent
    written = [*render.write(table, folder, heading), dashboards.write(table, folder, heading)]
    for path in filter(None, written):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _profile(run: Path, out: Path | None, console: Console) -> int:
    from reports import profile_page  # its drawings take a second to import

    folder = run if run.is_dir() else run.parent
    found = profiles.load(folder)
    sections, pages = profile_page.write(found, out or folder)
    written: list[Path | None] = [*pages]
    for section in sections:
        console.print(section.name, style="bold", markup=False, highlight=False)
        for sentence in (*section.sentences, *section.warnings):
            console.print(sentence, markup=False, highlight=False)
    table = frames.cost(found.table, found.run["half_width"])
    written.append(dashboards.write(table, out or folder, _heading(found.run, 1)))
    for path in filter(None, written):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _heading(run: Mapping[str, Any], files: int) -> str:
    others = f", and {files - 1} more" if files > 1 else ""
    machine = render.machine_of(run)
    return f"Cost of PANet on top of FPN: run {run['run_id']}{others}; {machine}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    cost = commands.add_parser("cost", help="what PANet costs, as table, CSV, Parquet and Markdown")
    cost.add_argument("files", nargs="+", type=Path, metavar="FILE")
    cost.add_argument("--out", type=Path, metavar="DIR", help="where to (beside a single FILE)")
    profile = commands.add_parser("profile", help="where the time goes, as one page and CSV")
    profile.add_argument("run", type=Path, metavar="RUN", help="folder of a run with profiles")
    profile.add_argument("--out", type=Path, metavar="DIR", help="where to (into the run)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
