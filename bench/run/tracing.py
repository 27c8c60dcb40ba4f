"""Profiles of cases that were measured: each arm in a process of its own, behind the timing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import stats
from bench.engine.launcher import Launcher
from bench.profiling import ceilings
from bench.profiling.ceilings import CeilingsTask
from bench.profiling.trace import TraceTask
from bench.schema import files
from bench.schema.case import Case
from bench.schema.records import CaseResult
from bench.schema.tasks import Failure
from bench.stats.disturbed_profiles import profiled_steps, why_disturbed

PROFILES_TRIED = 2
"""Of an arm whose profile was disturbed: the worker itself has tried some times."""


@dataclass
class Tracing:
    """Profiles the cases of a run into its folder."""

    launcher: Launcher
    folder: Path
    timeout_s: float
    task_fields: Callable[[Case], Mapping[str, Any]]
    """What every task of a case is told."""
    notes: list[str] = field(default_factory=list)
    """What went wrong, a line each."""

    def trace(self, result: CaseResult, arms: Sequence[str]) -> None:
        """Profile arms of a case, those again that something has disturbed."""
        case, profiles = result.case, dict[str, dict[str, Any]]()
        reasons: Mapping[str, str] = {}
        for _ in range(PROFILES_TRIED):
            for arm in arms:
                profiles |= self._trace_arm(case, arm)
            reasons = why_disturbed(
                {a: profiled_steps(p, _latency_s(result, a)) for a, p in profiles.items()}
            )
            arms = tuple(reasons)
        self.notes += [
            f"disturbed profile: {case.case_id}, {arm}: {why}" for arm, why in reasons.items()
        ]
        self.notes += [
            f"{case.case_id}, {arm}: {profile['cut']}"
            for arm, profile in profiles.items()
            if profile["cut"]
        ]

    def find_ceilings(
        self, cases: Sequence[Case], environment: Mapping[str, Any], tell: Callable[[str], object]
    ) -> None:
        """Put the ceilings for every kind of case into the run; measure those not yet known."""
        runs_dir = self.folder.parent
        found: dict[str, Any] = {}
        for name, case in {ceilings.name_of(case): case for case in cases}.items():
            found[name] = ceilings.known(runs_dir, environment, name)
            if found[name] is None:
                tell(f"finding the ceilings of this machine: {name}")
                task = CeilingsTask(case=case, **self.task_fields(case))
                outcome = self.launcher.run(task, self.timeout_s)
                if isinstance(outcome, Failure):
                    self.notes.append(f"no ceilings: {name}: {outcome.reason}")
                else:
                    found[name] = ceilings.keep(runs_dir, environment, name, outcome)
        (self.folder / files.CEILINGS).write_text(json.dumps(found, indent=1))

    def _trace_arm(self, case: Case, arm: str) -> dict[str, dict[str, Any]]:
        """Return the profile of an arm by its name; nothing where there is none."""
        folder = files.profile_folder(self.folder, case.case_id, arm)
        task = TraceTask(case=case, arm=arm, trace_dir=str(folder), **self.task_fields(case))
        outcome = self.launcher.run(task, self.timeout_s)
        if isinstance(outcome, Failure):
            self.notes.append(f"no profile: {case.case_id}, {arm}: {outcome.reason}")
            return {}
        return {arm: json.loads(outcome.read_text())}


def _latency_s(result: CaseResult, arm: str) -> float | None:
    rounds = [replicate.rounds_s[arm] for replicate in result.used]
    (latency,) = stats.latencies_s([[calls for calls in rounds if calls]])
    return None if latency is None else latency.value
