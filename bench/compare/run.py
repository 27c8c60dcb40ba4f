"""``python -m bench compare BASE HEAD``: has the code become slower? Both sides take turns here.

Engine and measuring (`bench.compare.measuring`) are this checkout's, whatever the sides are. The
base runs twice per round, as its own control.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from bench import stats
from bench.compare import adaptive, stage_words
from bench.compare.measuring import both_checked_out, digests, explained, measuring
from bench.compare.request import AGAIN, BASE, HEAD, Request
from bench.compare.result import COUNTED, ComparisonResult, Measured, Sides
from bench.compare.revisions import Code
from bench.engine.interpreter import environment_of
from bench.engine.plan import CaseState
from bench.engine.scheduler import Engine
from bench.machine import advice
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.files import COMPARE
from bench.schema.records import Finding, Status
from bench.stats import judging
from bench.stats.sequential import Gate
from bench.stats.standing import OVERALL
from bench.stats.verdict import Verdict

CONTRAST = stats.Contrast((HEAD,), (BASE, AGAIN))
CONTROL = stats.Contrast((AGAIN,), (BASE,))


def run(request: Request, folder: Path, console: Console) -> ComparisonResult:
    """Compare, and keep everything in the folder.

    Raises:
        BenchError: a side is no revision, or has no such package, or nothing can be measured.
    """
    with journal.locked(folder):
        result = _run(request, folder, console)
        (folder / COMPARE).write_text(json.dumps(result.to_json(), indent=1))
    return result


def _run(request: Request, folder: Path, console: Console) -> ComparisonResult:
    start_s = time.monotonic()
    environments = {side: environment_of(request.python_of(side)) for side in (BASE, HEAD)}
    with both_checked_out(request, folder) as codes:
        advice.give(max(case.threads for case in request.cases), console)
        sides = Sides(codes, environments, request.pairing)
        code = digests(request, codes)
        if code[BASE] == code[HEAD] and not request.pythons:
            console.print("both sides are the same code: the answer is about this machine")
        with measuring(request, codes, folder, console) as engine:
            result = measure(engine, request.gate, sides, start_s)
        result = replace(result, command=request.command)
        if result.failed:
            failed = _new_failures(request, codes, folder, console, result.failed)
            if not failed and not result.measured:
                reason = next(iter(result.failed.values()))
                raise BenchError(f"no case can be compared, the base cannot run any: {reason}")
            result = replace(result, failed=failed, elapsed_s=time.monotonic() - start_s)
        slowest = result.timed.slowest()
        if result.verdict is Verdict.REGRESSED and request.traces and slowest is not None:
            together = result.timed.overall is not None and not result.timed.cases[slowest].named
            named = stage_words.names(result, OVERALL if together else slowest)
            why = explained(request, codes, folder, slowest, named)
            return replace(result, explanation=why)
    return result


def measure(engine: Engine, gate: Gate, sides: Sides, start_s: float) -> ComparisonResult:
    """Measure both sides until the gate knows."""
    engine.check()
    failed = _not_running(engine, checked=False)
    running = [state.case.case_id for state in engine.states if state.runs]
    adaptive.measure(engine, [dict.fromkeys(running, CONTRAST)], gate)
    measured = {state.case.case_id: state.undisturbed for state in engine.states if state.runs}
    same = dict.fromkeys(measured, CONTROL)
    control = (adaptive.log_ratios(measured, same), gate, adaptive.stages(measured, same))
    counts = {s.case.case_id: _counts(s.finding) for s in engine.states if s.finding is not None}
    timed = adaptive.judge(measured, dict.fromkeys(measured, CONTRAST), gate)
    unmatched = {case_id: verdict.unmatched for case_id, verdict in timed.cases.items()}
    return ComparisonResult(
        sides,
        timed=timed,
        control_drifted=judging.drifted(*control),
        failed=failed,
        died=_not_running(engine, checked=True),
        counts={case_id: differing for case_id, differing in counts.items() if differing},
        measured={
            s.case.case_id: _measured(s, unmatched.get(s.case.case_id, {}))
            for s in engine.states
            if s.replicates
        },
        elapsed_s=time.monotonic() - start_s,
        tolerance=gate.tolerance,
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


def _measured(state: CaseState, unmatched: Mapping[str, Sequence[str]]) -> Measured:
    used = state.undisturbed or state.replicates
    latencies = stats.latencies_s([[r.rounds_s[side] for r in used] for side in (BASE, HEAD)])
    latencies_s = {
        side: latency.value
        for side, latency in zip((BASE, HEAD), latencies, strict=True)
        if latency is not None
    }
    contended = len(state.replicates) - len(state.undisturbed)
    provisional = None
    if not state.undisturbed:
        provisional = stats.t_ratio(stats.log_ratios([r.rounds_s for r in used], CONTRAST))
    times = {side: stats.stage_times(state.undisturbed, side) for side in unmatched}
    one_sided_s = {
        side: {name: times[side][name].time_s.value for name in names}
        for side, names in unmatched.items()
    }
    return Measured(len(state.undisturbed), contended, latencies_s, provisional, one_sided_s)


def _not_running(engine: Engine, *, checked: bool) -> dict[str, str]:
    """Return what does not run and why: cases that died behind their check, or failed in it."""
    return {
        state.case.case_id: f"{state.finding.status}: {state.finding.reason}"
        for state in engine.states
        if state.finding is not None and state.finding.status != Status.OK
        if bool(state.finding.facts) == checked
    }


def _new_failures(
    request: Request,
    codes: Mapping[str, Code],
    folder: Path,
    console: Console,
    failed: Mapping[str, str],
) -> dict[str, str]:
    """Return the failures that the base does not share: what it cannot run is nobody's loss."""
    cases = tuple(case for case in request.cases if case.case_id in failed)
    alone = replace(request, cases=cases)
    with measuring(alone, codes, folder / "base", console, (BASE,)) as engine:
        engine.check()
        able = {state.case.case_id for state in engine.states if state.runs}
    return {case_id: reason for case_id, reason in failed.items() if case_id in able}
