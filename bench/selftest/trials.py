"""One trial of the self-test: identical code and known slow-downs, compared with the real gate.

A trial is one measurement that serves several comparisons. In every case the same network takes
turns as ``base`` and ``head``, and FPN beside them; in some cases slowed networks do, too. So
identical code is compared (``head`` over ``base`` in all cases), and every slow-down by itself (the
same, but in its case the slowed network against ``base``; which of them is the head is drawn). The
gate gets names of arms and rounds; what the arms run is in the journal's header.
"""

import functools
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from bench import stats
from bench.compare import adaptive
from bench.compare.adaptive import Contrasts
from bench.engine.scheduler import Engine
from bench.schema import journal
from bench.schema.case import Case
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import Finding, Replicate
from bench.selftest.calibration import Slowing
from bench.stats.sequential import Gate
from bench.stats.verdict import ComparisonVerdict, Verdict

FPN, BASE, HEAD = "fpn", "base", "head"
ARMS: Arms = {FPN: Recipe("fpn"), BASE: Recipe("panet"), HEAD: Recipe("panet")}

COST = stats.Contrast((BASE, HEAD), (FPN,))
IDENTICAL = stats.Contrast((HEAD,), (BASE,))

IDENTICAL_CODE = "identical code"
"""Name of the comparison without a slow-down; the others have the name of their slowed arm."""

HEADER, CASES, END = "trial", "cases", "end.json"
"""Keys of the journal's header, and the file that says that the trial is complete."""

SLOWED_CASES = 3
"""In a trial, for each size: comparisons with one slow-down each, that share the other cases."""


@dataclass(frozen=True)
class SlowedArm:
    """A slowed network, which runs in one case."""

    case_id: str
    slowing: Slowing
    is_head: bool
    """Of its comparison; otherwise it is the base."""

    @property
    def expected(self) -> Verdict:
        """What its comparison should find in its case."""
        return Verdict.REGRESSED if self.is_head else Verdict.IMPROVED


@dataclass(frozen=True)
class Trial:
    """What is measured in a trial, drawn before it starts."""

    number: int
    session: str
    """When it started."""
    load: str
    threads: int
    slowed: dict[str, SlowedArm]
    """By the name of the arm."""
    gate: Gate

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping."""
        slowed = {
            arm: SlowedArm(**{**values, "slowing": Slowing.from_json(values["slowing"])})
            for arm, values in data["slowed"].items()
        }
        return cls(**{**data, "slowed": slowed, "gate": Gate.from_json(data["gate"])})

    @property
    def setup(self) -> str:
        """Name of what it shares with the trials that it is pooled with."""
        return f"{self.load}-t{self.threads}"

    @property
    def extra_arms(self) -> dict[str, dict[str, Recipe]]:
        """The slowed networks: case id -> arm -> what it runs."""
        by_case: dict[str, dict[str, Recipe]] = {}
        for arm, slowed in self.slowed.items():
            by_case.setdefault(slowed.case_id, {})[arm] = slowed.slowing.recipe
        return by_case

    @property
    def comparisons(self) -> tuple[str, ...]:
        """Names of the comparisons that the trial serves."""
        return (IDENTICAL_CODE, *self.slowed)

    def contrast(self, comparison: str, case_id: str) -> stats.Contrast:
        """Return what a comparison compares in a case: identical code, or its slowed arm."""
        slowed = self.slowed.get(comparison)
        if slowed is None or case_id != slowed.case_id:
            return IDENTICAL
        if slowed.is_head:
            return stats.Contrast((comparison,), (BASE,))
        return stats.Contrast((BASE,), (comparison,))

    def sides(self, comparison: str, case_ids: Iterable[str]) -> Contrasts:
        """Return what a comparison compares, case by case."""
        return {case_id: self.contrast(comparison, case_id) for case_id in case_ids}


@dataclass(frozen=True)
class MeasuredTrial:
    """A trial with what was measured."""

    trial: Trial
    cases: dict[str, Case]
    replicates: dict[str, list[Replicate]]
    elapsed_s: float | None
    """Wall time of the trial; `None` where it was put together from several sessions."""

    @functools.cached_property
    def judged(self) -> dict[str, ComparisonVerdict]:
        """The verdicts of every comparison, by its name."""
        of_case = {case_id: self.replicates.get(case_id, []) for case_id in self.cases}
        return {
            name: adaptive.judge(of_case, self.trial.sides(name, of_case), self.trial.gate)
            for name in self.trial.comparisons
        }

    @property
    def timed_s(self) -> float:
        """Seconds inside timed rounds, of all arms."""
        return sum(_timed_s(r) for of_case in self.replicates.values() for r in of_case)


def comparison_alone_s(measured: MeasuredTrial, comparison: str) -> float | None:
    """Return how long the comparison would have taken without the arms of the others.

    What its own arms took in timed rounds, and the untimed part of the replicates that it looks at
    (start, building, warm-up of fewer arms; servers), in proportion.
    """
    if measured.elapsed_s is None or not measured.timed_s:
        return None
    own_s = 0.0
    judged = measured.judged[comparison]
    of_all = judged.overall.replicates if judged.overall else 0
    for case_id, change in judged.cases.items():
        contrast = measured.trial.contrast(comparison, case_id)
        looked_at = max(change.replicates, of_all)
        for replicate in measured.replicates.get(case_id, [])[:looked_at]:
            own_s += sum(sum(replicate.rounds_s[a]) for a in (*contrast.arms, *contrast.baselines))
    return own_s * measured.elapsed_s / measured.timed_s


def draw(
    number: int,
    session: str,
    load: str,
    threads: int,
    slowings: Mapping[str, Sequence[Slowing]],
    gate: Gate,
) -> Trial:
    """Draw a trial: the cases are slowed in turn; names of arms and sides by chance."""
    chance = random.Random(f"{session}-{load}-{threads}-{number}")  # noqa: S311 - not for secrets
    case_ids = list(slowings)
    places = range(number * SLOWED_CASES, number * SLOWED_CASES + min(SLOWED_CASES, len(case_ids)))
    turn = [case_ids[place % len(case_ids)] for place in places]
    chosen = [(case_id, slowing) for case_id in turn for slowing in slowings[case_id]]
    chance.shuffle(chosen)
    slowed = {
        f"other_{i}": SlowedArm(case_id, slowing, chance.random() < 0.5)
        for i, (case_id, slowing) in enumerate(chosen)
    }
    return Trial(number, session, load, threads, slowed, gate)


def run(trial: Trial, engine: Engine) -> None:
    """Measure a trial; everything is in the engine's journal."""
    case_ids = [state.case.case_id for state in engine.states]
    sides = [trial.sides(name, case_ids) for name in trial.comparisons]
    adaptive.measure(engine, sides, trial.gate, gives_up=True)


def read(folder: Path) -> MeasuredTrial:
    """Read a finished trial from its folder; raise `BenchError` where its journal is damaged."""
    entries = journal.read(folder)
    return MeasuredTrial(
        Trial.from_json(entries.header[HEADER]),
        {case_id: Case.from_json(case) for case_id, case in entries.header[CASES].items()},
        entries.replicates,
        json.loads((folder / END).read_text())["elapsed_s"],
    )


def scaled(finding: Finding, arms: int) -> Finding:
    """Return the finding with the round of ``arms`` arms instead of those that were checked."""
    if finding.round_s is None:
        return finding
    return replace(finding, round_s=finding.round_s * arms / len(finding.facts))


def _timed_s(replicate: Replicate) -> float:
    return sum(sum(rounds) for rounds in replicate.rounds_s.values())
