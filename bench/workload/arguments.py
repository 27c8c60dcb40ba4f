"""What the command lines of several commands have in common: the axes, and where runs are kept."""

import argparse
from collections.abc import Collection
from pathlib import Path

from bench.schema import run_folders
from bench.schema.case import AXES
from bench.schema.errors import BenchError

DEFAULT_SEED = "0"
DEFAULT_TIMEOUT = "10m"
"""For one worker: several times what compiling the largest network of the presets takes."""


def output_file(option: str, name: str | None) -> Path | None:
    """Return a file that can be written, before anything is measured for it.

    Its folder is made.

    Raises:
        BenchError: it cannot be written.
    """
    if name is None:
        return None
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.open("a").close()
        if new:
            path.unlink()
    except OSError as error:
        raise BenchError(f"{option} {name}: {error.strerror}; name another file") from error
    return path


def add_axes(parser: argparse.ArgumentParser, leave_out: Collection[str] = ()) -> None:
    """Add an option for every axis but some."""
    for axis in AXES:
        if axis.option not in leave_out:
            parser.add_argument(axis.flag, dest=axis.option, metavar="LIST", help=axis.help)


def given_axes(request: argparse.Namespace) -> dict[str, str]:
    """Return the axes that were given, of those that the command has."""
    given = {axis.option: getattr(request, axis.option, None) for axis in AXES}
    return {name: text for name, text in given.items() if text is not None}


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where runs are kept."""
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=run_folders.RUNS_DIR,
        metavar="DIR",
        help="where runs are kept (%(default)s)",
    )


def add_resume(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option that goes on with an earlier run: the one of that id, or the newest."""
    parser.add_argument(
        "--resume", nargs="?", const=run_folders.LATEST, metavar="ID", help=f"{about} (the newest)"
    )
    parser.set_defaults(goes_on="add --resume to go on")
