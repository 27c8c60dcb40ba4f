"""``python -m bench``: the commands of the harness beside ``pytest bench``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import options, runs, selftest
from bench.errors import BenchError
from bench.hog import LOADS

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
    return parser


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
