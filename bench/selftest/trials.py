"""One trial of the self-test: identical code and known slow-downs, compared with the real gate.

A trial is one measurement that serves several comparisons. In every case the same network takes
turns as ``left`` and ``right``, and FPN beside them; in some cases slowed networks do, too. So
identical code is compared (``right`` over ``left`` in all cases), and every slow-down by itself
(the same, but in its case the slowed network against ``left``; which of them is the baseline is
drawn). The gate gets names of arms and rounds; what the arms run is in the journal's header.
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
from bench.compare.adaptive import Sides
from bench.engine.scheduler import Engine
from bench.schema import journal
from bench.schema.case import Case
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import Finding, Replicate
from bench.selftest.calibration import Slowing
from bench.stats.sequential import Gate
from bench.stats.verdict import Judged, Verdict

FPN, LEFT, RIGHT = "fpn", "left", "right"
ARMS: Arms = {FPN: Recipe("fpn"), LEFT: Recipe("panet"), RIGHT: Recipe("panet")}

COST = stats.Contrast((LEFT, RIGHT), (FPN,))
IDENTICAL = stats.Contrast((RIGHT,), (LEFT,))

HEADER, CASES, END = "trial", "cases", "end.json"
"""Keys of the journal's header, and the file that says that the trial is complete."""

SLOWED_CASES = 3
"""In a trial, for each size: comparisons with one slow-down each, that share the other cases."""


@dataclass(frozen=True)
class Trial:
    """What is measured in a trial, drawn before it starts."""

    number: int
    sitting: str
    load: str
    threads: int
    slowings: dict[str, Slowing]
    """Arm -> what slows it."""
    slowed_cases: dict[str, str]
    """Arm -> the case that it runs in."""
    candidates: dict[str, bool]
    """Arm -> whether the slowed network is the candidate; otherwise it is the baseline."""
    gate: Gate

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping."""
        slowings = {arm: Slowing.from_json(found) for arm, found in data["slowings"].items()}
        return cls(**{**data, "slowings": slowings, "gate": Gate.from_json(data["gate"])})

    @property
    def extra_arms(self) -> dict[str, dict[str, Recipe]]:
        """The slowed networks: case id -> arm -> what it runs."""
        found: dict[str, dict[str, Recipe]] = {}
        for arm, case_id in self.slowed_cases.items():
            found.setdefault(case_id, {})[arm] = self.slowings[arm].recipe
        return found

    def contrast(self, arm: str | None, case_id: str) -> stats.Contrast:
        """Return who is compared in a case: identical code, or a slowed ``arm`` in its case."""
        if arm is None or case_id != self.slowed_cases[arm]:
            return IDENTICAL
        sides = ((arm,), (LEFT,))
        return stats.Contrast(*(sides if self.candidates[arm] else sides[::-1]))

    def sides(self, arm: str | None, case_ids: Iterable[str]) -> Sides:
        """Return one of the comparisons: of identical code, or with a slowed ``arm``."""
        return {case_id: self.contrast(arm, case_id) for case_id in case_ids}

    @property
    def compared(self) -> tuple[str | None, ...]:
        """What each comparison of the trial is about: `None` or a slowed arm."""
        return (None, *self.slowings)


@dataclass(frozen=True)
class Outcome:
    """A trial with what was measured."""

    trial: Trial
    cases: dict[str, Case]
    replicates: dict[str, list[Replicate]]
    elapsed_s: float | None
    """Wall time of the trial; `None` where it was put together from several sittings."""

    @functools.cached_property
    def judged(self) -> dict[str | None, Judged]:
        """The verdicts of every comparison: of identical code (`None`), and with a slowed arm."""
        found = {case_id: self.replicates.get(case_id, []) for case_id in self.cases}
        return {
            arm: adaptive.judge(found, self.trial.sides(arm, found), self.trial.gate)
            for arm in self.trial.compared
        }

    def expected(self, arm: str) -> Verdict:
        """Return what a comparison with a slowed arm should find in its case."""
        return Verdict.REGRESSED if self.trial.candidates[arm] else Verdict.IMPROVED

    @property
    def timed_s(self) -> float:
        """Seconds inside timed rounds, of all arms."""
        return sum(_timed_s(r) for found in self.replicates.values() for r in found)


def comparison_alone_s(outcome: Outcome, arm: str | None) -> float | None:
    """Return how long the comparison would have taken without the arms of the others.

    What its own arms took in timed rounds, and the untimed part of the replicates that it looks at
    (start, building, warm-up of fewer arms; servers), in proportion.
    """
    if outcome.elapsed_s is None or not outcome.timed_s:
        return None
    own_s = 0.0
    judged = outcome.judged[arm]
    of_all = judged.suite.replicates if judged.suite else 0
    for case_id, change in judged.cases.items():
        contrast = outcome.trial.contrast(arm, case_id)
        looked_at = max(change.replicates, of_all)
        for replicate in outcome.replicates.get(case_id, [])[:looked_at]:
            own_s += sum(sum(replicate.rounds_s[a]) for a in (*contrast.arms, *contrast.baselines))
    return own_s * outcome.elapsed_s / outcome.timed_s


def draw(
    number: int,
    sitting: str,
    load: str,
    threads: int,
    slowings: Mapping[str, Sequence[Slowing]],
    gate: Gate,
) -> Trial:
    """Draw a trial: the cases are slowed in turn; names of arms and sides by chance."""
    chance = random.Random(f"{sitting}-{load}-{threads}-{number}")  # noqa: S311 - not for secrets
    case_ids = list(slowings)
    places = range(number * SLOWED_CASES, number * SLOWED_CASES + min(SLOWED_CASES, len(case_ids)))
    turn = [case_ids[place % len(case_ids)] for place in places]
    chosen = [(case_id, slowing) for case_id in turn for slowing in slowings[case_id]]
    chance.shuffle(chosen)
    arms = {f"other_{i}": found for i, found in enumerate(chosen)}
    return Trial(
        number,
        sitting,
        load,
        threads,
        {arm: slowing for arm, (_, slowing) in arms.items()},
        {arm: case_id for arm, (case_id, _) in arms.items()},
        {arm: chance.random() < 0.5 for arm in arms},
        gate,
    )


def run(trial: Trial, engine: Engine) -> None:
    """Measure a trial; everything is in the engine's journal."""
    case_ids = [state.case.case_id for state in engine.states]
    sides = [trial.sides(arm, case_ids) for arm in trial.compared]
    adaptive.measure(engine, sides, trial.gate)


def read(folder: Path) -> Outcome:
    """Read a finished trial from its folder; raise `BenchError` where its journal is damaged."""
    entries = journal.read(folder)
    return Outcome(
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
