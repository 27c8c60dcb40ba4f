"""``python -m reports``: reads result files and answers."""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from reports import frames, render
from reports.errors import ReportError

TABLE_WIDTH = 150
"""Characters that the table needs: a narrower terminal wraps lines, but loses no digit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line about bad input."""
    arguments = _parser().parse_args(argv)
    try:
        return _cost(
            arguments.files,
            arguments.out,
            Console(width=max(shutil.get_terminal_size().columns, TABLE_WIDTH)),
        )
    except ReportError as error:
        print(f"python -m reports: {error}", file=sys.stderr)
        return 2


def _cost(files: Sequence[Path], out: Path | None, console: Console) -> int:
    if out is None and len(files) > 1:
        raise ReportError("several files: say with --out DIR where the report goes")
    first = frames.read_document(files[0])["panet"]
    table = frames.cost(frames.load(files), first["half_width"])
    heading = _heading(first, len(files))
    render.show(table, console, heading)
    for path in render.write(table, out or files[0].parent, heading):
        console.print(f"wrote {path}", style="dim", markup=False)
    return 0


def _heading(run: Mapping[str, Any], files: int) -> str:
    environment = run["environment"]
    others = f", and {files - 1} more" if files > 1 else ""
    cpu = f"{environment.get('cpu')}, {environment.get('cores')} cores"
    machine = environment.get("accelerator") or cpu
    torch = environment.get("libraries", {}).get("torch")
    return f"Cost of PANet on top of FPN: run {run['run_id']}{others}; {machine}; torch {torch}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cost = commands.add_parser("cost", help="what PANet costs, as table, CSV, Parquet and Markdown")
    cost.add_argument("files", nargs="+", type=Path, metavar="FILE")
    cost.add_argument("--out", type=Path, metavar="DIR", help="where to (beside a single FILE)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
