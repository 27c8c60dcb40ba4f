"""``panet-bench cost``: what a part costs inside anyone's network; options, and what is printed.

What measures is imported when it is to measure: it brings torch, and no help is to wait for that.
"""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from bench.schema import run_folders
from bench.schema.files import COST
from bench.workload import arguments, units

if TYPE_CHECKING:
    from bench.run.own.request import Request

NO_AXES = ("scopes", "backbones", "levels", "runtimes", "boxes")
"""Axes of our networks alone."""

ABOUT = "what a part costs inside your network, or one network beside another"

EXAMPLES = """\
examples:
  cost mynet:make --part neck.bottom_up            the part inside the call, beside the rest
  cost mynet:make --parts-of neck                  all children of a module
  cost mynet:make --part neck --with mynet:bifpn   another module in its place
  cost fpn=mynet:with_fpn panet=mynet:with_panet   whole networks, the first is the base
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cost",
        help=ABOUT,
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    networks = (
        "module:factory or FILE.py:factory, of a module, or of (module, inputs); or of `arms`"
    )
    add("networks", metavar="[NAME=]FACTORY", nargs="+", help=networks)
    add("--part", action="append", default=[], metavar="PATH", help="of a module in it; repeatable")
    parts_of = "all modules directly in one; repeatable; . is the network"
    add("--parts-of", action="append", default=[], metavar="PATH", help=parts_of)
    add("--with", dest="instead", metavar="FACTORY", help="of a module in the part's place")
    shape = "such as 1x3x800x1344, of what it is called with; repeatable; or FILE.pt with all of it"
    add("--input", action="append", default=[], metavar="SHAPE", help=shape)
    arguments.add_axes(parser, leave_out=NO_AXES)
    # The sign is doubled, or argparse would read it as one of its own.
    add(
        "--half-width", default="2%", metavar="SHARE", help="of the ratios, when it is enough (2%%)"
    )
    add("--budget", default="2m", help="of the turns, at most (%(default)s)")
    add("--traces", action="store_true", help="profile the networks as well, behind the timing")
    add("--timeout", default=arguments.DEFAULT_TIMEOUT, help="of one worker (%(default)s)")
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "go on with one that was killed")
    parser.set_defaults(command=_cost, check=asked)


def _cost(options: argparse.Namespace) -> int:
    from bench.run.own import sentences
    from bench.run.own.run import SCRATCH, run

    request = asked(options)
    folder = run_folders.new_or_known(options.run_dir, "cost", options.resume)
    with run_folders.tidied(folder, options.resume, SCRATCH):
        found = run(request, folder, Console(stderr=True))
    print(sentences.render(found))
    print(f"wrote {folder / COST}; as a page: python -m reports cost {folder}")
    if options.traces:
        print(f"of the profiles: python -m reports profile {folder}; tensorboard --logdir {folder}")
    return found.exit_code


def asked(options: argparse.Namespace) -> "Request":
    """Return the request that the options make; raise `BenchError` for what is none."""
    from bench.run.own.request import own_request

    return own_request(
        options.networks,
        parts=options.part,
        parts_of=options.parts_of,
        instead=options.instead,
        shapes=options.input,
        given=arguments.given_axes(options),
        half_width=units.parse_half_width(options.half_width),
        budget_s=units.parse_duration("--budget", options.budget),
        timeout_s=units.parse_duration("--timeout", options.timeout),
        traces=options.traces,
        command=options.typed,
    )
