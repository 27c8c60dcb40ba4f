"""How two sides are measured: their code checked out, the arms, and the engine that runs them.

Both versions of the package are loaded into one worker (`bench.workload.code_loader`) and are arms
of the same rounds, so that processes, clocks and neighbours cancel. Two Python environments cannot
share a process: their workers take turns round by round (`bench.engine.separate_processes`).
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.compare.request import AGAIN, BASE, HEAD, ONE_PROCESS, Request
from bench.compare.revisions import Code, checked_out
from bench.engine.interpreter import environment_of
from bench.engine.launcher import Launcher, ServerLauncher
from bench.engine.opened import opened
from bench.engine.plan import Design, Plan
from bench.engine.preloading import Modules, needed_by
from bench.engine.scheduler import Engine
from bench.engine.separate_processes import ApartLauncher
from bench.machine.environment import code_digest, digest, usable_cores
from bench.profiling.profile_diff import Explanation, explain
from bench.profiling.trace import TraceTask
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe, texts
from bench.workload.code_loader import packages, source_folder

ARMS = (BASE, HEAD, AGAIN)

REPLICATE_S = 1.4
"""Of timed rounds per replicate: less than in a run, because a verdict within minutes wants many
replicates of every case."""

PER_TURN = 8
"""Replicates from one fork server, if they are needed, and one of each case: what a server brings
along adds nothing to the spread of equal code (the self-test measures it), and starting one takes
as long as a replicate."""

MIN_ROUNDS = 4
"""Of a replicate of a slow case. The base runs twice in a round, so four rounds here have the
spread of five or six of the self-test's two arms, and take two thirds of the time."""


@contextlib.contextmanager
def both_checked_out(request: Request, folder: Path) -> Iterator[dict[str, Code]]:
    """Provide the code of both sides.

    Raises:
        BenchError: a side is neither a folder nor a revision.
    """
    with ExitStack() as stack:
        codes = {}
        for side, text in ((BASE, request.base), (HEAD, request.head)):
            place = folder / f"code-{side}"
            shutil.rmtree(place, ignore_errors=True)  # a kill may have left half a worktree
            codes[side] = stack.enter_context(checked_out(text, request.repository, place))
        yield codes


@contextlib.contextmanager
def measuring(
    request: Request,
    codes: Mapping[str, Code],
    folder: Path,
    console: Console,
    arms: Sequence[str] = ARMS,
) -> Iterator[Engine]:
    """Provide an engine over the cases, with some of the arms; it goes on where a killed one was.

    Raises:
        BenchError: the folder has another comparison, or the code was edited meanwhile.
    """
    scratch = _scratch(folder)
    plan = _plan(request, codes, scratch, arms)
    modules = needed_by(request.cases)
    with (
        _unedited(request, codes) as digests,
        contextlib.closing(_launcher(request, scratch, arms, modules)) as launcher,
        opened(
            plan,
            folder / "journal",
            _header(request, plan, digests),
            console,
            must_match=MUST_MATCH,
            launcher=launcher,
        ) as engine,
    ):
        yield engine


def explained(
    request: Request,
    codes: Mapping[str, Code],
    folder: Path,
    case_id: str,
    named: Sequence[str],
) -> Explanation | None:
    """Profile both sides of a case, the base twice; `None` where that is not possible.

    Args:
        request: of the comparison.
        codes: of both sides.
        folder: of the comparison.
        case_id: of the case.
        named: the stages that surely changed; of none, the profiles say where to look.
    """
    (case,) = (case for case in request.cases if case.case_id == case_id)
    if case.scope == "own":  # whose stages nobody knows
        return None
    scratch = _scratch(folder / "profiling")
    plan = _plan(request, codes, scratch, ARMS)

    def trace(arm: str) -> TraceTask:
        return TraceTask(
            case=case,
            seed=plan.seed,
            scratch_dir=plan.scratch_dir,
            arms={arm: plan.arms[arm]},
            sides=plan.sides,
            package=plan.package,
            arm=arm,
            trace_dir=str(folder / "traces" / case.case_id / arm),
        )

    modules = needed_by(request.cases, traces=True)
    with (
        _unedited(request, codes),
        contextlib.closing(_launcher(request, scratch, ARMS, modules)) as launcher,
    ):
        base, head, again = (launcher.run(trace(arm), request.timeout_s) for arm in ARMS)
    if not (isinstance(base, Path) and isinstance(head, Path) and isinstance(again, Path)):
        return None
    return explain(case.case_id, base, head, again, named)


def _scratch(folder: Path) -> Path:
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


@contextlib.contextmanager
def _unedited(request: Request, codes: Mapping[str, Code]) -> Iterator[dict[str, str]]:
    """Provide the digests of what is measured; raise `BenchError` if they are others afterwards.

    A folder may be edited meanwhile, and then nobody knows what was measured.
    """
    before = digests(request, codes)
    yield before
    after = digests(request, codes)
    for name in before:
        if before[name] != after[name]:
            edited = codes[name].name if name in codes else request.workload
            raise BenchError(
                f"{edited}: its code changed while it was measured; run again, or commit it "
                "and compare the commit"
            )


def digests(request: Request, codes: Mapping[str, Code]) -> dict[str, str]:
    """Return the digests of both sides, and of the workload that is in neither."""
    found = {
        side: " ".join(
            digest(source_folder(package, code.folder), package)
            for package in packages(request.package)
        )
        for side, code in codes.items()
    }
    if (workload := request.workload) is not None:
        found["workload"] = digest(workload.parent, workload.stem)
    return found


def _header(request: Request, plan: Plan, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return what identifies a comparison in its journal: `MUST_MATCH`."""
    return {
        "sides": dict(digests),
        "arms": texts(plan.arms),
        "cases": [case.case_id for case in request.cases],
        "pairing": request.pairing,
        "environments": [environment_of(p) for p in (sys.executable, *request.pythons.values())],
        "code": code_digest(),
    }


MUST_MATCH = {
    "sides": "the code of the sides",
    "arms": "the arms",
    "cases": "the axes",
    "pairing": "the pairing",
    "environments": "the environments",
    "code": "the code of panet/ or bench/",
}
"""What a comparison that goes on shares with its first part."""


def _plan(request: Request, codes: Mapping[str, Code], scratch: Path, arms: Sequence[str]) -> Plan:
    network = "own" if request.cases[0].scope == "own" else "panet"
    return Plan(
        cases=request.cases,
        budget_s=request.budget_s,
        timeout_s=request.timeout_s,
        seed=0,
        images_dir=None,
        scratch_dir=str(scratch),
        arms={arm: Recipe(network, _side(arm)) for arm in arms},
        min_rounds=MIN_ROUNDS,
        design=Design(replicate_s=REPLICATE_S),
        sides={side: str(code.folder) for side, code in codes.items()},
        package=request.package,
        per_turn=PER_TURN,
    )


def _side(arm: str) -> str:
    return HEAD if arm == HEAD else BASE


def _launcher(request: Request, scratch: Path, arms: Sequence[str], modules: Modules) -> Launcher:
    if request.pairing == ONE_PROCESS:
        return ServerLauncher(scratch, modules, usable_cores())
    launchers = {}
    for arm in arms:
        own = scratch / arm
        own.mkdir(exist_ok=True)
        python = request.python_of(_side(arm))
        launchers[arm] = ServerLauncher(own, modules, 1, python=python)
    return ApartLauncher(launchers, scratch)
