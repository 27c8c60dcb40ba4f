"""``python -m bench selftest``: options, and what is printed.

What measures is imported when it is to measure: it brings torch, and no help is to wait for that.
"""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.selftest.background_load import LOADS
from bench.stats.verdict import FINE
from bench.workload import arguments, units

if TYPE_CHECKING:
    from bench.selftest.request import SelfTestRequest

MAX_PERCENT = 100.0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    about = "false-alarm rate and power of this installation, measured"
    parser = commands.add_parser("selftest", help=about, description=about)
    add = parser.add_argument
    add("--trials", default="12", metavar="N", help="of each load (%(default)s)")
    about = "with --resume: --trials counts those that are there as well"
    add("--in-all", action="store_true", help=about)
    about = "slow-downs in percent (%(default)s)"
    add("--inject", default="0,0.5,1,2", metavar="LIST", help=about)
    about = f"what else runs: {', '.join(LOADS)} (%(default)s)"
    add("--load", default="none", metavar="LIST", help=about)
    add("--quick", action="store_true", help="two small cases, one trial")
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "add to an earlier self-test")
    parser.set_defaults(command=_selftest, check=_wanted)


def _wanted(options: argparse.Namespace) -> "SelfTestRequest":
    from bench.selftest.request import SelfTestRequest

    return SelfTestRequest(
        trials=1 if options.quick else units.positive("--trials")(options.trials),
        sizes=tuple(size for text in options.inject.split(",") if (size := _size(text))),
        loads=tuple(units.one_of("--load", LOADS)(text) for text in options.load.split(",")),
        quick=options.quick,
        folder=options.run_dir,
        in_all=options.in_all,
    )


def _selftest(options: argparse.Namespace) -> int:
    from bench.selftest import document, session
    from bench.selftest.request import KIND

    wanted = _wanted(options)
    folder = run_folders.new_or_known(options.run_dir, KIND, options.resume)
    wanted = replace(wanted, folder=folder)
    session.SelfTest(wanted, Console(stderr=True)).run()
    print((folder / session.PAGE).read_text())
    print(f"wrote {folder / document.JSON}\nwrote {folder / session.PAGE}")
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
