"""``python -m bench compare BASE HEAD``: has the code become slower? Both sides take turns here.

Both versions of the package are loaded into one worker (`bench.workload.code_loader`) and are arms
of the same rounds, so that processes, clocks and neighbours cancel. Two Python environments cannot
share a process: their workers take turns round by round (`bench.engine.separate_processes`). The
engine and the measuring are this checkout's, whatever the sides are. The base runs twice per round,
as its own control.
"""

import contextlib
import functools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import stats
from bench.compare import adaptive
from bench.compare.revisions import Code, checked_out
from bench.engine.launcher import Launcher, ServerLauncher
from bench.engine.progress import ProgressBar
from bench.engine.scheduler import Design, Engine, Plan, preload
from bench.engine.separate_processes import ApartLauncher
from bench.engine.server_client import OUR_CODE
from bench.machine import advice
from bench.machine.environment import code_digest, describe, digest, governor, usable_cores
from bench.profiling.profile_diff import Explanation, explain
from bench.profiling.trace import TraceTask
from bench.schema import journal, run_folders
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe, texts
from bench.schema.records import Finding, Status
from bench.stats import verdict
from bench.stats.sequential import GATE, Gate
from bench.stats.verdict import ComparisonVerdict, Verdict
from bench.workload.code_loader import source_folder

BASE, HEAD, AGAIN = "base", "head", "base_again"
CONTRAST = stats.Contrast((HEAD,), (BASE, AGAIN))
CONTROL = stats.Contrast((AGAIN,), (BASE,))

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

FILE = "compare.json"
SCHEMA = 1

SHARED, APART = "one process", "processes that take turns"
"""How the sides are paired."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared."""

    base: str
    head: str
    cases: tuple[Case, ...]
    package: str
    repository: Path
    budget_s: float
    timeout_s: float
    pairing: str = SHARED
    pythons: Mapping[str, str] = field(default_factory=dict)
    """Side -> interpreter; the others run with this one."""
    traces: bool = True
    """Whether a case that regressed is profiled."""
    gate: Gate = GATE


COUNTED = ("params", "macs", "operators", "peak_bytes", "graph_breaks")
"""Facts of an arm that are counted, not timed: any difference is real."""


@dataclass(frozen=True)
class Answer:
    """What was measured."""

    judged: ComparisonVerdict
    failed: dict[str, str]
    """Case id -> why the candidate cannot run it, where the baseline's code can."""
    control_drifted: bool
    """Whether the base differed from itself."""
    counts: dict[str, dict[str, tuple[int, int]]]
    """Case id -> what of `COUNTED` differs, base and head."""
    died: dict[str, str] = field(default_factory=dict)
    """Case id -> why it was not measured to the end, though both sides can run it."""


@dataclass(frozen=True)
class Compared:
    """What came of it."""

    codes: dict[str, Code]
    environments: dict[str, dict[str, Any]]
    """Of the sides."""
    pairing: str
    answer: Answer
    elapsed_s: float
    """Until the verdict."""
    explanation: Explanation | None = None
    """Of the case that became slowest."""

    @property
    def verdict(self) -> Verdict:
        """Over everything. A control that drifted makes what was timed worthless."""
        timed = self.answer.judged.verdict
        said = [Verdict.UNDECIDED if self.answer.control_drifted else timed]
        said += [Verdict.MISSING] * len(self.answer.failed)
        said += [Verdict.UNDECIDED] * len(self.answer.died)
        return verdict.overall(said)

    @property
    def exit_code(self) -> int:
        """For a shell."""
        return verdict.EXIT_CODES[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        judged = self.answer.judged
        return {
            "schema": SCHEMA,
            "verdict": str(self.verdict),
            "codes": {side: code.to_json() for side, code in self.codes.items()},
            "environments": self.environments,
            "pairing": self.pairing,
            "control_drifted": self.answer.control_drifted,
            "failed": self.answer.failed,
            "died": self.answer.died,
            "overall": asdict(judged.overall) if judged.overall else None,
            "cases": {case_id: asdict(change) for case_id, change in judged.cases.items()},
            "counts": self.answer.counts,
            "explanation": asdict(self.explanation) if self.explanation else None,
            "elapsed_s": self.elapsed_s,
        }


def own_cases(cases: Sequence[Case], workload: str) -> tuple[Case, ...]:
    """Return the cases with a user's network in place of ours.

    Raises:
        BenchError: the workload is not named as ``module:factory``.
    """
    module, colon, factory = workload.partition(":")
    if not (colon and factory.isidentifier() and all(p.isidentifier() for p in module.split("."))):
        raise BenchError(f"--workload {workload!r}: give module:factory, such as mynet.bench:make")
    found = {
        case.case_id: case
        for case in (replace(c, scope="own", backbone="", network=workload) for c in cases)
    }
    return tuple(found.values())


def run(asked: Asked, folder: Path, console: Console) -> Compared:
    """Compare, and keep everything in the folder.

    Raises:
        BenchError: a side is no revision, or has no such package, or nothing can be measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with journal.locked(folder):
        for side in (BASE, HEAD):  # a kill may have left half a worktree
            shutil.rmtree(folder / f"code-{side}", ignore_errors=True)
        return _run(asked, folder, console)


def _run(asked: Asked, folder: Path, console: Console) -> Compared:
    start_s = time.monotonic()
    environments = {side: _environment(asked.pythons.get(side)) for side in (BASE, HEAD)}
    with both_checked_out(asked, folder) as codes:
        _say_hints(asked, console)
        with measuring(asked, codes, folder, console) as (engine, _):
            given = answer(engine, asked.gate)
        if given.failed:
            failed = _of_the_head(asked, codes, folder / "base", console, given.failed)
            given = replace(given, failed=failed)
        elapsed_s = time.monotonic() - start_s
        found = Compared(codes, environments, asked.pairing, given, elapsed_s)
        if found.verdict is Verdict.REGRESSED and asked.traces:
            slowest = given.judged.slowest()
            found = replace(found, explanation=_explained(asked, codes, folder, console, slowest))
    (folder / FILE).write_text(json.dumps(found.to_json(), indent=1))
    return found


def _digests(asked: Asked, codes: Mapping[str, Code]) -> dict[str, str]:
    return {
        side: digest(source_folder(asked.package, code.folder), asked.package)
        for side, code in codes.items()
    }


def _refuse_edited(
    codes: Mapping[str, Code], before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Raise `BenchError` if a folder was edited meanwhile: then nobody knows what was measured."""
    for side, code in codes.items():
        if before[side] != after[side]:
            raise BenchError(
                f"{code.name}: its code changed while it was measured; run again, or commit it "
                "and compare the commit"
            )


def _say_hints(asked: Asked, console: Console) -> None:
    threads = max(case.threads for case in asked.cases)
    for hint in advice.hints(advice.look(usable_cores(), governor()), threads):
        console.print(f"hint: {hint}", style="yellow", highlight=False, markup=False)


@contextlib.contextmanager
def both_checked_out(asked: Asked, folder: Path) -> Iterator[dict[str, Code]]:
    """Provide the code of both sides.

    Raises:
        BenchError: a side is neither a folder nor a revision.
    """
    with ExitStack() as stack:
        yield {
            side: stack.enter_context(checked_out(text, asked.repository, folder / f"code-{side}"))
            for side, text in ((BASE, asked.base), (HEAD, asked.head))
        }


def answer(engine: Engine, gate: Gate) -> Answer:
    """Measure both sides.

    Raises:
        BenchError: no case can run.
    """
    engine.check()
    failed = _failed(engine)
    running = [state.case.case_id for state in engine.states if state.runs]
    adaptive.measure(engine, [dict.fromkeys(running, CONTRAST)], gate)
    found = {state.case.case_id: state.undisturbed for state in engine.states if state.runs}
    judged = adaptive.judge(found, dict.fromkeys(found, CONTRAST), gate)
    control = adaptive.log_ratios(found, dict.fromkeys(found, CONTROL))
    counts = {s.case.case_id: _counts(s.finding) for s in engine.states if s.finding is not None}
    return Answer(
        judged,
        failed,
        verdict.drifted(control, gate),
        {i: c for i, c in counts.items() if c},
        _not_running(engine, checked=True),
    )


def _counts(finding: Finding) -> dict[str, tuple[int, int]]:
    """Return what of the counted facts differs between the sides."""
    if not {BASE, HEAD} <= set(finding.facts):
        return {}
    base, head = (asdict(finding.facts[side]) for side in (BASE, HEAD))
    return {
        name: (base[name], head[name])
        for name in COUNTED
        if None not in (base[name], head[name]) and base[name] != head[name]
    }


@contextlib.contextmanager
def measuring(
    asked: Asked,
    codes: Mapping[str, Code],
    folder: Path,
    console: Console,
    arms: Sequence[str] = (BASE, HEAD, AGAIN),
) -> Iterator[tuple[Engine, Launcher]]:
    """Provide an engine over the cases, with some of the arms, and what runs its processes.

    Raises:
        BenchError: the folder has another comparison, or the code was edited meanwhile.
    """
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    plan = _plan(asked, codes, scratch, arms)
    digests = _digests(asked, codes)
    header = _header(asked, plan, digests)
    entries = journal.read_any(folder / "journal")
    if entries is not None:
        run_folders.refuse_other(folder.name, entries.header, header, MUST_MATCH)
    log = journal.Journal.open(folder / "journal", header, entries)
    launcher = _launcher(asked, scratch, arms)
    try:
        with ProgressBar(console) as bar:
            yield Engine(plan, launcher, log, time.monotonic, bar, entries), launcher
    finally:
        launcher.close()
        log.close()
    _refuse_edited(codes, digests, _digests(asked, codes))


def _header(asked: Asked, plan: Plan, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return what identifies a comparison in its journal: `MUST_MATCH`."""
    return {
        "sides": dict(digests),
        "arms": texts(plan.arms),
        "cases": [case.case_id for case in asked.cases],
        "pairing": asked.pairing,
        "environments": [_environment(python) for python in (None, *asked.pythons.values())],
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


def _plan(asked: Asked, codes: Mapping[str, Code], scratch: Path, arms: Sequence[str]) -> Plan:
    network = "own" if asked.cases[0].scope == "own" else "panet"
    return Plan(
        cases=asked.cases,
        budget_s=asked.budget_s,
        timeout_s=asked.timeout_s,
        seed=0,
        images_dir=None,
        scratch_dir=str(scratch),
        arms={arm: Recipe(network, _side(arm)) for arm in arms},
        min_rounds=MIN_ROUNDS,
        design=Design(replicate_s=REPLICATE_S),
        sides={side: str(code.folder) for side, code in codes.items()},
        package=asked.package,
        per_turn=PER_TURN,
    )


def _side(arm: str) -> str:
    return HEAD if arm == HEAD else BASE


def _launcher(asked: Asked, scratch: Path, arms: Sequence[str]) -> Launcher:
    modules = preload(asked.cases)
    if asked.pairing == SHARED:
        return ServerLauncher(scratch, modules, usable_cores())
    launchers = {}
    for arm in arms:
        own = scratch / arm
        own.mkdir(exist_ok=True)
        python = asked.pythons.get(_side(arm), sys.executable)
        launchers[arm] = ServerLauncher(own, modules, 1, python=python)
    return ApartLauncher(launchers, scratch)


def _failed(engine: Engine) -> dict[str, str]:
    """Return the cases that cannot run; raise `BenchError` if none can."""
    failed = _not_running(engine, checked=False)
    if len(failed) == len(engine.states):
        raise BenchError(f"no case can be compared: {next(iter(failed.values()))}")
    return failed


def _not_running(engine: Engine, *, checked: bool) -> dict[str, str]:
    """Return what does not run and why: cases that died behind their check, or failed in it."""
    return {
        state.case.case_id: f"{state.finding.status}: {state.finding.reason}"
        for state in engine.states
        if state.finding is not None and state.finding.status != Status.OK
        if bool(state.finding.facts) == checked
    }


def _of_the_head(
    asked: Asked,
    codes: Mapping[str, Code],
    folder: Path,
    console: Console,
    failed: Mapping[str, str],
) -> dict[str, str]:
    """Return the failures that the base does not share: what it cannot run is nobody's loss."""
    cases = tuple(case for case in asked.cases if case.case_id in failed)
    with measuring(replace(asked, cases=cases), codes, folder, console, (BASE,)) as (engine, _):
        engine.check()
        able = {state.case.case_id for state in engine.states if state.runs}
    return {case_id: reason for case_id, reason in failed.items() if case_id in able}


def _explained(
    asked: Asked, codes: Mapping[str, Code], folder: Path, console: Console, slowest: str | None
) -> Explanation | None:
    """Profile both sides of a case, the base twice; `None` where that is not possible."""
    case = next((case for case in asked.cases if case.case_id == slowest), None)
    if case is None or case.scope == "own":  # whose stages nobody knows
        return None
    profiles = []
    with measuring(asked, codes, folder / "profiling", console) as (_, launcher):
        plan = _plan(asked, codes, folder / "profiling" / "scratch", (BASE, HEAD, AGAIN))
        for arm in (BASE, HEAD, AGAIN):
            task = TraceTask(
                case=case,
                seed=plan.seed,
                scratch_dir=plan.scratch_dir,
                arms={arm: plan.arms[arm]},
                sides=plan.sides,
                package=plan.package,
                arm=arm,
                trace_dir=str(folder / "traces" / case.case_id / arm),
            )
            profiles.append(launcher.run(task, asked.timeout_s))
    base, head, again = profiles
    if not (isinstance(base, Path) and isinstance(head, Path) and isinstance(again, Path)):
        return None
    return explain(case.case_id, base, head, again)


@functools.cache
def _environment(python: str | None) -> dict[str, Any]:
    """Return the environment of an interpreter, of this one without any.

    Raises:
        BenchError: it does not run, or lacks what a worker needs.
    """
    if python is None:
        return describe()
    code = (
        "import json, skimage.data, bench.engine.worker\n"
        "from bench.machine.environment import describe\n"
        "print(json.dumps(describe()))"
    )
    try:
        done = subprocess.run(  # noqa: S603 - the user's own interpreter
            [python, "-c", code],
            env={"PYTHONPATH": str(OUR_CODE), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BenchError(f"{python}: {error.strerror}; name an interpreter") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise BenchError(
            f"{python}: {reason}; it needs torch, numpy, psutil, pillow and scikit-image"
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
