"""``python -m bench fit``, ``ddp``, ``arms``; what `pytest bench` takes is in `bench.conftest`.

``fit`` finds the largest batch, ``ddp`` trains on several devices, ``arms`` lists the networks that
can be measured by a name. What they need of torch is imported when it is needed: no help is to wait
for that.
"""

import argparse

from rich.console import Console

from bench.schema import run_folders
from bench.stats.verdict import FINE, NOTHING_SAID
from bench.workload import arguments, units

NOT_OF_FIT = ("batch_sizes", "compile", "runtimes")
"""The first is the answer; a compiled network's memory is the compiler's business, and a runtime's
its own."""

NOT_OF_DDP = ("passes", "compile", "runtimes", "boxes", "threads")
"""It trains, eagerly, and the ranks share the cores. What compiles splits its graph at buckets."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands."""
    _add_fit(commands)
    _add_ddp(commands)
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


def _add_ddp(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "training on several devices: is the exchange of PANet's gradients hidden?"
    parser = commands.add_parser("ddp", help=about, description=about)
    add = parser.add_argument
    add("--world-size", default="1,2", metavar="LIST", help="ranks, a device each (%(default)s)")
    add("--bucket", default="25MiB", metavar="SIZE", help="of gradients, at most (%(default)s)")
    add("--rounds", default="18", metavar="N", help="of all turns, in a replicate (%(default)s)")
    add("--replicates", default="5", metavar="N", help="sets of fresh processes (%(default)s)")
    add("--timeout", default=arguments.DEFAULT_TIMEOUT, help="of one set (%(default)s)")
    arguments.add_axes(parser, leave_out=NOT_OF_DDP)
    arguments.add_run_dir(parser)
    parser.set_defaults(command=_ddp)


def _ddp(request: argparse.Namespace) -> int:
    from bench.run.ddp import run, table
    from bench.schema.records import Status
    from bench.workload import axes, presets

    sizes = [units.positive("--world-size")(x.strip()) for x in request.world_size.split(",")]
    asked = run.Asked(
        world_sizes=tuple(dict.fromkeys(sizes)),
        bucket_bytes=units.parse_bytes("--bucket", request.bucket),
        replicates=units.positive("--replicates")(request.replicates),
        rounds=units.positive("--rounds")(request.rounds),
        timeout_s=units.parse_duration("--timeout", request.timeout),
    )
    cases = axes.sweep(presets.GRID, {**arguments.given_axes(request), "passes": "training"})
    folder = run_folders.make(request.run_dir, "ddp")
    console = Console(stderr=True)
    statuses = set()
    with run_folders.tidied(folder, None):
        for row in run.measure_all(cases, asked, folder, lambda x: console.print(x, style="dim")):
            print(f"{table.table(row)}\n", flush=True)
            statuses.add(row.status)
    print(f"wrote {folder / run.FILE}")
    return FINE if statuses <= {Status.OK, Status.SKIPPED} else NOTHING_SAID
