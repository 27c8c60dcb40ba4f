"""What came of a question about somebody's networks, computed from the raw rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.run.own.measuring import Measured
from bench.run.own.request import Kind, Request
from bench.schema.records import MEASURED, NOT_POSSIBLE, CaseResult, Status
from bench.stats.beside import Beside, Exchange, besides, exchanges
from bench.stats.costs import latencies_s
from bench.stats.intervals import Estimate
from bench.stats.parts import Inside, insides
from bench.stats.verdict import FINE, NOTHING_SAID
from bench.workload.looking import Look


@dataclass(frozen=True)
class CaseAnswer:
    """What is known of a case."""

    result: CaseResult
    looks: Mapping[str, Look]
    insides: Mapping[str, Inside] = field(default_factory=dict)
    """Arm -> what is inside its calls, where parts are asked for."""
    besides: Mapping[str, Beside] = field(default_factory=dict)
    """Arm -> what it takes beside the base; the A/A arm is among them."""
    exchange: Exchange | None = None
    base_s: Estimate | None = None
    """The call of the base, in the rounds."""

    @property
    def answered(self) -> bool:
        """Whether anything was measured."""
        return bool(self.insides or self.besides)

    @property
    def said(self) -> bool:
        """Whether there is an answer that can be trusted: contended is none."""
        sure = self.result.status in MEASURED - {Status.CONTENDED}
        known = [inside.call_s for inside in self.insides.values()]
        known += [beside.ratio for beside in self.besides.values()]
        return sure and any(estimate.low is not None for estimate in known)


@dataclass(frozen=True)
class Answer:
    """What is known of all cases."""

    request: Request
    parts: tuple[str, ...]
    run: Mapping[str, Any]
    """What identifies the measurement."""
    cases: tuple[CaseAnswer, ...]

    @property
    def exit_code(self) -> int:
        """For a shell: nothing is said where no case is answered, or one fails."""
        failed = any(
            not case.said and case.result.status not in NOT_POSSIBLE for case in self.cases
        )
        return FINE if not failed and any(case.said for case in self.cases) else NOTHING_SAID


def answer(measured: Measured) -> Answer:
    """Return what the raw rounds say."""
    request, results = measured.request, measured.results
    used = [result.used for result in results]
    both = [request.base, request.again]
    split = (request.base, *request.others) if measured.parts else ()
    inside = {arm: insides(used, arm, measured.parts, request.again_of(arm)) for arm in split}
    beside = {arm: besides(used, arm, both) for arm in request.others}
    beside[request.again] = besides(used, request.again, [request.base])
    exchanged: Sequence[Exchange | None] = [None] * len(results)
    if request.kind is Kind.EXCHANGE and measured.parts:
        (part,), (arm,) = measured.parts, request.others
        exchanged = exchanges(used, part, arm, both)
    base_s = latencies_s([[r.rounds_s[request.base] for r in of if r.round_count] for of in used])
    cases = tuple(
        CaseAnswer(
            result,
            measured.looks.get(result.case.case_id, {}),
            {arm: found for arm, of in inside.items() if (found := of[i]) is not None},
            {arm: other for arm, of in beside.items() if (other := of[i]) is not None},
            exchanged[i],
            base_s[i],
        )
        for i, result in enumerate(results)
    )
    return Answer(request, measured.parts, measured.run, cases)
