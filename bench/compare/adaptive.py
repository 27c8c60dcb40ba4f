"""One comparison: the cases with the arms of both sides, until the gate knows."""

from collections.abc import Mapping, Sequence

from bench import stats
from bench.engine.plan import CaseState
from bench.engine.scheduler import Engine
from bench.schema.records import Replicate, undisturbed
from bench.stats import judging
from bench.stats.sequential import GATE, Gate
from bench.stats.stages import CaseStages, stages_between
from bench.stats.verdict import ComparisonVerdict

GIVE_UP_AFTER = 4
"""Contended replicates, if they are also twice as many as the undisturbed: the machine stays so."""

Contrasts = Mapping[str, stats.Contrast]
"""Case id -> what is head and what is base in it."""


def measure(
    engine: Engine,
    comparisons: Sequence[Contrasts],
    gate: Gate = GATE,
    *,
    gives_up: bool = False,
) -> None:
    """Measure every case until each comparison has what its next look needs, and look again.

    Args:
        engine: whose plan has the cases and their arms; checked, and closed by the caller.
        comparisons: may share replicates (the self-test's do).
        gate: how many replicates, and how much is suspicious.
        gives_up: whether a case that is contended again and again is left alone, instead of waiting
            for a calmer machine until the budget is spent.
    """
    known = -1
    while _count(engine) > known:
        known = _count(engine)
        measure_to(engine, _targets(engine, comparisons, gate, gives_up), gives_up=gives_up)


def _targets(
    engine: Engine, comparisons: Sequence[Contrasts], gate: Gate, gives_up: bool
) -> dict[str, int]:
    """Return how many undisturbed replicates every case needs for the next looks."""
    measured = {s.case.case_id: s.undisturbed for s in engine.states if not _ended(s, gives_up)}
    targets = {case_id: len(replicates) for case_id, replicates in measured.items()}
    for contrasts in comparisons:
        more = judging.lacking(log_ratios(measured, contrasts), gate, stages(measured, contrasts))
        for case_id, replicates in measured.items():
            targets[case_id] = max(targets[case_id], len(replicates) + more[case_id])
    return targets


def measure_to(engine: Engine, targets: Mapping[str, int], *, gives_up: bool = False) -> None:
    """Measure until every case has so many undisturbed replicates, or the budget is spent."""

    def lacking(state: CaseState) -> int:
        lack = targets.get(state.case.case_id, 0) - len(state.undisturbed)
        return 0 if _ended(state, gives_up) else max(0, lack)

    engine.take_turns(lacking)


def judge(
    replicates: Mapping[str, Sequence[Replicate]], contrasts: Contrasts, gate: Gate = GATE
) -> ComparisonVerdict:
    """Return the verdicts of one comparison.

    Args:
        replicates: of each case, in the order of measuring; contended ones do not count.
        contrasts: what is compared.
        gate: how much evidence is enough.
    """
    used = {i: undisturbed(r) for i, r in replicates.items()}
    return judging.judge(log_ratios(used, contrasts), gate, stages(used, contrasts))


def log_ratios(
    replicates: Mapping[str, Sequence[Replicate]], contrasts: Contrasts
) -> dict[str, list[float]]:
    """Return head over base of every case, one per replicate."""
    return {
        case_id: stats.log_ratios(
            [replicate.rounds_s for replicate in measured], contrasts[case_id]
        )
        for case_id, measured in replicates.items()
    }


def stages(
    replicates: Mapping[str, Sequence[Replicate]], contrasts: Contrasts
) -> dict[str, CaseStages]:
    """Return what became of the stages of every case whose calls are split."""
    return {
        case_id: stages_between(measured, contrasts[case_id])
        for case_id, measured in replicates.items()
    }


def _count(engine: Engine) -> int:
    return sum(len(state.replicates) for state in engine.states)


def _ended(state: CaseState, gives_up: bool) -> bool:
    """Whether nothing more can be measured of a case, or nothing more is to be tried."""
    contended = len(state.replicates) - len(state.undisturbed)
    busy = contended >= max(GIVE_UP_AFTER, 2 * len(state.undisturbed))
    return not state.runs or (gives_up and busy)
