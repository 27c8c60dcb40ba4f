"""Has one side become slower than the other? The verdicts of a comparison, case by case.

Pure functions: numpy and scipy, no torch. How much evidence a verdict needs is
`bench.stats.sequential`'s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats as distributions

from bench.stats.intervals import MIN_FOR_INTERVAL, Estimate, mean_ratio, t_ratio
from bench.stats.multiplicity import holm
from bench.stats.sequential import GATE, Gate, mde_of_gate
from bench.stats.standing import OVERALL, Decided, Screening, Standing, State, follow


class Verdict(StrEnum):
    """Outcome of a comparison, for a case or for all of them; what outranks the others first."""

    REGRESSED = "regressed"
    MISSING = "missing"
    UNDECIDED = "undecided"
    IMPROVED = "improved"
    WITHIN_NOISE = "within_noise"
    INCOMPARABLE = "incomparable"


FINE, REGRESSED, NOTHING_SAID = 0, 1, 3

EXIT_CODES = {
    Verdict.REGRESSED: REGRESSED,
    Verdict.MISSING: REGRESSED,
    Verdict.UNDECIDED: NOTHING_SAID,
    Verdict.IMPROVED: FINE,
    Verdict.WITHIN_NOISE: FINE,
    Verdict.INCOMPARABLE: NOTHING_SAID,
}
"""For a shell, of every command that ends in a verdict; 2 is wrong use."""


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict over several: of every command, the one that outranks the others.

    A loss is worse than no answer, and that is worse than a gain. What is incomparable by its
    nature (times of different machines) was not a question, so it takes nothing from the answers
    to the others; of nothing, or of nothing else, it is the verdict.
    """
    given = set(verdicts)
    return next((verdict for verdict in Verdict if verdict in given), Verdict.INCOMPARABLE)


@dataclass(frozen=True)
class CaseVerdict:
    """What a comparison says of a case, or of all of them together."""

    verdict: Verdict
    ratio: Estimate | None
    """Head over base; `None` if nothing undisturbed was measured. Of a flagged case from the fresh
    replicates, because those that raised the flag exaggerate."""
    flagged: bool
    p_value: float | None
    """Of the fresh replicates, corrected; `None` where none were looked at."""
    mde_ratio: float | None
    """The smallest change (0.02: by 2 %) that the gate would have found 19 times of 20."""
    replicates: int
    """That the verdict rests on, those of the screen included."""
    left_to_overall: bool = False
    """Not measured to the end, because all cases together had changed, surely, and this one not in
    the other direction."""


@dataclass(frozen=True)
class ComparisonVerdict:
    """What a comparison says."""

    cases: dict[str, CaseVerdict]
    overall: CaseVerdict | None
    """All cases together, their geometric mean; `None` of a single case."""

    @property
    def by_name(self) -> dict[str, CaseVerdict]:
        """Of the cases and, by its name, of all together."""
        return self.cases if self.overall is None else {**self.cases, OVERALL: self.overall}

    def slowest(self) -> str | None:
        """Return the case that became slowest, of those that were flagged or changed together."""
        together = self.overall is not None and self.overall.flagged
        ratios = {
            i: c.ratio.value for i, c in self.cases.items() if c.ratio and (c.flagged or together)
        }
        return max(ratios, key=lambda i: ratios[i], default=None)

    @property
    def verdict(self) -> Verdict:
        """The one for a gate; cases that were left to all together add nothing to it."""
        return overall(each.verdict for each in self.by_name.values() if not each.left_to_overall)


def lacking(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> dict[str, int]:
    """Return how many replicates every case lacks until its next look; 0 where all is said.

    Args:
        log_ratios: of each case, head over base, one per undisturbed replicate, in the order of
            measuring.
        gate: how much evidence is enough.
    """
    standing = follow(log_ratios, gate)
    together = standing.overall
    if together is not None and together.lacking:
        look = min(len(log_ratios[i]) for i in standing.members) + together.lacking
        return {i: max(0, look - len(values)) for i, values in log_ratios.items()}
    waiting = {i: s for i, s in standing.cases.items() if not standing.left_to_overall(i)}
    screening = {i: s for i, s in waiting.items() if isinstance(s, Screening)}
    first = screening or waiting
    return {i: first[i].lacking if i in first else 0 for i in log_ratios}


def judge(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> ComparisonVerdict:
    """Return the verdict of every case, and of all together.

    Args:
        log_ratios: as in `lacking`.
        gate: how much evidence is enough.
    """
    standing = follow(log_ratios, gate)
    p_values = {i: s.p_value for i, s in standing.flagged.items() if s.p_value is not None}
    corrected = holm(p_values)
    return ComparisonVerdict(
        {i: _of_case(log_ratios[i], standing, i, corrected.get(i)) for i in standing.cases},
        _of_all(log_ratios, standing, corrected.get(OVERALL)),
    )


def drifted(log_ratios: Mapping[str, Sequence[float]], gate: Gate = GATE) -> bool:
    """Return whether a control surely drifted: what should be equal in every case is not in one.

    Args:
        log_ratios: of each case, one per undisturbed replicate; all of them are looked at, once.
        gate: how much evidence is enough.
    """
    samples = {i: np.asarray(v, float) for i, v in log_ratios.items()}
    p_values = {
        i: float(distributions.ttest_1samp(sample, 0.0).pvalue)
        for i, sample in samples.items()
        if sample.size >= MIN_FOR_INTERVAL and sample.std() > 0
    }
    return min(holm(p_values).values(), default=1.0) < gate.alarm_p


def _of_case(
    values: Sequence[float], standing: Standing, case_id: str, p_value: float | None
) -> CaseVerdict:
    state = standing.cases[case_id]
    looked_at = state.screened + state.confirmed
    seen = values[: state.screened] or values
    used = values[state.screened : looked_at] or seen
    return CaseVerdict(
        _verdict(state, p_value, standing.gate),
        t_ratio(used) if used else None,
        bool(state.direction),
        p_value,
        mde_of_gate(seen, standing.gate),
        looked_at,
        left_to_overall=standing.left_to_overall(case_id),
    )


def _of_all(
    log_ratios: Mapping[str, Sequence[float]], standing: Standing, p_value: float | None
) -> CaseVerdict | None:
    state = standing.overall
    if state is None:
        return None
    looked_at = state.screened + state.confirmed
    used = slice(state.screened, looked_at) if state.confirmed else slice(None)
    return CaseVerdict(
        _verdict(state, p_value, standing.gate),
        mean_ratio([log_ratios[case_id][used] for case_id in standing.members]),
        bool(state.direction),
        p_value,
        None,
        looked_at,
    )


def _verdict(state: State, p_value: float | None, gate: Gate) -> Verdict:
    if p_value is not None and p_value < gate.alarm_p:
        return Verdict.REGRESSED if state.direction == 1 else Verdict.IMPROVED
    return Verdict.WITHIN_NOISE if isinstance(state, Decided) else Verdict.UNDECIDED
