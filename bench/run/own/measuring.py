"""How somebody's networks are measured: a look into them, and then the engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import stats
from bench.engine.launcher import Launcher
from bench.engine.opened import launched, opened
from bench.engine.plan import Plan
from bench.engine.stopping import All, HalfWidth
from bench.machine import advice
from bench.machine.environment import digest, git_commit
from bench.run import header
from bench.run.own.request import NETWORK, Kind, Request
from bench.run.tracing import Tracing
from bench.schema import journal, text
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import texts
from bench.schema.records import CaseResult, Status
from bench.schema.tasks import Failure
from bench.stats.parts import inside_logs
from bench.workload.looking import Look, LookTask

SEED = 0

MUST_MATCH = {
    **header.MUST_MATCH,
    "arms": "the networks",
    "parts": "the parts",
    "inputs": "--input",
    "networks_code": "the code of the networks",
}
"""What a measurement that goes on shares with its first part."""


@dataclass(frozen=True)
class Measured:
    """What was found, before anything is computed of it."""

    request: Request
    parts: tuple[str, ...]
    """In the order of a call."""
    looks: Mapping[str, Mapping[str, Look]]
    """Case id -> arm -> what was seen in it; nothing of a case that does not run here."""
    results: Sequence[CaseResult]
    run: Mapping[str, object]
    """What identifies the measurement: environment, code, networks, parts."""


def measure(request: Request, folder: Path, console: Console) -> Measured:
    """Measure, and keep everything in the folder, so that it can be gone on with.

    Raises:
        BenchError: there is no such network or part, it cannot be marked, or its code was edited
            meanwhile.
    """
    scratch = folder / "scratch"
    launching = launched(scratch, request.cases, traces=request.traces)
    with journal.locked(folder), launching as launcher:
        request, looks = _looked(request, launcher, scratch, console)
        seen = [look for by_arm in looks.values() for look in by_arm.values()]
        parts = _parts(request, looks)
        before = _digests(seen)
        plan = _plan(request, scratch, parts)
        run = {
            **header.header(plan, request.half_width),
            "arms": texts(plan.arms),
            "parts": list(parts),
            "inputs": list(request.shapes),
            "networks_code": before,
            "commit": _commit(seen),
        }
        hints = advice.give(max(case.threads for case in request.cases), console)
        adds = "part adds" if parts else "over the base"
        with opened(
            plan, folder, run, console, must_match=MUST_MATCH, launcher=launcher, adds=adds
        ) as engine:
            results = engine.run(All(_rules(request, parts)))
        if request.traces:
            tracing = Tracing(launcher, folder, request.timeout_s, partial(_told, plan))
            _trace(request, results, tracing, run["environment"], console)
    if _digests(seen) != before:
        raise BenchError("the code of the network was edited while it was measured: run again")
    run |= {"hints": hints, "run_id": folder.name}
    return Measured(request, parts, looks, results, run)


def _told(plan: Plan, _case: Case) -> dict[str, Any]:
    """Return what a task is told that profiles a case of the plan, or finds the ceilings for it."""
    return {
        "seed": plan.seed,
        "scratch_dir": plan.scratch_dir,
        "arms": plan.arms,
        "marked": plan.marked,
        "shapes": plan.shapes,
    }


def _trace(
    request: Request,
    results: Sequence[CaseResult],
    tracing: Tracing,
    environment: Any,  # noqa: ANN401 - a mapping of plain values
    console: Console,
) -> None:
    """Profile the networks of every case that was measured; say what could not be."""
    measured = [result for result in results if result.used]
    say = partial(console.print, style="dim", highlight=False, markup=False, soft_wrap=True)
    tracing.find_ceilings([result.case for result in measured], environment, say)
    for result in measured:
        say(f"profiling {text.listed(_networks(request))}")
        tracing.trace(result, [arm for arm in request.arms if arm != request.again])
    for note in tracing.notes:
        say(note)


def _looked(
    request: Request, launcher: Launcher, scratch: Path, console: Console
) -> tuple[Request, dict[str, dict[str, Look]]]:
    """Return the request with the sizes that were seen, and what else was seen."""
    cases: dict[str, Case] = {}
    looks: dict[str, dict[str, Look]] = {}
    failed: list[CallError] = []
    for case in request.cases:
        looking = f"looking into {text.listed(_networks(request))}"
        console.print(looking, style="dim", highlight=False, soft_wrap=True)
        try:
            seen = _look(request, case, launcher, scratch)
        except CallError as error:  # its check says why, and the others go on
            failed.append(error)
            seen = {}
        size = next((look.size for look in seen.values() if look.size is not None), None)
        if size is not None and request.sized:
            raise BenchError(
                f"{_networks(request)[0]} takes no (batch, height, width), so --batch-sizes and "
                "--resolutions say nothing: give --input, or a factory of these three"
            )
        batch, height_px, width_px = size or (case.batch_size, case.height_px, case.width_px)
        told = replace(case, batch_size=batch, height_px=height_px, width_px=width_px)
        cases[told.case_id] = told
        looks[told.case_id] = seen
    if failed and not any(looks.values()):
        raise failed[0]
    return replace(request, cases=tuple(cases.values())), looks


class CallError(BenchError):
    """The call of somebody's network fails: in this case, and perhaps in no other."""


def _networks(request: Request) -> list[str]:
    return list(dict.fromkeys(request.typed[arm] for arm in request.arms))


def _look(request: Request, case: Case, launcher: Launcher, scratch: Path) -> dict[str, Look]:
    """Return what is seen in each arm but the A/A arm; nothing where the case does not run here."""
    seen: dict[str, Look] = {}
    for arm, recipe in request.arms.items():
        if arm == request.again:
            continue
        task = LookTask(
            case=case,
            seed=SEED,
            scratch_dir=str(scratch),
            arms={arm: recipe},
            marked=request.parts,
            parts_of=request.parts_of,
            shapes=request.shapes,
        )
        outcome = launcher.run(task, request.timeout_s)
        if isinstance(outcome, Failure):
            told = outcome.status == Status.SKIPPED  # our own words, for the user
            if told:
                raise BenchError(outcome.reason)
            words = _one_line(f"its call fails: {outcome.reason}")
            raise CallError(f"{request.typed[arm]}: {words}")
        if outcome.unsupported:
            return {}
        seen[arm] = outcome
    return seen


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else text


def _parts(request: Request, looks: Mapping[str, Mapping[str, Look]]) -> tuple[str, ...]:
    """Return the parts in the order of a call, those of every case."""
    if request.kind is Kind.NETWORKS:
        return ()
    found = (part for by_arm in looks.values() if by_arm for part in by_arm[NETWORK].parts)
    parts = tuple(dict.fromkeys(found))
    if any(looks.values()) and not parts:
        where = ", ".join(path or "." for path in request.parts_of)
        raise BenchError(f"--parts-of {where}: none of its modules is called; name --part PATH")
    return parts


def _digests(looks: Sequence[Look]) -> dict[str, str]:
    places = sorted({place for look in looks for place in look.code})
    return {name: digest(Path(folder), name) for folder, name in places}


def _commit(looks: Sequence[Look]) -> str | None:
    """Return the commit of the network's code, of the base if there are several."""
    for folder, name in looks[0].code if looks else ():
        return git_commit(Path(folder), name, f"{name}.py")
    return None


def _plan(request: Request, scratch: Path, parts: tuple[str, ...]) -> Plan:
    return Plan(
        cases=request.cases,
        budget_s=request.budget_s,
        timeout_s=request.timeout_s,
        seed=SEED,
        images_dir=None,
        scratch_dir=str(scratch),
        arms=request.arms,
        # Where an exchange is asked, the rounds of both networks say everything, side by side.
        split_arm=NETWORK if request.kind is Kind.PARTS else "",
        marked=parts,
        shapes=request.shapes,
    )


Read = Callable[[Sequence[stats.Timed]], list[float]]


def _rules(request: Request, parts: Sequence[str]) -> dict[str, HalfWidth]:
    """Return when each of the numbers that were asked for is narrow enough."""
    reads: dict[str, Read] = {}
    for arm in (request.base, *request.others):
        for part in parts:
            name = part if arm == request.base else f"{part} ({request.typed[arm]})"
            reads[name] = partial(inside_logs, arm=arm, part=part)
    for arm in request.others:
        contrast = stats.Contrast((arm,), (request.base, request.again))
        reads[arm] = partial(_whole_logs, contrast=contrast)
    # Nothing was seen: no case runs here, and none will be measured.
    reads = reads or {NETWORK: partial(_whole_logs, contrast=stats.NOISE)}
    return {name: HalfWidth(request.half_width, read) for name, read in reads.items()}


def _whole_logs(replicates: Sequence[stats.Timed], contrast: stats.Contrast) -> list[float]:
    return stats.log_ratios([replicate.rounds_s for replicate in replicates], contrast)
