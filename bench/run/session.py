"""One run of ``pytest bench``, from its options to its results; called from pytest's hooks."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.engine.launcher import Failure, ServerLauncher
from bench.engine.progress import ProgressBar
from bench.engine.scheduler import Engine, Plan, preload
from bench.machine import advice
from bench.machine.environment import governor, usable_cores
from bench.profiling import ceilings
from bench.run import parts, peers
from bench.run.header import MUST_MATCH, header
from bench.run.results_json import panet_key
from bench.schema import journal, run_folders
from bench.schema.errors import BenchError
from bench.schema.records import TRACED_ARMS, Case, CaseResult
from bench.schema.tasks import Kind, Task
from bench.workload import axes, cache_state
from bench.workload.arguments import DEFAULT_SEED, DEFAULT_TIMEOUT

ASIDE = {"parts": parts, "peers": peers, "caches": cache_state}
"""What else can be measured of every case, behind the run: further arms, in a file of their own."""


@dataclass(frozen=True)
class Request:
    """The command line, parsed: what to measure, and what to do around it."""

    plan: Plan
    traces: bool
    asides: tuple[str, ...]
    """Of `ASIDE`."""
    run_dir: Path
    resume: bool


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

    def measure(self, case_ids: Sequence[str], console: Console) -> None:
        """Measure these cases of the request, or what is left of them.

        Raises:
            BenchError: the run cannot be resumed, or its folder not written.
        """
        asked = self.request.plan
        chosen = tuple(case for case in asked.cases if case.case_id in set(case_ids))
        plan = replace(asked, cases=chosen)
        self.run = header(plan) | {"run_id": self.request.run_dir.name}
        threads = max((case.threads for case in chosen), default=1)
        self.hints = advice.hints(advice.look(usable_cores(), governor()), threads)
        for hint in self.hints:
            console.print(f"hint: {hint}", style="yellow", highlight=False, markup=False)
        log, entries = self._open_journal()
        self._scratch_dir.mkdir(exist_ok=True)
        launcher = ServerLauncher(self._scratch_dir, preload(chosen), usable_cores())
        try:
            with ProgressBar(console) as bar:
                engine = Engine(plan, launcher, log, time.monotonic, bar, entries)
                self.results = {result.case.case_id: result for result in engine.run()}
        finally:
            log.close()

    def profile(self, console: Console) -> None:
        """Profile the arms of every case that was measured, each in a process of its own."""
        cases = self._measured
        launcher = ServerLauncher(self._scratch_dir, preload(cases), usable_cores())
        try:
            with ProgressBar(console) as bar:
                self._find_ceilings(launcher, cases, bar)
                start_s = time.monotonic()
                for number, case in enumerate(cases):
                    left_s = (time.monotonic() - start_s) / max(1, number) * (len(cases) - number)
                    bar.update(case.case_id, "profiling", left_s, number / len(cases))
                    for arm in TRACED_ARMS:
                        self._trace_arm(launcher, case, arm)
        finally:
            launcher.close()

    def measure_aside(self, name: str, console: Console) -> None:
        """Let further arms of every case that was measured take turns, within a budget of theirs.

        Args:
            name: of `ASIDE`.
            console: hears how far it is.

        Raises:
            BenchError: the folder cannot be written.
        """
        cases = tuple(self._measured)
        plan = replace(
            self.request.plan,
            cases=cases,
            arms={},
            extra_arms={case.case_id: ASIDE[name].ARMS[case.scope] for case in cases},
            contrast=None,
        )
        folder = self.request.run_dir / name
        entries = journal.read_any(folder)
        log = journal.Journal.open(folder, self.run, entries)
        launcher = ServerLauncher(self._scratch_dir, preload(cases), usable_cores())
        try:
            with ProgressBar(console) as bar:
                engine = Engine(plan, launcher, log, time.monotonic, bar, entries)
                parts.write(parts.measure(engine), self.request.run_dir / ASIDE[name].FILE)
        finally:
            launcher.close()
            log.close()

    def clean_up(self) -> None:
        """Remove what only a resumed run would need."""
        shutil.rmtree(self._scratch_dir, ignore_errors=True)

    @property
    def _measured(self) -> list[Case]:
        return [result.case for result in self.results.values() if result.used]

    @property
    def _scratch_dir(self) -> Path:
        """Inputs and compiler caches: private to the run, and kept for ``--resume``."""
        return Path(self.request.plan.scratch_dir)

    def document(self) -> dict[str, Any]:
        """Return the key ``panet`` of the result file."""
        return panet_key(self.run | {"hints": self.hints}, list(self.results.values()))

    def _open_journal(self) -> tuple[journal.Journal, journal.Entries]:
        folder = self.request.run_dir
        if self.request.resume:
            entries = journal.read(folder)
            run_folders.refuse_other(folder.name, entries.header, self.run, MUST_MATCH)
            (folder / run_folders.RESULTS).unlink(missing_ok=True)  # of the part before
            return journal.Journal.reopen(folder, entries), entries
        log = journal.Journal.create(folder, self.run)
        run_folders.point_latest_at(folder)
        return log, journal.Entries(self.run)

    def _trace_arm(self, launcher: ServerLauncher, case: Case, arm: str) -> None:
        folder = self.request.run_dir / "traces" / case.case_id / arm
        task = replace(self._task("trace", case), arm=arm, trace_dir=str(folder))
        outcome = launcher.run(task, self.request.plan.timeout_s)
        if isinstance(outcome, Failure):
            self.notes.append(f"no profile: {case.case_id}, {arm}: {outcome.reason}")
        elif isinstance(outcome, Path) and (cut := json.loads(outcome.read_text())["cut"]):
            self.notes.append(f"{case.case_id}, {arm}: {cut}")

    def _find_ceilings(
        self, launcher: ServerLauncher, cases: Sequence[Case], bar: ProgressBar
    ) -> None:
        """Put the ceilings for every kind of case into the run; measure those not yet known."""
        runs_dir, environment = self.request.run_dir.parent, self.run["environment"]
        found: dict[str, Any] = {}
        for name, case in {ceilings.name_of(case): case for case in cases}.items():
            found[name] = ceilings.known(runs_dir, environment, name)
            if found[name] is None:
                bar.update(name, "finding the ceilings of this machine", 0.0, 0.0)
                outcome = launcher.run(self._task("ceilings", case), self.request.plan.timeout_s)
                if isinstance(outcome, Failure):
                    self.notes.append(f"no ceilings: {name}: {outcome.reason}")
                elif isinstance(outcome, dict):
                    found[name] = ceilings.keep(runs_dir, environment, name, outcome)
        (self.request.run_dir / ceilings.FILE).write_text(json.dumps(found, indent=1))

    def _task(self, kind: Kind, case: Case) -> Task:
        plan = self.request.plan
        return Task(kind, case, plan.seed, str(self._scratch_dir), plan.images_dir)


def parse_request(
    values: Mapping[str, str | None],
    resume: str | None,
    *,
    traces: bool,
    asides: tuple[str, ...] = (),
) -> Request:
    """Build the request from option texts, `None` where not given.

    Raises:
        BenchError: naming the option, what is wrong with it, and what would be right.
    """
    given = {name: text for name in axes.AXES if (text := values[name]) is not None}
    preset = axes.choose_preset(values["preset"], given)
    runs_dir = Path(values["run_dir"]) if values["run_dir"] else run_folders.RUNS_DIR
    seed = values["seed"] or DEFAULT_SEED
    if not (seed.isascii() and seed.isdigit()):
        raise BenchError(f"--seed {seed!r}: give a whole number of 0 or more")
    images_dir = values["images"]
    if images_dir is not None:
        axes.check_images(images_dir)
    run_dir = (
        run_folders.find_run_dir(runs_dir, resume) if resume else run_folders.new_run_dir(runs_dir)
    )
    plan = Plan(
        cases=axes.sweep(preset, given),
        half_width=axes.parse_half_width(values["half_width"] or preset.half_width),
        budget_s=axes.parse_duration("--budget", values["budget"] or preset.budget),
        timeout_s=axes.parse_duration("--timeout", values["timeout"] or DEFAULT_TIMEOUT),
        seed=int(seed),
        images_dir=images_dir and str(Path(images_dir).resolve()),
        scratch_dir=str(run_dir / "scratch"),
    )
    return Request(plan, traces, asides, run_dir, resume is not None)


def forecast(request: Request, cases: int) -> str:
    """Say how large the run is before it starts."""
    plan = request.plan
    compiled = sum(case.compile_mode != "off" for case in plan.cases)
    about_s = min(plan.budget_s, cases * TYPICAL_CASE_S + compiled * TYPICAL_COMPILE_S)
    return (
        f"{cases} cases, to ±{plan.half_width:.2g} of the ratio: about {about_s / 60:.1f} min, "
        f"at most {plan.budget_s / 60:.1f} (--budget); run {request.run_dir.name}"
    )


TYPICAL_CASE_S, TYPICAL_COMPILE_S = 15.0, 40.0
"""Check and first stage of an eager case of the default preset, and what compiling adds, on two
cores; only the forecast rests on them."""


def keep_copy(written: Path, wanted: Path | None) -> None:
    """Copy the result file to where the user wants it as well."""
    if wanted is not None and written.exists():
        shutil.copyfile(written, wanted)
