"""``python -m bench fit`` and ``arms``; what `pytest bench` takes is in `bench.conftest`.

``fit`` finds the largest batch, ``arms`` lists the networks that can be measured by a name. What
they need of torch is imported when it is needed: no help is to wait for that.
"""

import argparse

from rich.console import Console

from bench.schema import run_folders
from bench.stats.verdict import FINE
from bench.workload import arguments, units

NOT_OF_FIT = ("batch_sizes", "compile", "runtimes")
"""The first is the answer; a compiled network's memory is the compiler's business, and a runtime's
its own."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    _add_fit(commands)
    about = "the networks that can be measured by a name: ours, and those of other packages"
    parser = commands.add_parser("arms", help=about, description=about)
    parser.set_defaults(command=_arms)


def _arms(_options: argparse.Namespace) -> int:
    from bench.run import arms

    print(arms.table())
    return FINE


def _add_fit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "the largest batch that fits into memory, with FPN and with PANet"
    parser = commands.add_parser("fit", help=about, description=about)
    parser.add_argument("--memory", required=True, metavar="SIZE", help="such as 8GiB")
    arguments.add_axes(parser, leave_out=NOT_OF_FIT)
    arguments.add_run_dir(parser)
    parser.set_defaults(command=_fit)


def _fit(request: argparse.Namespace) -> int:
    from bench.run import max_batch
    from bench.workload import axes, presets

    cases = axes.sweep(presets.GRID, arguments.given_axes(request))
    limit_bytes = units.parse_bytes("--memory", request.memory)
    folder = run_folders.make(request.run_dir, "fit")
    console = Console(stderr=True)
    fits = max_batch.find_all(
        cases, limit_bytes, folder, lambda line: console.print(line, style="dim")
    )
    print(max_batch.table(fits))
    print("\n".join(max_batch.sentences(fits)))
    print(f"wrote {folder / max_batch.FILE}")
    return FINE
