"""``python -m bench``: the commands of the harness beside ``pytest bench``."""

import argparse
import fnmatch
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.compare import bisect, comment, junit, result
from bench.compare import run as comparison
from bench.compare.request import BASE, HEAD, ONE_PROCESS, SEPARATE, Request, own_cases
from bench.engine.launcher import ServerLauncher
from bench.engine.scheduler import preload
from bench.machine.environment import usable_cores
from bench.run import max_batch
from bench.run.session import DEFAULT_TIMEOUT
from bench.schema import run_folders
from bench.schema.case import AXES
from bench.schema.errors import BenchError
from bench.selftest import session
from bench.selftest.background_load import LOADS
from bench.selftest.document import JSON
from bench.selftest.request import SelfTestRequest, find_folder
from bench.stats.verdict import FINE, NOTHING_SAID
from bench.workload import axes, presets, units

BAD_INPUT = 2


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
    _add_run_dir(test)
    test.add_argument(
        "--resume",
        nargs="?",
        const=run_folders.LATEST,
        metavar="ID",
        help="add to an earlier self-test",
    )
    test.set_defaults(command=_selftest)
    about = "two git revisions, taking turns on this machine: has it become slower?"
    sides = commands.add_parser("compare", help=about, description=about)
    sides.add_argument("base", metavar="BASE", help="a revision, or a folder (. is uncommitted)")
    sides.add_argument("head", metavar="HEAD", help="a revision, or a folder")
    _add_comparison(sides, budget="12m")
    sides.add_argument("--apart", action="store_true", help="a process for each side")
    for side in (BASE, HEAD):
        sides.add_argument(f"--{side}-python", metavar="EXE", help=f"interpreter of the {side}")
    sides.add_argument("--no-traces", action="store_true", help="do not profile what is slower")
    sides.add_argument("--junit", metavar="FILE", help="the verdicts as JUnit XML as well")
    sides.set_defaults(command=_compare)
    about = "which commit between two made it slower?"
    search = commands.add_parser("bisect", help=about, description=about)
    search.add_argument("base", metavar="GOOD", help="a revision that is fast")
    search.add_argument("head", metavar="BAD", help="a later one that is slow")
    _add_comparison(search, budget="10m")
    search.set_defaults(command=_bisect)
    about = "the largest batch that fits into memory, with FPN and with PANet"
    fits = commands.add_parser("fit", help=about, description=about)
    fits.add_argument("--memory", required=True, metavar="SIZE", help="such as 8GiB")
    for axis in AXES:
        if axis.option not in NOT_OF_FIT:
            fits.add_argument(axis.flag, dest=axis.option, metavar="LIST", help=axis.help)
    _add_run_dir(fits)
    fits.set_defaults(command=_fit)
    if importlib.util.find_spec("bench.lab"):  # it is not in the wheel
        from bench.lab import command as lab

        lab.add_to(commands)
    return parser


def _add_comparison(parser: argparse.ArgumentParser, budget: str) -> None:
    """Add the options that say what is compared."""
    for axis in AXES:
        parser.add_argument(axis.flag, dest=axis.option, metavar="LIST", help=axis.help)
    parser.add_argument("--preset", default="cells", help="bundle of axis values (cells)")
    parser.add_argument("--case", metavar="PATTERN", help="of these cases, those that match")
    parser.add_argument("--package", default="panet", help="what is compared (panet)")
    parser.add_argument("--workload", metavar="MODULE:FACTORY", help="your network: see the README")
    parser.add_argument("--repository", default=".", metavar="DIR", help="of the revisions (here)")
    parser.add_argument("--budget", default=budget, help=f"of each measurement, at most ({budget})")
    parser.add_argument("--timeout", default=DEFAULT_TIMEOUT, help=f"({DEFAULT_TIMEOUT})")
    _add_run_dir(parser)
    about = "go on with one that was killed (the newest)"
    parser.add_argument("--resume", nargs="?", const=run_folders.LATEST, metavar="ID", help=about)


def _add_run_dir(parser: argparse.ArgumentParser) -> None:
    about = "where runs are kept (reports/runs)"
    parser.add_argument(
        "--run-dir", type=Path, default=run_folders.RUNS_DIR, metavar="DIR", help=about
    )


def _given(asked: argparse.Namespace) -> dict[str, str]:
    """Return the axes that were given, of those that the command has."""
    given = {axis.option: getattr(asked, axis.option, None) for axis in AXES}
    return {name: text for name, text in given.items() if text is not None}


def _asked(asked: argparse.Namespace) -> Request:
    given = _given(asked)
    cases = axes.sweep(presets.choose_preset(asked.preset, given), given)
    if asked.workload:
        cases = own_cases(cases, asked.workload)
    chosen = tuple(c for c in cases if fnmatch.fnmatch(c.case_id, asked.case or "*"))
    if not chosen:
        names = ", ".join(case.case_id for case in cases)
        raise BenchError(f"--case {asked.case}: matches none of {names}")
    return Request(
        base=asked.base,
        head=asked.head,
        cases=chosen,
        package=asked.package,
        repository=Path(asked.repository).resolve(),
        budget_s=units.parse_duration("--budget", asked.budget),
        timeout_s=units.parse_duration("--timeout", asked.timeout),
    )


def _run_folder(asked: argparse.Namespace, kind: str) -> Path:
    if asked.resume:
        return _resumed(asked, kind)
    folder: Path = asked.run_dir / f"{kind}-{run_folders.new_run_dir(asked.run_dir).name}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror}; choose --run-dir") from error
    return folder


def _resumed(asked: argparse.Namespace, kind: str) -> Path:
    known: list[Path] = sorted(asked.run_dir.glob(f"{kind}-*"))
    wanted = [p for p in known if asked.resume in (p.name, run_folders.LATEST)]
    if not wanted:
        there = ", ".join(path.name for path in known[-5:]) or "none"
        raise BenchError(f"--resume {asked.resume}: not in {asked.run_dir}; there is: {there}")
    return wanted[-1]


def _compare(asked: argparse.Namespace) -> int:
    pythons = {
        side: python
        for side in (BASE, HEAD)
        if (python := getattr(asked, f"{side}_python")) is not None
    }
    request = replace(
        _asked(asked),
        pairing=SEPARATE if asked.apart or pythons else ONE_PROCESS,
        pythons=pythons,
        traces=not asked.no_traces,
    )
    folder = _run_folder(asked, "compare")
    found = comparison.run(request, folder, Console(stderr=True))
    text = comment.render(found)
    (folder / "comment.md").write_text(text)
    if asked.junit:
        Path(asked.junit).write_text(junit.render(found))
    print(text)
    print(f"wrote {folder / result.FILE}\nwrote {folder / 'comment.md'}")
    return found.exit_code


def _bisect(asked: argparse.Namespace) -> int:
    folder = _run_folder(asked, "bisect")
    try:
        found = bisect.run(_asked(asked), folder, Console(stderr=True))
    except bisect.UndecidedError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return NOTHING_SAID
    print("\n".join(found.lines()))
    print(f"wrote {folder / bisect.FILE}")
    return FINE


NOT_OF_FIT = ("batch_sizes", "compile")
"""The first is the answer; a compiled network's memory is the compiler's business."""


def _fit(asked: argparse.Namespace) -> int:
    cases = axes.sweep(presets.GRID, _given(asked))
    limit_bytes = units.parse_bytes("--memory", asked.memory)
    folder = asked.run_dir / f"fit-{run_folders.new_run_dir(asked.run_dir).name}"
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder.mkdir(parents=True)
            # The allocator that keeps its pages takes memory in advance.
            launcher = ServerLauncher(
                Path(scratch), preload(cases), usable_cores(), allocator=False
            )
            try:
                search = max_batch.Search(
                    launcher, scratch, lambda line: console.print(line, style="dim")
                )
                found = max_batch.find_all(search, cases, limit_bytes, folder)
            finally:
                launcher.close()
    except OSError as error:
        raise BenchError(f"cannot write {folder}: {error.strerror}; choose --run-dir") from error
    except ValueError as error:
        raise BenchError(str(error)) from error
    print(max_batch.table(found))
    print(f"wrote {folder / max_batch.FILE}")
    return FINE


def _selftest(asked: argparse.Namespace) -> int:
    folder = find_folder(asked.run_dir, asked.resume)
    request = SelfTestRequest(
        trials=1 if asked.quick else units.positive("--trials")(asked.trials),
        sizes=tuple(size for text in asked.inject.split(",") if (size := _size(text))),
        loads=tuple(units.one_of("--load", LOADS)(text) for text in asked.load.split(",")),
        quick=asked.quick,
        folder=folder,
    )
    session.SelfTest(request, Console(stderr=True)).run()
    print((folder / session.PAGE).read_text())
    print(f"wrote {folder / JSON}\nwrote {folder / session.PAGE}")
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
