"""``python -m bench lab NAME``: the maintainers' evidence, in a checkout only."""

import argparse
import fnmatch
from pathlib import Path

from rich.console import Console

from bench.lab import history_trials
from bench.lab.histories import SLOWER
from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.stats.verdict import FINE
from bench.workload import arguments, axes


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, with a command of its own for every piece of evidence."""
    about = "the maintainers' evidence: gatetest"
    parser = commands.add_parser("lab", help=about, description=about)
    _add_gatetest(parser.add_subparsers(required=True, metavar="NAME"))


def _add_gatetest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "real histories through compare and bisect: what they find, and what they miss"
    parser = commands.add_parser("gatetest", help=about, description=about)
    for kind, default, about in (
        ("equal", "4", "histories of equal code"),
        ("slower", "4", "histories with a slow-down"),
        ("bisect", "1", "histories to bisect"),
        ("apart", "0", "histories of equal code, each side in processes of its own"),
    ):
        help_text = f"{about} (%(default)s)"
        parser.add_argument(f"--{kind}", default=default, metavar="N", help=help_text)
    about = "of the slow-downs (%(default)s)"
    parser.add_argument("--edit", default="*", metavar="PATTERN", help=about)
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "add to an earlier one")
    parser.set_defaults(command=_gatetest)


def _gatetest(request: argparse.Namespace) -> int:
    folder = _resumed(request) if request.resume else _new(request)
    counts = {kind: axes.whole(f"--{kind}")(getattr(request, kind)) for kind in history_trials.TRY}
    edits = tuple(edit for edit in SLOWER if fnmatch.fnmatch(edit.name, request.edit))
    if not edits:
        names = ", ".join(edit.name for edit in SLOWER)
        raise BenchError(f"--edit {request.edit}: matches none of {names}")
    settings = history_trials.Settings(**counts, folder=folder, edits=edits)
    history_trials.GateTest(settings, Console(stderr=True)).run()
    page = folder / history_trials.PAGE
    print(page.read_text())
    print(f"wrote {page}")
    return FINE


def _new(request: argparse.Namespace) -> Path:
    name = f"{history_trials.PREFIX}{run_folders.new_run_dir(request.run_dir).name}"
    return Path(request.run_dir / name)


def _resumed(request: argparse.Namespace) -> Path:
    pattern = f"{history_trials.PREFIX}*/{history_trials.TRIALS}"
    known: list[Path] = sorted(path.parent for path in request.run_dir.glob(pattern))
    wanted = [path for path in known if request.resume in (path.name, run_folders.LATEST)]
    if not wanted:
        raise BenchError(f"--resume {request.resume}: no such gate test in {request.run_dir}")
    return wanted[-1]
