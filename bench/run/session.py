"""One run of ``pytest bench``, from its request to its results; called from pytest's hooks."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.engine.launcher import Launcher
from bench.engine.opened import launched, launched_for, opened
from bench.engine.plan import Plan
from bench.engine.progress import ProgressBar
from bench.engine.stopping import HalfWidth
from bench.machine import advice
from bench.machine.environment import code_digest
from bench.run import deploy, deploy_answer, energy, extra_arms
from bench.run.extra_arms import ExtraArms
from bench.run.header import MUST_MATCH, header
from bench.run.request import Request
from bench.run.results_json import panet_key
from bench.run.tracing import Tracing
from bench.schema import files, journal, run_folders
from bench.schema.case import Case, case_name
from bench.schema.energy import CaseEnergy
from bench.schema.errors import BenchError
from bench.schema.recipe import TRACED_ARMS, texts
from bench.schema.records import CaseResult
from bench.stats.energy import reasons


@dataclass
class Session:
    """A request, and what came of it."""

    request: Request
    results: dict[str, CaseResult] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    """What could have been calmer when the run began."""
    notes: list[str] = field(default_factory=list)
    """What went wrong behind the timing, a line each."""
    tables: list[str] = field(default_factory=list)
    """Of further arms."""
    energy: list[CaseEnergy] = field(default_factory=list)
    _launcher: Launcher | None = None
    """Of `servers`; without, every stage has its own."""

    @contextlib.contextmanager
    def servers(self, case_ids: Sequence[str]) -> Iterator[None]:
        """Keep one set of fork servers for the cases and for their further arms.

        Profiles have their own, which imports the compiler, and so has every way of ``--deploy``.
        """
        with launched_for(self._plan_of(case_ids)) as launcher:
            self._launcher = launcher
            try:
                yield
            finally:
                self._launcher = None

    def measure(self, case_ids: Sequence[str], console: Console) -> None:
        """Measure these cases of the request, or what is left of them.

        Raises:
            BenchError: the run cannot be resumed, its folder not written, or the code was edited
                meanwhile.
        """
        folder, plan = self.request.run_dir, self._plan_of(case_ids)
        self.run = header(plan, self.request.half_width) | {"run_id": folder.name}
        self.advice = advice.give(max((case.threads for case in plan.cases), default=1), console)
        opening = opened(
            plan, folder, self.run, console, must_match=MUST_MATCH, launcher=self._launcher
        )
        with opening as engine:
            before = None
            if self.request.resume:
                (folder / files.RESULTS).unlink(missing_ok=True)  # of the part before
            else:
                before = run_folders.point_latest_at(folder)
            results = engine.run(HalfWidth(self.request.half_width))
            if before is not None and not any(result.replicates for result in results):
                run_folders.point_latest_at(folder.parent / before)
        if code_digest() != self.run["code"]:  # every turn starts processes anew
            raise BenchError(
                "the code was edited while it was measured, and nobody knows which was: run again"
            )
        self.results = {result.case.case_id: result for result in results}

    def profile(self, console: Console) -> None:
        """Profile the arms of every case that was measured, each in a process of its own."""
        cases = self._measured
        folder, timeout_s = self.request.run_dir, self.request.plan.timeout_s
        launching = launched(self._scratch_dir, cases, traces=True)
        with launching as launcher, ProgressBar(console) as bar:
            tracing = Tracing(launcher, folder, timeout_s, self._task_fields, self.notes)
            tracing.find_ceilings(
                cases, self.run["environment"], lambda now: bar.update(now, 0.0, 0.0)
            )
            start_s = time.monotonic()
            for number, case in enumerate(cases):
                left_s = (time.monotonic() - start_s) / max(1, number) * (len(cases) - number)
                bar.update(f"profiling {case_name(vars(case))}", left_s, number / len(cases))
                tracing.trace(self.results[case.case_id], TRACED_ARMS)

    def measure_extra_arms(self, extra: ExtraArms, console: Console) -> None:
        """Let further arms of every case that was measured take turns, within a budget of theirs.

        Raises:
            BenchError: the folder cannot be written, or other arms were begun there.
        """
        cases = tuple(case for case in self._measured if case.scope in extra.by_scope)
        if not cases:
            return
        arms = {scope: texts(arms) for scope, arms in extra.by_scope.items()}
        plan = replace(
            self.request.plan,
            cases=cases,
            arms={},
            split_arm="",
            extra_arms={case.case_id: extra.arms_of(case) for case in cases},
        )
        folder = self.request.run_dir
        with opened(
            plan,
            folder / extra.name,
            self.run | {"arms": arms},
            console,
            must_match={"arms": f"the arms of {extra.asked}"},
            launcher=self._launcher,
        ) as engine:
            states = extra_arms.measure(engine)
            extra_arms.write(states, extra, folder)
        self.tables += extra.tables(states)

    def measure_deploy(self, console: Console) -> None:
        """Let the ways of running every case take turns, within a budget of theirs.

        Raises:
            BenchError: the folder cannot be written, or other ways were begun there.
        """
        results = list(self.results.values())
        groups = deploy.grouped(results)
        self.notes += deploy.not_compared(results)
        if not groups:
            self.notes.append("--deploy: no case was measured in several ways")
            return
        arms = {case.case_id: texts(of) for case, of in groups.items()}
        plan = replace(
            self.request.plan,
            cases=tuple(groups),
            arms={},
            split_arm="",
            extra_arms={case.case_id: of for case, of in groups.items()},
            start_up=True,
        )
        folder = self.request.run_dir
        failed = deploy.failed(results)
        launcher = deploy.launcher_for(groups, self._scratch_dir)
        try:
            with opened(
                plan,
                folder / deploy.NAME,
                self.run | {"arms": arms},
                console,
                must_match={"arms": "the ways of --deploy"},
                launcher=launcher,
            ) as engine:
                states = extra_arms.measure(engine)
                deploy_answer.write(states, failed, folder / files.DEPLOY)
        finally:
            launcher.close()
        self.tables += deploy_answer.tables(states, failed)

    def measure_energy(self, console: Console) -> None:
        """Measure joules per image of every case that was measured."""
        cases = self._measured
        with (
            contextlib.closing(journal.Journal.reopen(self.request.run_dir)) as log,
            launched(self._scratch_dir, cases) as launcher,
            ProgressBar(console) as bar,
        ):
            start_s = time.monotonic()
            for number, case in enumerate(cases):
                left_s = (time.monotonic() - start_s) / max(1, number) * (len(cases) - number)
                bar.update(f"energy of {case_name(vars(case))}", left_s, number / len(cases))
                task = energy.EnergyTask(case=case, **self._task_fields(case))
                timeout_s = self.request.plan.timeout_s
                self.energy.append(energy.measure(task, log, launcher, timeout_s))
        self.tables += energy.tables(self.energy)
        self.notes += [f"--{energy.NAME}, {line}" for line in reasons(self.energy)]

    def clean_up(self) -> None:
        """Remove what only a resumed run would need."""
        shutil.rmtree(self._scratch_dir, ignore_errors=True)

    @property
    def measured_any(self) -> bool:
        """Whether any case has a replicate that counts."""
        return bool(self._measured)

    def next_commands(self) -> list[str]:
        """Return what shows what was measured."""
        run_dir = self.request.run_dir
        commands = [f"python -m reports cost {run_dir}"]
        if self.request.traces:
            commands += [f"python -m reports profile {run_dir}", f"tensorboard --logdir {run_dir}"]
        return commands

    @property
    def _measured(self) -> list[Case]:
        return [result.case for result in self.results.values() if result.used]

    @property
    def _scratch_dir(self) -> Path:
        """Inputs and compiler caches: private to the run, and kept for ``--resume``."""
        return Path(self.request.plan.scratch_dir)

    def document(self) -> dict[str, Any]:
        """Return the key ``panet`` of the result file."""
        run = self.run | {"hints": self.advice}
        if self.energy:
            run["energy"] = [of.to_json() for of in self.energy]
        return panet_key(run, list(self.results.values()))

    def _plan_of(self, case_ids: Sequence[str]) -> Plan:
        whole, wanted = self.request.plan, set(case_ids)
        return replace(whole, cases=tuple(case for case in whole.cases if case.case_id in wanted))

    def _task_fields(self, _case: Case) -> dict[str, Any]:
        plan = self.request.plan
        return {
            "seed": plan.seed,
            "scratch_dir": plan.scratch_dir,
            "images_dir": plan.images_dir,
        }


def keep_copy(written: Path, wanted: Path | None) -> None:
    """Copy the result file to where the user wants it as well."""
    if wanted is not None and written.exists():
        shutil.copyfile(written, wanted)
