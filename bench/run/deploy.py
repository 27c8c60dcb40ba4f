"""``--deploy``: which way of running the network is fastest, on this machine, and by how much.

The cases of a run that differ only in how they are run (`bench.schema.ways`) take turns once more:
FPN + PANet in each, a process per way, so that no two pools of threads share one. The first eager
case is the base, and runs twice. What is said of it is in `bench.run.deploy_answer`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.engine.launcher import Launcher, ServerLauncher
from bench.engine.preloading import needed_by
from bench.engine.separate_processes import ApartLauncher
from bench.schema.case import TORCH, Case, names_of
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import MEASURED, CaseResult, LeftOut, Status
from bench.schema.text import listed
from bench.schema.ways import FIELDS, in_way, way_name, way_of

NAME = "deploy"

HELP = "let the ways of running FPN + PANet take turns as well: which is fastest"

NETWORK, AGAIN = "panet", "again"
"""What is deployed; and the base once more."""

GIVE_SEVERAL = "give several of --runtimes, --compile or --channels-last"


def grouped(results: Iterable[CaseResult]) -> dict[Case, Arms]:
    """Return base case -> what takes turns in it, of the cases that are run in several ways.

    Also of those beside which the machine was busy, but not of those that do not run.
    """
    found: dict[Case, Arms] = {}
    for ways in _ways(results).values():
        if len(ways) > 1:
            arms = {way_name(way): Recipe(NETWORK, way=way_of(way)) for way in ways}
            found[ways[0]] = {**arms, AGAIN: arms[way_name(ways[0])]}
    return found


def not_compared(results: Sequence[CaseResult]) -> Iterator[str]:
    """Yield which cases have no ways that take turns, and why, in a few lines."""
    alone = {usual: ways[0] for usual, ways in _ways(results).items() if len(ways) == 1}
    names = names_of(alone, frozenset(FIELDS))
    of_no_other, out = [], failed(results)
    for usual, way in alone.items():
        name = names[usual.case_id]
        if others := out.get(usual):
            why = "; ".join(f"{w} {left.status}: {left.reason}" for w, left in others.items())
            yield f"--deploy: {name} runs as {way_name(way)} alone; {why}"
        else:
            of_no_other.append(name)
    if of_no_other:
        yield f"--deploy: measured in one way alone: {listed(of_no_other)}; {GIVE_SEVERAL}"
    trains = sum(_measured(r) and r.case.pass_name != "inference" for r in results)
    if trains:
        yield f"--deploy: what is deployed does not train; cases of training left out: {trains}"


def _ways(results: Iterable[CaseResult]) -> dict[Case, list[Case]]:
    """Return `_usual` case -> how it was run, first what may be the base.

    That is the first eager one, as the axes have them; without any, one that computes the same.
    """
    groups: dict[Case, list[CaseResult]] = {}
    for result in results:
        if _measured(result) and _deployed(result.case):
            groups.setdefault(_usual(result.case), []).append(result)
    return {
        usual: [r.case for r in sorted(ways, key=lambda r: (not r.case.eager, _quantised(r)))]
        for usual, ways in groups.items()
    }


def _measured(result: CaseResult) -> bool:
    return result.finding is not None and result.status in MEASURED


def _quantised(result: CaseResult) -> bool:
    facts = result.finding.facts if result.finding is not None else {}
    return any(found.quantised for found in facts.values())


Failed = Mapping[Case, Mapping[str, LeftOut]]
"""`_usual` case -> way -> how it ended."""


def failed(results: Iterable[CaseResult]) -> Failed:
    """Return the ways that were tried in the run itself and do not run.

    What was skipped cannot be, which is known beforehand; the run says so.
    """
    found: dict[Case, dict[str, LeftOut]] = {}
    for result in results:
        tried = result.status not in MEASURED and result.status != Status.SKIPPED
        if tried and _deployed(result.case):
            why = LeftOut(result.status, result.reason)
            found.setdefault(_usual(result.case), {})[way_name(result.case)] = why
    return found


def failed_in(case: Case, known: Failed) -> Mapping[str, LeftOut]:
    """Return the ways of a case that do not run, of `failed`."""
    return known.get(_usual(case), {})


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
        launchers[arm] = ServerLauncher(own, needed_by(of), 1)
    return ApartLauncher(launchers, scratch, leaves_out=True)
