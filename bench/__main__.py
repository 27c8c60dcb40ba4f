"""``python -m bench``, installed as ``panet-bench``: the commands beside ``pytest bench``."""

import argparse
import contextlib
import importlib.util
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from bench.schema import stopped, text
from bench.schema.errors import DEFECT, BenchError, storage_faults

BAD_INPUT = 2

STARTS_AGAIN = "it cannot be resumed, only started again"
"""Of a command that does not say how it goes on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    typed = sys.argv[1:] if arguments is None else arguments
    with stopped.listening(STARTS_AGAIN) as listener:  # from here on: imports take seconds
        try:
            return _run(typed, listener)
        except KeyboardInterrupt as stop:
            with contextlib.suppress(OSError):  # the terminal is gone
                print(f"stopped; {listener.advice}", file=sys.stderr)
            return stopped.exit_code(stop)


def _run(typed: Sequence[str], listener: stopped.Listener) -> int:
    try:
        with storage_faults("mend that and try again"):  # importing may want memory, too
            from bench.workload import arguments

            request = _parser().parse_args(typed)
            request.words = arguments.asked_for(typed) if hasattr(request, "resume") else [*typed]
            request.typed = shlex.join(["python", "-m", "bench", *request.words])
            listener.advice = getattr(request, "goes_on", STARTS_AGAIN)
            return int(request.command(request))
    except BenchError as error:
        print(f"python -m bench: {text.in_a_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except Exception:  # noqa: BLE001 - Python's own exit code 1 would say "regressed"
        traceback.print_exc()
        print("python -m bench: a defect of this program; please report it", file=sys.stderr)
        return DEFECT


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as everything else here does."""

    def error(self, message: str) -> NoReturn:
        raise BenchError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    from bench.compare import command as compare
    from bench.fleet import command as fleet
    from bench.run import command as run
    from bench.run.own import command as own
    from bench.selftest import command as selftest

    parser: argparse.ArgumentParser = _Parser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    own.add_to(commands)
    compare.add_to(commands)
    selftest.add_to(commands)
    fleet.add_to(commands)
    run.add_to(commands)
    if importlib.util.find_spec("bench.lab"):  # only in a checkout
        importlib.import_module("bench.lab.command").add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
