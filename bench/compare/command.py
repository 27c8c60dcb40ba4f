"""``python -m bench compare`` and ``bisect``: options, and what is printed.

What measures is imported when it is to measure: it brings torch, and no help is to wait for that.
"""

import argparse
import fnmatch
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.schema.files import COMPARE
from bench.stats.sequential import GATE
from bench.stats.verdict import FINE, NOTHING_SAID
from bench.workload import arguments, units

if TYPE_CHECKING:
    from bench.compare.request import Request
    from bench.compare.result import ComparisonResult

SIDES = ("base", "head")
"""As `bench.compare.request` calls them."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    _add_compare(commands)
    _add_bisect(commands)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "two git revisions, taking turns on this machine: has it become slower?"
    parser = commands.add_parser("compare", help=about, description=about)
    parser.add_argument("base", metavar="BASE", help="a revision, or a folder (. is uncommitted)")
    parser.add_argument("head", metavar="HEAD", help="a revision, or a folder")
    _add_comparison(parser, budget="12m")
    for side in SIDES:
        parser.add_argument(f"--{side}-python", metavar="EXE", help=f"interpreter of the {side}")
    parser.add_argument("--no-traces", action="store_true", help="do not profile what is slower")
    parser.set_defaults(command=_compare, check=_request)


def _add_bisect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "which commit between two made it slower?"
    parser = commands.add_parser("bisect", help=about, description=about)
    parser.add_argument("base", metavar="GOOD", help="a revision that is fast")
    parser.add_argument("head", metavar="BAD", help="a later one that is slow")
    _add_comparison(parser, budget="10m")
    parser.set_defaults(command=_bisect)


def _add_comparison(parser: argparse.ArgumentParser, budget: str) -> None:
    """Add the options that say what is compared."""
    add = parser.add_argument
    arguments.add_axes(parser)
    add("--preset", default="cells", metavar="NAME", help="bundle of axis values (%(default)s)")
    add("--case", metavar="PATTERN", default="*", help="of these cases, those that match")
    add("--package", default="panet", metavar="A,B", help="what is compared (%(default)s)")
    workload = "your network, or FILE.py:FACTORY outside the revisions: see docs/gate.md"
    add("--workload", metavar="MODULE:FACTORY", help=workload)
    add("--apart", action="store_true", help="a process for each side")
    tolerance = "of a call: what surely costs less is told, and does not fail (%(default)s)"
    add("--tolerance", default=f"{GATE.tolerance:.1%}", metavar="SHARE", help=tolerance)
    add("--repository", default=".", metavar="DIR", help="of the revisions (here)")
    about = "of each measurement, at most (%(default)s)"
    add("--budget", default=budget, metavar="TIME", help=about)
    about = "of one worker (%(default)s)"
    add("--timeout", default=arguments.DEFAULT_TIMEOUT, metavar="TIME", help=about)
    add("--junit", metavar="FILE", help="the answer as JUnit XML as well")
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "go on with one that was killed")


def _request(options: argparse.Namespace) -> "Request":
    from bench.compare.request import ONE_PROCESS, SEPARATE, Request, own_cases
    from bench.workload import axes, presets

    given = arguments.given_axes(options)
    cases = axes.sweep(presets.choose_preset(options.preset, given), given)
    if options.workload:
        cases = own_cases(cases, options.workload)
    chosen = tuple(case for case in cases if fnmatch.fnmatch(case.case_id, options.case))
    if not chosen:
        names = ", ".join(case.case_id for case in cases)
        raise BenchError(f"--case {options.case}: matches none of {names}")
    return Request(
        base=options.base,
        head=options.head,
        cases=chosen,
        package=options.package,
        repository=Path(options.repository).resolve(),
        budget_s=units.parse_duration("--budget", options.budget),
        timeout_s=units.parse_duration("--timeout", options.timeout),
        gate=replace(GATE, tolerance=units.parse_tolerance(options.tolerance)),
        pairing=SEPARATE if options.apart else ONE_PROCESS,
        command=options.typed,
    )


def _compare(options: argparse.Namespace) -> int:
    folder, compared = measured(options)
    print(compared)
    print(f"wrote {folder / COMPARE}\nwrote {folder / 'comment.md'}")
    return compared.exit_code


def measured(options: argparse.Namespace) -> "tuple[Path, ComparisonResult]":
    """Compare, and write the answer; return the folder of the run, and what came of it.

    Raises:
        BenchError: as `bench.compare.run.run`, or the options ask for what is none.
    """
    from bench.compare import junit, run
    from bench.compare.request import SEPARATE

    named = {side: getattr(options, f"{side}_python") for side in SIDES}
    pythons = {side: python for side, python in named.items() if python is not None}
    request = _request(options)
    request = replace(
        request,
        pairing=SEPARATE if pythons else request.pairing,
        pythons=pythons,
        traces=not options.no_traces,
    )
    verdicts = arguments.output_file("--junit", options.junit)
    folder = run_folders.new_or_known(options.run_dir, "compare", options.resume)
    with run_folders.tidied(folder, options.resume):
        compared = run.run(request, folder, Console(stderr=True))
    (folder / "comment.md").write_text(str(compared))
    if verdicts is not None:
        verdicts.write_text(junit.render(compared))
    run_folders.tidy(folder, "scratch", "profiling")
    return folder, compared


def _bisect(options: argparse.Namespace) -> int:
    from bench.compare import bisect, junit
    from bench.compare.commit import UndecidedError

    request = _request(options)
    verdicts = arguments.output_file("--junit", options.junit)
    folder = run_folders.new_or_known(options.run_dir, "bisect", options.resume)
    try:
        with run_folders.tidied(folder, options.resume):
            answer = bisect.run(request, folder, Console(stderr=True))
    except UndecidedError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return NOTHING_SAID
    if verdicts is not None:
        verdicts.write_text(junit.render_bisection(answer))
    print("\n".join(answer.lines()))
    print(f"wrote {folder / bisect.FILE}")
    return FINE
