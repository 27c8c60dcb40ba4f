"""``python -m bench compare`` and ``bisect``: options, and what is printed."""

import argparse
import fnmatch
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.compare import bisect, comment, junit, result
from bench.compare import run as comparison
from bench.compare.request import BASE, HEAD, ONE_PROCESS, SEPARATE, Request, own_cases
from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.stats.verdict import FINE, NOTHING_SAID
from bench.workload import arguments, axes, presets, units


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    _add_compare(commands)
    _add_bisect(commands)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "two git revisions, taking turns on this machine: has it become slower?"
    parser = commands.add_parser("compare", help=about, description=about)
    parser.add_argument("base", metavar="BASE", help="a revision, or a folder (. is uncommitted)")
    parser.add_argument("head", metavar="HEAD", help="a revision, or a folder")
    _add_request(parser, budget="12m")
    parser.add_argument("--apart", action="store_true", help="a process for each side")
    for side in (BASE, HEAD):
        parser.add_argument(f"--{side}-python", metavar="EXE", help=f"interpreter of the {side}")
    parser.add_argument("--no-traces", action="store_true", help="do not profile what is slower")
    parser.add_argument("--junit", metavar="FILE", help="the verdicts as JUnit XML as well")
    parser.set_defaults(command=_compare)


def _add_bisect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "which commit between two made it slower?"
    parser = commands.add_parser("bisect", help=about, description=about)
    parser.add_argument("base", metavar="GOOD", help="a revision that is fast")
    parser.add_argument("head", metavar="BAD", help="a later one that is slow")
    _add_request(parser, budget="10m")
    parser.set_defaults(command=_bisect)


def _add_request(parser: argparse.ArgumentParser, budget: str) -> None:
    """Add the options that say what is compared."""
    add = parser.add_argument
    arguments.add_axes(parser)
    add("--preset", default="cells", help="bundle of axis values (%(default)s)")
    add("--case", metavar="PATTERN", default="*", help="of these cases, those that match")
    add("--package", default="panet", help="what is compared (%(default)s)")
    add("--workload", metavar="MODULE:FACTORY", help="your network: see the README")
    add("--repository", default=".", metavar="DIR", help="of the revisions (here)")
    add("--budget", default=budget, help="of each measurement, at most (%(default)s)")
    add("--timeout", default=arguments.DEFAULT_TIMEOUT, help="of one worker (%(default)s)")
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "go on with one that was killed")


def _asked(request: argparse.Namespace) -> Request:
    given = arguments.given_axes(request)
    cases = axes.sweep(presets.choose_preset(request.preset, given), given)
    if request.workload:
        cases = own_cases(cases, request.workload)
    chosen = tuple(case for case in cases if fnmatch.fnmatch(case.case_id, request.case))
    if not chosen:
        names = ", ".join(case.case_id for case in cases)
        raise BenchError(f"--case {request.case}: matches none of {names}")
    return Request(
        base=request.base,
        head=request.head,
        cases=chosen,
        package=request.package,
        repository=Path(request.repository).resolve(),
        budget_s=units.parse_duration("--budget", request.budget),
        timeout_s=units.parse_duration("--timeout", request.timeout),
    )


def _compare(request: argparse.Namespace) -> int:
    named = {side: getattr(request, f"{side}_python") for side in (BASE, HEAD)}
    pythons = {side: python for side, python in named.items() if python is not None}
    asked = replace(
        _asked(request),
        pairing=SEPARATE if request.apart or pythons else ONE_PROCESS,
        pythons=pythons,
        traces=not request.no_traces,
    )
    folder = run_folders.new_or_known(request.run_dir, "compare", request.resume)
    compared = comparison.run(asked, folder, Console(stderr=True))
    text = comment.render(compared)
    (folder / "comment.md").write_text(text)
    if request.junit:
        Path(request.junit).write_text(junit.render(compared))
    print(text)
    print(f"wrote {folder / result.FILE}\nwrote {folder / 'comment.md'}")
    return compared.exit_code


def _bisect(request: argparse.Namespace) -> int:
    folder = run_folders.new_or_known(request.run_dir, "bisect", request.resume)
    try:
        answer = bisect.run(_asked(request), folder, Console(stderr=True))
    except bisect.UndecidedError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return NOTHING_SAID
    print("\n".join(answer.lines()))
    print(f"wrote {folder / bisect.FILE}")
    return FINE
