"""What came of a comparison, and its JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.compare.revisions import Code
from bench.profiling.profile_diff import Explanation
from bench.schema.files import COMPARE_SCHEMA
from bench.stats.intervals import Estimate
from bench.stats.verdict import EXIT_CODES, ComparisonVerdict, Verdict, overall

COUNTED = ("params", "macs", "operators", "peak_bytes", "graph_breaks")
"""Facts of an arm that are counted, not timed: any difference is real."""


@dataclass(frozen=True)
class Sides:
    """Who was compared, and how."""

    codes: dict[str, Code]
    environments: dict[str, dict[str, Any]]
    pairing: str


@dataclass(frozen=True)
class Measured:
    """What there is of a case, whatever its verdict."""

    replicates: int
    """That count."""
    contended: int
    """Replicates that do not."""
    latencies_s: dict[str, float]
    """Side -> seconds of its call: of the replicates that count, or of all where none does."""
    provisional: Estimate | None = None
    """Head over base of the contended replicates, where no other is there."""
    one_sided_s: dict[str, dict[str, float]] = field(default_factory=dict)
    """``base`` or ``head`` -> stage that this side alone has -> seconds of it in a call."""


@dataclass(frozen=True)
class ComparisonResult:
    """What came of a comparison."""

    sides: Sides
    timed: ComparisonVerdict
    """What the times say."""
    control_drifted: bool
    """Whether the base differed from itself."""
    failed: dict[str, str]
    """Case id -> why the head cannot run it, where the base's code can."""
    died: dict[str, str]
    """Case id -> why it was not measured to the end, though both sides can run it."""
    counts: dict[str, dict[str, tuple[int, int]]]
    """Case id -> what of `COUNTED` differs, base and head."""
    measured: dict[str, Measured]
    """Of every case with replicates."""
    elapsed_s: float
    """Until the verdict."""
    tolerance: float
    """Of a call: what surely costs less is no alarm."""
    command: str = ""
    """That repeats it."""
    explanation: Explanation | None = None
    """Of the case that became slowest."""

    @property
    def verdict(self) -> Verdict:
        """Over everything. A control that drifted makes what was timed worthless."""
        verdicts = [Verdict.UNDECIDED if self.control_drifted else self.timed.verdict]
        verdicts += [Verdict.MISSING] * len(self.failed)
        verdicts += [Verdict.UNDECIDED] * len(self.died)
        return overall(verdicts)

    @property
    def exit_code(self) -> int:
        """For a shell."""
        return EXIT_CODES[self.verdict]

    def __str__(self) -> str:
        """Return the comment for a reviewer: Markdown, which a notebook shows as such."""
        from bench.compare import comment  # which is about this type

        return comment.render(self)

    def _repr_markdown_(self) -> str:
        return str(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        timed = self.timed
        return {
            "schema": COMPARE_SCHEMA,
            "verdict": str(self.verdict),
            "codes": {side: code.to_json() for side, code in self.sides.codes.items()},
            "environments": self.sides.environments,
            "pairing": self.sides.pairing,
            "tolerance": self.tolerance,
            "control_drifted": self.control_drifted,
            "failed": self.failed,
            "died": self.died,
            "overall": asdict(timed.overall) if timed.overall else None,
            "cases": {case_id: asdict(verdict) for case_id, verdict in timed.cases.items()},
            "measured": {case_id: asdict(found) for case_id, found in self.measured.items()},
            "counts": self.counts,
            "command": self.command,
            "explanation": asdict(self.explanation) if self.explanation else None,
            "elapsed_s": self.elapsed_s,
        }
