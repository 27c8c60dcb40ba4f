"""A commit against the good one: what became of whole calls and of every stage, over the cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import stats as distributions

from bench import stats
from bench.compare import adaptive
from bench.compare.measuring import both_checked_out, measuring
from bench.compare.request import BASE, HEAD, Request
from bench.schema.errors import BenchError
from bench.schema.text import percent
from bench.stats import Floats
from bench.stats.multiplicity import level
from bench.stats.stages import CaseStages
from bench.stats.standing import WHOLE

SURE = 1 - float(level(0.02, tests=4))
"""Of a step: a history of 16 takes four, and all of them have to be right."""

MIN_REPLICATES = 4

CONTRAST = stats.Contrast((HEAD,), (BASE,))


class UndecidedError(BenchError):
    """The machine was too busy to tell."""


@dataclass(frozen=True)
class Changes:
    """A commit over the good one in the whole call or a stage: the mean over the cases."""

    log_ratios: list[float]
    """One per replicate."""
    of_call: list[float]
    """The same as a share of the good commit's call."""


def changed_most_surely(rows: Mapping[str, Changes], tolerance: float) -> str:
    """Return the row (a stage, or `WHOLE`) that differs most surely between good and bad.

    As in the gate, all stages together are one question beside the whole call.

    Args:
        rows: what became of the whole call and of every stage.
        tolerance: of a call: a row that costs less is not looked for.

    Raises:
        BenchError: none differs, or none by so much.
    """
    stages = len(rows) - 1
    p_values = {
        row: _p_value(changes) * (2 * stages if row else 2 if stages else 1)
        for row, changes in rows.items()
    }
    sure = [row for row in rows if p_values[row] < 1 - SURE]
    large = [row for row in sure if abs(float(np.mean(rows[row].of_call))) > tolerance]
    if not large:
        of_call = [abs(float(np.mean(rows[row].of_call))) for row in sure]
        whole = float(np.mean(rows[WHOLE].of_call))
        why = "which is not sure"
        if sure:
            why = f"surely, but by {percent(max(of_call), 2)} of a call"
        raise BenchError(
            f"GOOD and BAD differ by {percent(whole, signed=True)}, {why}: there is nothing to "
            "look for; name the case that `bench compare` names with --case"
        )
    return min(large, key=lambda row: p_values[row])


def _p_value(changes: Changes) -> float:
    return float(distributions.ttest_1samp(changes.log_ratios, 0.0).pvalue)


def commit_log_ratios(
    request: Request, commit: str, count: int, folder: Path, console: Console
) -> list[float] | None:
    """Return whole calls of a commit over the good one; see `commit_rows`."""
    rows = commit_rows(request, commit, count, folder, console)
    return None if rows is None else rows[WHOLE].log_ratios


def commit_rows(
    request: Request, commit: str, count: int, folder: Path, console: Console
) -> dict[str, Changes] | None:
    """Return what became of the whole call (`WHOLE`), and of the stages that every case has.

    Returns:
        `None` if the commit's code cannot be run.

    Raises:
        UndecidedError: too few replicates were undisturbed.
    """
    pair = replace(request, head=commit)
    with (
        both_checked_out(pair, folder) as codes,
        measuring(pair, codes, folder, console, (BASE, HEAD)) as engine,
    ):
        engine.check()
        if not all(state.runs for state in engine.states):
            return None
        adaptive.measure_to(engine, {s.case.case_id: count for s in engine.states})
        measured = {state.case.case_id: state.undisturbed for state in engine.states}
    if min(map(len, measured.values())) < min(count, MIN_REPLICATES):
        raise UndecidedError(f"{commit[:10]}: the machine was too busy; run again when it is idle")
    contrasts = dict.fromkeys(measured, CONTRAST)
    whole = [*adaptive.log_ratios(measured, contrasts).values()]
    return {
        WHOLE: Changes(_over_cases(whole), _over_cases([np.expm1(case) for case in whole])),
        **_stages([*adaptive.stages(measured, contrasts).values()]),
    }


def _stages(cases: Sequence[CaseStages]) -> dict[str, Changes]:
    common = [name for name in cases[0].names if all(name in case.names for case in cases)]
    return {
        name: Changes(
            _over_cases([case.log_ratios[case.names.index(name)] for case in cases]),
            _over_cases([case.of_call[case.names.index(name)] for case in cases]),
        )
        for name in common
    }


def _over_cases(cases: Sequence[Sequence[float] | Floats]) -> list[float]:
    """Return the means over the cases, one per replicate that all of them have."""
    return [float(np.mean(together)) for together in zip(*cases, strict=False)]
