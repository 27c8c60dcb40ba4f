"""One comparison: the cases with the arms of both sides, until the gate knows."""

from collections.abc import Mapping, Sequence

from bench import stats
from bench.engine.scheduler import CaseState, Engine
from bench.schema.records import Replicate, undisturbed
from bench.stats import judging
from bench.stats.sequential import GATE, Gate
from bench.stats.stages import CaseStages, stages_between
from bench.stats.verdict import ComparisonVerdict

GIVE_UP_AFTER = 4
"""Contended replicates, if they are also twice as many as the undisturbed: the machine stays so."""

Contrasts = Mapping[str, stats.Contrast]
"""Case id -> what is head and what is base in it."""


def measure(engine: Engine, comparisons: Sequence[Contrasts], gate: Gate = GATE) -> None:
    """Measure every case until each comparison has what its next look needs, and look again.

    Args:
        engine: whose plan has the cases and their arms; checked, and closed by the caller.
        comparisons: may share replicates (the self-test's do).
        gate: how many replicates, and how much is suspicious.
    """
    known = -1
    while _count(engine) > known:
        known = _count(engine)
        measure_to(engine, _targets(engine, comparisons, gate))


def _targets(engine: Engine, comparisons: Sequence[Contrasts], gate: Gate) -> dict[str, int]:
    """Return how many undisturbed replicates every case needs for the next looks."""
    measured = {s.case.case_id: s.undisturbed for s in engine.states if not _given_up(s)}
    targets = {case_id: len(replicates) for case_id, replicates in measured.items()}
    for contrasts in comparisons:
        more = judging.lacking(log_ratios(measured, contrasts), gate, stages(measured, contrasts))
        for case_id, replicates in measured.items():
            targets[case_id] = max(targets[case_id], len(replicates) + more[case_id])
    return targets


def measure_to(engine: Engine, targets: Mapping[str, int]) -> None:
    """Measure until every case has so many undisturbed replicates.

    Cases that cannot be measured are given up, and the budget ends all.
    """

    def lacking(state: CaseState) -> int:
        lack = targets.get(state.case.case_id, 0) - len(state.undisturbed)
        return 0 if _given_up(state) else max(0, lack)

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


def _given_up(state: CaseState) -> bool:
    """Whether the case cannot be measured: it does not run, or the machine stays busy."""
    contended = len(state.replicates) - len(state.undisturbed)
    return not state.runs or contended >= max(GIVE_UP_AFTER, 2 * len(state.undisturbed))
