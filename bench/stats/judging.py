"""From what was measured to verdicts: what a comparison lacks, what it says, and its control.

Pure functions: numpy and scipy, no torch. How much evidence a verdict needs is
`bench.stats.sequential`'s.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats as distributions

from bench.stats.intervals import (
    MIN_FOR_INTERVAL,
    Floats,
    mean_of_cases,
    mean_ratio,
    t_interval,
    t_ratio,
)
from bench.stats.mde import mde_of_gate
from bench.stats.multiplicity import level
from bench.stats.rows import Decided, Screening, State
from bench.stats.sequential import GATE, Gate
from bench.stats.stages import NO_STAGES, CaseStages, StagesOfAll, stages_of_all
from bench.stats.standing import ALL_CASES, OVERALL, WHOLE, Row, Standing, follow
from bench.stats.verdict import CaseVerdict, ComparisonVerdict, StageVerdict, Verdict


def lacking(
    log_ratios: Mapping[str, Sequence[float]],
    gate: Gate = GATE,
    stages: Mapping[str, CaseStages] | None = None,
) -> dict[str, int]:
    """Return how many replicates every case lacks until its next look; 0 where all is said.

    Args:
        log_ratios: of each case, head over base of whole calls, one per undisturbed replicate, in
            the order of measuring.
        gate: how much evidence is enough.
        stages: of the same replicates, of the cases whose calls are split.
    """
    standing = follow(log_ratios, gate, stages)
    waiting = {row: state for row, state in standing.rows.items() if standing.waits(row)}
    together = [state.lacking for (name, _), state in waiting.items() if name == OVERALL]
    if together:
        look = min(len(log_ratios[i]) for i in standing.members) + min(together)
        return {i: max(0, look - len(values)) for i, values in log_ratios.items()}
    screening = {row: state for row, state in waiting.items() if isinstance(state, Screening)}
    more = dict.fromkeys(log_ratios, 0)
    for (case_id, _), state in (screening or waiting).items():
        more[case_id] = max(more[case_id], state.lacking)
    return more


def judge(
    log_ratios: Mapping[str, Sequence[float]],
    gate: Gate = GATE,
    stages: Mapping[str, CaseStages] | None = None,
) -> ComparisonVerdict:
    """Return the verdict of every case, and of all together; the arguments are `lacking`'s."""
    standing = follow(log_ratios, gate, stages)
    return ComparisonVerdict(
        {
            i: _of_case(values, (stages or {}).get(i, NO_STAGES), standing, i)
            for i, values in log_ratios.items()
        },
        _of_all(log_ratios, stages or {}, standing),
    )


def drifted(
    log_ratios: Mapping[str, Sequence[float]],
    gate: Gate = GATE,
    stages: Mapping[str, CaseStages] | None = None,
) -> bool:
    """Return whether a control surely drifted: what should be equal in every case is not in one.

    A stage that differs by less of a call than the tolerance spoils no verdict.

    Args:
        log_ratios: of each case, one per undisturbed replicate; all of them are looked at, once.
        gate: how much evidence is enough.
        stages: of the same replicates.
    """
    families = [_smallest_p([values]) for values in log_ratios.values()]
    for of_case in (stages or {}).values():
        large = np.abs(of_case.of_call.mean(axis=1)) > gate.tolerance if of_case.names else []
        smallest = _smallest_p(of_case.log_ratios[np.flatnonzero(large)])
        families.append(None if smallest is None else smallest * len(of_case.names))
    known = [p_value for p_value in families if p_value is not None]
    return bool(min(known, default=1.0) < level(gate.alarm_p, len(known)))


def _smallest_p(rows: Sequence[Sequence[float]] | Floats) -> float | None:
    """Return the smallest p-value of (rows, replicates) that should be zero; `None`: no test."""
    samples = [np.asarray(row, float) for row in rows]
    p_values = [
        float(distributions.ttest_1samp(sample, 0.0).pvalue)
        for sample in samples
        if sample.size >= MIN_FOR_INTERVAL and sample.std() > 0
    ]
    return min(p_values, default=None)


def _of_case(
    values: Sequence[float], split: CaseStages, standing: Standing, case_id: str
) -> CaseVerdict:
    row = (case_id, WHOLE)
    whole, stages = standing.rows[row], standing.stages(case_id)
    states = [whole, *stages.values()]
    used = values[whole.used]
    return CaseVerdict(
        _verdict(standing, row, [] if standing.is_sure(row) else states),
        t_ratio(used) if used else None,
        any(state.direction for state in states),
        standing.p_values.get(row),
        mde_of_gate(values[: whole.screened] or values, standing.gate, 2 if stages else 1),
        max(state.screened + state.confirmed for state in states),
        left_to_overall=standing.left_to_overall(case_id),
        of_call=standing.of_call(case_id),
        stages=tuple(_of_stage(split, at, standing, case_id) for at in range(len(stages))),
        unmatched=split.unmatched,
    )


def _of_stage(split: CaseStages, at: int, standing: Standing, case_id: str) -> StageVerdict:
    name = split.names[at]
    row = (case_id, name)
    state = standing.rows[row]
    return StageVerdict(
        name,
        t_ratio(split.log_ratios[at, state.used].tolist()),
        t_interval(split.of_call[at, state.used].tolist()),
        standing.p_values.get(row),
        state.direction,
        standing.is_sure(row),
    )


def _of_all(
    log_ratios: Mapping[str, Sequence[float]],
    stages: Mapping[str, CaseStages],
    standing: Standing,
) -> CaseVerdict | None:
    state = standing.overall
    if state is None:
        return None
    used = state.used if state.confirmed else slice(None)
    together = stages_of_all([stages.get(i, NO_STAGES) for i in standing.members])
    states = [state, *standing.stages(OVERALL).values()]
    return CaseVerdict(
        _verdict(standing, ALL_CASES, [] if standing.is_sure(ALL_CASES) else states),
        mean_ratio([log_ratios[case_id][used] for case_id in standing.members]),
        any(each.direction for each in states),
        standing.p_values.get(ALL_CASES),
        None,
        max(each.screened + each.confirmed for each in states),
        of_call=standing.of_call(OVERALL),
        stages=tuple(
            found
            for at in range(len(together.names))
            if (found := _of_stage_of_all(together, at, standing)) is not None
        ),
    )


def _of_stage_of_all(together: StagesOfAll, at: int, standing: Standing) -> StageVerdict | None:
    row = (OVERALL, together.names[at])
    state = standing.rows[row]
    ratio = mean_ratio([case[at, state.used].tolist() for case in together.log_ratios])
    of_call = mean_of_cases([case[at, state.used].tolist() for case in together.of_call])
    if ratio is None or of_call is None:
        return None
    p_value, sure = standing.p_values.get(row), standing.is_sure(row)
    return StageVerdict(row[1], ratio, of_call, p_value, state.direction, sure)


def _verdict(standing: Standing, row: Row, needed: Sequence[State]) -> Verdict:
    """Return the verdict of a row's case; one without an alarm has to be decided."""
    if alarm := standing.alarm(row[0]):
        return Verdict.REGRESSED if alarm == 1 else Verdict.IMPROVED
    decided = all(isinstance(state, Decided) for state in needed)
    return Verdict.WITHIN_NOISE if decided else Verdict.UNDECIDED
