"""``--deploy``: which way of running the network is fastest, on this machine, and by how much.

The cases of a run that differ only in how they are run (`bench.schema.ways`) take turns once more:
FPN + PANet in each, a process per way, so that no two pools of threads share one. The first eager
case is the base, and runs twice.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.launcher import Launcher, ServerLauncher, needed_by_checks
from bench.engine.plan import CaseState
from bench.engine.scheduler import preload
from bench.engine.separate_processes import ApartLauncher
from bench.run.extra_arms import why_nothing, write_rounds
from bench.run.own.numbers import ms, plus_minus, size
from bench.run.own.tables import Table
from bench.schema.case import TORCH, Case, case_name
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import MEASURED, CaseResult, Status
from bench.schema.ways import FIELDS, in_way, way_name, way_of
from bench.stats.beside import Beside, beside_base
from bench.stats.fastest import Fastest, fastest

NAME = "deploy"

HELP = "let the ways of running FPN + PANet take turns as well: which is fastest"

NETWORK, AGAIN = "panet", "again"
"""What is deployed; and the base once more."""

MOST_WAYS = 7
"""In which a case is run: every order of turns comes once, and of 8 arms there are 40320."""

HEADS = ("way", "ms", "over base", "ready", "grown by", "file", "waiting")

AT_REST = 0.01
"""Of a core: what a process uses while another one has its turn, at most."""


def grouped(results: Iterable[CaseResult]) -> dict[Case, Arms]:
    """Return base case -> what takes turns in it, of the cases that are run in several ways.

    Also of those beside which the machine was busy, but not of those that do not run.
    """
    groups: dict[Case, list[Case]] = {}
    for result in results:
        if result.finding is not None and result.status in MEASURED and _deployed(result.case):
            groups.setdefault(_usual(result.case), []).append(result.case)
    found: dict[Case, Arms] = {}
    for ways in groups.values():
        ways.sort(key=lambda case: not case.eager)  # the first eager one, as the axes have them
        if 1 < len(ways) <= MOST_WAYS:
            arms = {way_name(way): Recipe(NETWORK, way=way_of(way)) for way in ways}
            found[ways[0]] = {**arms, AGAIN: arms[way_name(ways[0])]}
    return found


Failed = Mapping[Case, Mapping[str, str]]
"""`_usual` case -> way -> status and reason."""


def failed(results: Iterable[CaseResult]) -> Failed:
    """Return the ways that were tried in the run itself and do not run.

    What was skipped cannot be, which is known beforehand; the run says so.
    """
    found: dict[Case, dict[str, str]] = {}
    for result in results:
        tried = result.status not in MEASURED and result.status != Status.SKIPPED
        if tried and _deployed(result.case):
            why = f"{result.status}: {result.reason}"
            found.setdefault(_usual(result.case), {})[way_name(result.case)] = why
    return found


def _deployed(case: Case) -> bool:
    return case.scope != "own" and case.pass_name == "inference"


def _usual(case: Case) -> Case:
    """Return the case as nothing but what is asked, whatever its way."""
    return replace(case, channels_last=False, compile_mode="off", runtime=TORCH)


def launcher_for(groups: Mapping[Case, Arms], scratch: Path) -> Launcher:
    """Return what gives every way a server of its own.

    Args:
        groups: of `grouped`.
        scratch: of the run.
    """
    cases: dict[str, list[Case]] = {}
    for case, arms in groups.items():
        for arm, recipe in arms.items():
            cases.setdefault(arm, []).append(in_way(case, recipe.way))
    launchers: dict[str, Launcher] = {}
    for arm, of in cases.items():
        own = scratch / NAME / arm
        own.mkdir(parents=True, exist_ok=True)
        launchers[arm] = ServerLauncher(own, preload(of), 1, helper=needed_by_checks(of))
    return ApartLauncher(launchers, scratch, leaves_out=True)


def write(states: Sequence[CaseState], failed: Failed, path: Path) -> None:
    """Write the rounds of all ways, and what else is known of them, into a file."""

    def known(state: CaseState) -> dict[str, Any]:
        return {"facts": _facts(state), "left_out": left_out(state, failed)}

    write_rounds(states, known, path)


def left_out(state: CaseState, failed: Failed) -> dict[str, str]:
    """Return the ways in which a case does not run: way -> status and reason."""
    here = state.finding.left_out if state.finding is not None else {}
    return {**failed.get(_usual(state.case), {}), **here}


def _facts(state: CaseState) -> dict[str, dict[str, float | int | None]]:
    """Return what is known of every way beside its rounds."""
    facts = state.finding.facts if state.finding is not None else {}
    return {
        arm: {
            "file_bytes": found.file_bytes,
            "cold_s": found.compile_s,
            "ready_s": _median(state, "compile_s", arm),
            "resident_bytes": _median(state, "resident_bytes", arm),
            "waiting_cpu": _median(state, "waiting_cpu", arm),
        }
        for arm, found in facts.items()
    }


def _median(state: CaseState, field: str, arm: str) -> float | None:
    found = [getattr(replicate, field) or {} for replicate in state.undisturbed]
    values = [of[arm] for of in found if arm in of]
    return statistics.median(values) if values else None


def tables(states: Sequence[CaseState], failed: Failed) -> Iterator[str]:
    """Yield what is known of the ways of running every case, and which is fastest, as text.

    Args:
        states: of the cases.
        failed: of `failed`.
    """
    for state in states:
        name = case_name(vars(state.case), frozenset(FIELDS))
        arms = list(state.finding.facts) if state.finding is not None else []
        if not state.undisturbed or not arms:
            yield "\n".join(
                (f"deploy, {name}: {why_nothing(state)}", *_why_left_out(state, failed))
            )
            continue
        base = arms[0]
        (found,) = beside_base([state.undisturbed], base, AGAIN)
        facts = _facts(state)
        rows = tuple(_row(arm, base, beside, facts[arm]) for arm, beside in found.items())
        head = f"deploy, {name}; fresh processes of each: {len(state.undisturbed)}"
        best = fastest(state.undisturbed, found, AGAIN)
        lines = (
            head,
            str(Table(HEADS, rows)),
            *_why_left_out(state, failed),
            _sentence(best, found),
        )
        yield "\n".join(lines)


def _why_left_out(state: CaseState, failed: Failed) -> Iterator[str]:
    """Yield a line per way in which a case does not run."""
    for way, why in left_out(state, failed).items():
        yield f"{way}  {why}"


def _row(
    arm: str, base: str, found: Beside, facts: Mapping[str, float | int | None]
) -> tuple[str, ...]:
    ready_s, resident, file_bytes = facts["ready_s"], facts["resident_bytes"], facts["file_bytes"]
    waiting = facts["waiting_cpu"]
    return (
        f"{base} again (A/A)" if arm == AGAIN else arm,
        f"{ms(found.call_s.value)} {plus_minus(found.call_s)}",
        "" if arm == base else f"{found.ratio.value:.3f} {plus_minus(found.ratio)}",
        "" if ready_s is None else f"{ready_s:.1f} s",
        "" if resident is None else size(int(resident)),
        "" if file_bytes is None else size(int(file_bytes)),
        "" if waiting is None else f"{100 * waiting:.1f} %{'!' if waiting > AT_REST else ''}",
    )


def _sentence(best: Fastest, found: Mapping[str, Beside]) -> str:
    call = found[best.arm].call_s
    text = f"fastest: {best.arm}, {ms(call.value)} ms ({plus_minus(call)})"
    if best.not_told_apart:
        text += f"; not told apart from it: {', '.join(best.not_told_apart)}"
    others = {a: r for a, r in best.over_fastest.items() if a not in best.not_told_apart}
    if others:
        said = ", ".join(f"{arm} {r.value:.3f} {plus_minus(r)}" for arm, r in others.items())
        text += f"; over it: {said}"
    return f"{text}."
