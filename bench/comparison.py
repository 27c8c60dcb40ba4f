"""One comparison: the cases of a suite with the arms of two sides, screened and then confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import stats, verdict
from bench.engine import CaseState, Engine
from bench.records import Replicate, calm
from bench.verdict import GATE, Change, Gate

GIVE_UP_AFTER = 4
"""Contended replicates, if they are also twice as many as the calm ones: the machine stays so."""


@dataclass(frozen=True)
class Measured:
    """The calm replicates of a case: those that the screen saw, and those measured after it."""

    screened: tuple[Replicate, ...]
    fresh: tuple[Replicate, ...]


Suspects = Sequence[stats.Contrast]
"""Several comparisons may share replicates (the self-test's do): a case is measured again if one of
them flags it."""


def measure(
    engine: Engine, contrasts: Mapping[str, Suspects], gate: Gate = GATE
) -> dict[str, Measured]:
    """Measure every case for the screen, and again those that a contrast of theirs flags.

    Args:
        engine: whose plan has the cases and their arms; checked, and closed by the caller.
        contrasts: case id -> candidate over baseline, once per comparison that uses the case.
        gate: how many replicates, and how much is suspicious.
    """
    engine.take_turns(lambda state: _missing(state, gate.screen_replicates))
    again = {
        name
        for name, found in divided(engine, gate).items()
        for contrast in contrasts[name]
        if verdict.screen({name: log_ratios(found.screened, contrast)}, gate)
    }
    total = gate.screen_replicates + gate.confirm_replicates
    engine.take_turns(lambda s: _missing(s, total) if s.case.case_id in again else 0)
    return divided(engine, gate)


def divided(engine: Engine, gate: Gate) -> dict[str, Measured]:
    """Return what an engine has measured so far, as the gate sees it."""
    return {state.case.case_id: divide(state.replicates, gate) for state in engine.states}


def divide(replicates: Sequence[Replicate], gate: Gate = GATE) -> Measured:
    """Divide the calm replicates of a case into those of the screen and those after it."""
    found = calm(replicates)
    return Measured(found[: gate.screen_replicates], found[gate.screen_replicates :])


def judge(
    measured: Mapping[str, Measured],
    contrasts: Mapping[str, stats.Contrast],
    gate: Gate = GATE,
) -> dict[str, Change]:
    """Return the verdict of every case for one comparison."""
    return verdict.judge(
        {case_id: log_ratios(m.screened, contrasts[case_id]) for case_id, m in measured.items()},
        {case_id: log_ratios(m.fresh, contrasts[case_id]) for case_id, m in measured.items()},
        gate,
    )


def log_ratios(replicates: Sequence[Replicate], contrast: stats.Contrast) -> list[float]:
    """Return candidate over baseline, one per replicate."""
    return [stats.log_ratio(replicate.rounds_s, contrast) for replicate in replicates]


def _missing(state: CaseState, wanted: int) -> int:
    contended = len(state.replicates) - len(state.calm)
    if contended >= max(GIVE_UP_AFTER, 2 * len(state.calm)):
        return 0
    return max(0, wanted - len(state.calm))
