"""``python -m bench``: the commands of the harness beside ``pytest bench``."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import fit, options, runs, selftest
from bench.engine import preload
from bench.environment import usable_cores
from bench.errors import BenchError
from bench.hog import LOADS
from bench.launcher import ServerLauncher
from bench.task import Task

FINE, BAD_INPUT = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.command(asked))
    except BenchError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("stopped; add --resume to go on", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "false-alarm rate and power of this installation, measured"
    test = commands.add_parser("selftest", help=about, description=about)
    test.add_argument("--trials", default="12", metavar="N", help="of each load (12)")
    test.add_argument(
        "--inject", default="0,1,2,5", metavar="LIST", help="slow-downs in percent (0,1,2,5)"
    )
    test.add_argument(
        "--load", default="none", metavar="LIST", help=f"what else runs: {', '.join(LOADS)} (none)"
    )
    test.add_argument("--quick", action="store_true", help="two small cases, one trial")
    test.add_argument("--run-dir", metavar="DIR", help="where runs are kept (reports/runs)")
    test.add_argument(
        "--resume", nargs="?", const=runs.LATEST, metavar="ID", help="add to an earlier self-test"
    )
    test.set_defaults(command=_selftest)
    about = "the largest batch that fits into memory, with FPN and with PANet"
    fits = commands.add_parser("fit", help=about, description=about)
    fits.add_argument("--memory", required=True, metavar="SIZE", help="such as 8GiB")
    for axis in options.AXES.values():
        if axis.name not in NOT_OF_FIT:
            fits.add_argument(axis.option, dest=axis.name, metavar="LIST", help=axis.help)
    fits.add_argument("--run-dir", metavar="DIR", help="where runs are kept (reports/runs)")
    fits.set_defaults(command=_fit)
    return parser


NOT_OF_FIT = ("batch_sizes", "compile")
"""The first is the answer; a compiled network's memory is the compiler's business."""


def _fit(asked: argparse.Namespace) -> int:
    axes = {
        name: text
        for name in options.AXES
        if name not in NOT_OF_FIT and (text := getattr(asked, name)) is not None
    }
    cases = options.sweep(options.GRID, axes)
    limit_bytes = options.parse_bytes("--memory", asked.memory)
    runs_dir = Path(asked.run_dir) if asked.run_dir else runs.RUNS_DIR
    folder = runs_dir / f"fit-{runs.new_run_dir(runs_dir).name}"
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder.mkdir(parents=True)
            # The allocator that keeps its pages takes memory in advance.
            launcher = ServerLauncher(
                Path(scratch), preload(cases), usable_cores(), allocator=False
            )
            try:
                task = Task("fit", cases[0], 0, scratch, None)
                search = fit.Search(launcher, task, lambda line: console.print(line, style="dim"))
                found = fit.find_all(search, cases, limit_bytes, folder)
            finally:
                launcher.close()
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror}; choose --run-dir") from error
    except ValueError as error:
        raise BenchError(str(error)) from error
    print(fit.table(found))
    print(f"wrote {folder / fit.FILE}")
    return FINE


def _selftest(asked: argparse.Namespace) -> int:
    runs_dir = Path(asked.run_dir) if asked.run_dir else runs.RUNS_DIR
    folder = selftest.find_folder(runs_dir, asked.resume)
    settings = selftest.Settings(
        trials=1 if asked.quick else options.positive("--trials")(asked.trials),
        sizes=tuple(size for text in asked.inject.split(",") if (size := _size(text))),
        loads=tuple(options.one_of("--load", LOADS)(text) for text in asked.load.split(",")),
        quick=asked.quick,
        folder=folder,
    )
    selftest.SelfTest(settings, Console(stderr=True)).run()
    print((folder / selftest.PAGE).read_text())
    print(f"wrote {folder / selftest.JSON}\nwrote {folder / selftest.PAGE}")
    return FINE


def _size(text: str) -> float:
    """Return a slow-down as a share; 0 is the identical code, which is always compared."""
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= MAX_PERCENT:
        raise BenchError(f"--inject {text!r}: give percents from 0 to {MAX_PERCENT:g}, such as 2,5")
    return percent / 100


MAX_PERCENT = 100.0


if __name__ == "__main__":
    sys.exit(main())
