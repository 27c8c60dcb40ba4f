"""Has one side become slower than the other? The verdicts of a comparison, case by case.

How they are reached is `bench.stats.judging`'s.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from bench.stats.intervals import Estimate
from bench.stats.standing import OVERALL


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
class StageVerdict:
    """What a comparison says of a stage of a case."""

    name: str
    ratio: Estimate
    """Head over base; of a flagged stage from the fresh replicates."""
    of_call: Estimate
    """Head - base as a share of the base's call (0.01: 1 %), from the same replicates."""
    p_value: float | None
    """Of the fresh replicates, corrected; `None` where none were looked at."""
    direction: int
    """Towards which it was flagged: 1 slower, -1 faster; 0 if it was not."""
    sure: bool
    """Whether it has changed in that direction, however little it costs of a call."""


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
    of_call: float | None = None
    """What surely changed, as a share of a call (0.01: 1 %): the whole call, if that did, or else
    the sum over its stages; `None` if nothing did. Beyond the gate's tolerance it is an alarm."""
    stages: tuple[StageVerdict, ...] = ()
    """In the order of a call; none where the calls are not split."""
    unmatched: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """``base`` or ``head`` -> stages that only this side has."""

    @property
    def tolerated(self) -> bool:
        """Whether something has surely changed that is no alarm, because it costs too little."""
        return self.of_call is not None and self.verdict is Verdict.WITHIN_NOISE

    @property
    def named(self) -> tuple[StageVerdict, ...]:
        """The stages that surely changed; first those that account for most of what did."""
        sure = (stage for stage in self.stages if stage.sure)
        direction = math.copysign(1, self.of_call or 0.0)
        return tuple(sorted(sure, key=lambda stage: -direction * stage.of_call.value))


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

    def explaining(self) -> str | None:
        """Return whose stages say what the verdict is about; `None`: no stage does.

        All cases together, if a stage surely changed in them; otherwise of the cases with the
        verdict of all the one in which its stages cost, or save, most.
        """
        costs = {
            name: (name == OVERALL, abs(case.named[0].of_call.value))
            for name, case in self.by_name.items()
            if case.verdict is self.verdict and case.of_call is not None and case.named
            if case.named[0].of_call.value * case.of_call > 0
        }
        return max(costs, key=lambda name: costs[name], default=None)

    def slowest(self) -> str | None:
        """Return the case that became slowest, of those that were flagged or changed together.

        One that regressed by itself comes first: it is what the gate named.
        """
        together = self.overall is not None and self.overall.flagged
        costs = {
            i: (
                c.verdict is Verdict.REGRESSED,
                c.ratio.value - 1 if c.of_call is None else c.of_call,
            )
            for i, c in self.cases.items()
            if c.ratio and (c.flagged or together)
        }
        return max(costs, key=lambda i: costs[i], default=None)

    @property
    def verdict(self) -> Verdict:
        """The one for a gate; cases that were left to all together add nothing to it."""
        return overall(each.verdict for each in self.by_name.values() if not each.left_to_overall)
