"""One comparison: the cases of a suite with the arms of two sides, until the gate knows."""

from collections.abc import Mapping, Sequence

from bench import stats
from bench.engine.scheduler import CaseState, Engine
from bench.schema.records import Replicate, undisturbed
from bench.stats import verdict
from bench.stats.sequential import GATE, Gate
from bench.stats.verdict import Judged

GIVE_UP_AFTER = 4
"""Contended replicates, if they are also twice as many as the calm ones: the machine stays so."""

Sides = Mapping[str, stats.Contrast]
"""Case id -> candidate over baseline."""


def measure(engine: Engine, comparisons: Sequence[Sides], gate: Gate = GATE) -> None:
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


def _targets(engine: Engine, comparisons: Sequence[Sides], gate: Gate) -> dict[str, int]:
    """Return how many calm replicates every case needs for the next looks."""
    found = {s.case.case_id: s.undisturbed for s in engine.states if not _given_up(s)}
    targets = {case_id: len(replicates) for case_id, replicates in found.items()}
    for sides in comparisons:
        for case_id, more in verdict.missing(log_ratios(found, sides), gate).items():
            targets[case_id] = max(targets[case_id], len(found[case_id]) + more)
    return targets


def measure_to(engine: Engine, targets: Mapping[str, int]) -> None:
    """Measure until every case has so many calm replicates, is given up, or the budget is spent."""

    def lacking(state: CaseState) -> int:
        lack = targets.get(state.case.case_id, 0) - len(state.undisturbed)
        return 0 if _given_up(state) else max(0, lack)

    engine.take_turns(lacking)


def judge(replicates: Mapping[str, Sequence[Replicate]], sides: Sides, gate: Gate = GATE) -> Judged:
    """Return the verdicts of one comparison.

    Args:
        replicates: of each case, in the order of measuring; contended ones do not count.
        sides: what is compared.
        gate: how much evidence is enough.
    """
    return verdict.judge(
        log_ratios({i: undisturbed(r) for i, r in replicates.items()}, sides), gate
    )


def log_ratios(
    replicates: Mapping[str, Sequence[Replicate]], sides: Sides
) -> dict[str, list[float]]:
    """Return candidate over baseline of every case, one per replicate."""
    return {
        case_id: stats.log_ratios([replicate.rounds_s for replicate in found], sides[case_id])
        for case_id, found in replicates.items()
    }


def _count(engine: Engine) -> int:
    return sum(len(state.replicates) for state in engine.states)


def _given_up(state: CaseState) -> bool:
    """Whether the case cannot be measured: it does not run, or the machine does not calm down."""
    contended = len(state.replicates) - len(state.undisturbed)
    return not state.runs or contended >= max(GIVE_UP_AFTER, 2 * len(state.undisturbed))
