"""One run of ``pytest bench``, from its options to its results; called from pytest's hooks."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import stats
from bench.engine.launcher import Launcher
from bench.engine.opened import launched, opened
from bench.engine.plan import Plan
from bench.engine.progress import ProgressBar
from bench.engine.stopping import HalfWidth
from bench.machine import advice
from bench.machine.environment import code_digest
from bench.profiling import ceilings
from bench.profiling.ceilings import CeilingsTask
from bench.profiling.trace import TraceTask
from bench.run import extra_arms, necks
from bench.run.extra_arms import ExtraArms
from bench.run.header import MUST_MATCH, header
from bench.run.results_json import panet_key
from bench.schema import files, run_folders
from bench.schema.case import AXES, Case, case_name
from bench.schema.errors import BenchError
from bench.schema.recipe import TRACED_ARMS, texts
from bench.schema.records import CaseResult
from bench.schema.tasks import Failure
from bench.stats.disturbed_profiles import profiled_steps, why_disturbed
from bench.workload import axes, presets, units
from bench.workload.arguments import DEFAULT_SEED, DEFAULT_TIMEOUT

PROFILES_TRIED = 2
"""Of an arm whose profile was disturbed: the worker itself has tried some times."""


@dataclass(frozen=True)
class Request:
    """The command line, parsed: what to measure, and what to do around it."""

    plan: Plan
    half_width: float
    """Of the ratio, relative: when a case has been measured enough."""
    traces: bool
    extra_arms: tuple[ExtraArms, ...]
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
    tables: list[str] = field(default_factory=list)
    """Of further arms."""

    def measure(self, case_ids: Sequence[str], console: Console) -> None:
        """Measure these cases of the request, or what is left of them.

        Raises:
            BenchError: the run cannot be resumed, its folder not written, or the code was edited
                meanwhile.
        """
        folder, whole = self.request.run_dir, self.request.plan
        chosen = tuple(case for case in whole.cases if case.case_id in set(case_ids))
        plan = replace(whole, cases=chosen)
        self.run = header(plan, self.request.half_width) | {"run_id": folder.name}
        self.advice = advice.give(max((case.threads for case in chosen), default=1), console)
        with opened(plan, folder, self.run, console, must_match=MUST_MATCH) as engine:
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
        with launched(self._scratch_dir, cases) as launcher, ProgressBar(console) as bar:
            self._find_ceilings(launcher, cases, bar)
            start_s = time.monotonic()
            for number, case in enumerate(cases):
                left_s = (time.monotonic() - start_s) / max(1, number) * (len(cases) - number)
                bar.update(f"profiling {case_name(vars(case))}", left_s, number / len(cases))
                self._trace_case(launcher, case)

    def measure_extra_arms(self, extra: ExtraArms, console: Console) -> None:
        """Let further arms of every case that was measured take turns, within a budget of theirs.

        Raises:
            BenchError: the folder cannot be written, or other arms were begun there.
        """
        cases = tuple(self._measured)
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
            must_match={"arms": f"the arms of --{extra.name}"},
        ) as engine:
            states = extra_arms.measure(engine)
            extra_arms.write(states, extra, folder)
        self.tables += extra.tables(states)

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
        return panet_key(self.run | {"hints": self.advice}, list(self.results.values()))

    def _trace_case(self, launcher: Launcher, case: Case) -> None:
        """Profile the arms of a case, those again that something has disturbed."""
        profiles: dict[str, dict[str, Any]] = {}
        arms: Sequence[str] = TRACED_ARMS
        for _ in range(PROFILES_TRIED):
            for arm in arms:
                profiles |= self._trace_arm(launcher, case, arm)
            reasons = why_disturbed(
                {a: profiled_steps(p, self._latency_s(case, a)) for a, p in profiles.items()}
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

    def _trace_arm(self, launcher: Launcher, case: Case, arm: str) -> dict[str, dict[str, Any]]:
        """Return the profile of an arm by its name; nothing where there is none."""
        folder = files.profile_folder(self.request.run_dir, case.case_id, arm)
        task = TraceTask(arm=arm, trace_dir=str(folder), **self._task_fields(case))
        outcome = launcher.run(task, self.request.plan.timeout_s)
        if isinstance(outcome, Failure):
            self.notes.append(f"no profile: {case.case_id}, {arm}: {outcome.reason}")
            return {}
        return {arm: json.loads(outcome.read_text())}

    def _latency_s(self, case: Case, arm: str) -> float | None:
        rounds = [replicate.rounds_s[arm] for replicate in self.results[case.case_id].used]
        (latency,) = stats.latencies_s([[calls for calls in rounds if calls]])
        return None if latency is None else latency.value

    def _find_ceilings(self, launcher: Launcher, cases: Sequence[Case], bar: ProgressBar) -> None:
        """Put the ceilings for every kind of case into the run; measure those not yet known."""
        runs_dir, environment = self.request.run_dir.parent, self.run["environment"]
        found: dict[str, Any] = {}
        for name, case in {ceilings.name_of(case): case for case in cases}.items():
            found[name] = ceilings.known(runs_dir, environment, name)
            if found[name] is None:
                bar.update(f"finding the ceilings of this machine: {name}", 0.0, 0.0)
                task = CeilingsTask(**self._task_fields(case))
                outcome = launcher.run(task, self.request.plan.timeout_s)
                if isinstance(outcome, Failure):
                    self.notes.append(f"no ceilings: {name}: {outcome.reason}")
                else:
                    found[name] = ceilings.keep(runs_dir, environment, name, outcome)
        (self.request.run_dir / files.CEILINGS).write_text(json.dumps(found, indent=1))

    def _task_fields(self, case: Case) -> dict[str, Any]:
        plan = self.request.plan
        return {
            "case": case,
            "seed": plan.seed,
            "scratch_dir": plan.scratch_dir,
            "images_dir": plan.images_dir,
        }


def parse_request(
    values: Mapping[str, str | None],
    resume: str | None,
    *,
    traces: bool,
    extra_arms: tuple[ExtraArms, ...] = (),
    neck_names: str | None = None,
) -> Request:
    """Build the request from option texts, `None` where not given.

    Raises:
        BenchError: naming the option, what is wrong with it, and what would be right.
    """
    given = {a.option: text for a in AXES if (text := values[a.option]) is not None}
    preset = presets.choose_preset(values["preset"], given)
    runs_dir = Path(values["run_dir"]) if values["run_dir"] else run_folders.RUNS_DIR
    seed = values["seed"] or DEFAULT_SEED
    if not (seed.isascii() and seed.isdigit()):
        raise BenchError(f"--seed {seed!r}: give a whole number of 0 or more")
    images_dir = values["images"]
    if images_dir is not None:
        axes.check_images(images_dir)
    cases = axes.sweep(preset, given)
    if neck_names is not None:
        extra_arms = (*extra_arms, necks.chosen(neck_names, cases))
    run_dir = (
        run_folders.find_run_dir(runs_dir, resume) if resume else run_folders.new_run_dir(runs_dir)
    )
    plan = Plan(
        cases=cases,
        budget_s=units.parse_duration("--budget", values["budget"] or preset.budget),
        timeout_s=units.parse_duration("--timeout", values["timeout"] or DEFAULT_TIMEOUT),
        seed=int(seed),
        images_dir=images_dir and str(Path(images_dir).resolve()),
        scratch_dir=str(run_dir / "scratch"),
        split_arm=stats.PART,
    )
    half_width = units.parse_half_width(values["half_width"] or preset.half_width)
    return Request(plan, half_width, traces, extra_arms, run_dir, resume is not None)


def forecast(request: Request, cases: int) -> str:
    """Say how large the run is before it starts."""
    plan = request.plan
    compiled = sum(case.compile_mode != "off" for case in plan.cases)
    about_s = min(plan.budget_s, cases * TYPICAL_CASE_S + compiled * TYPICAL_COMPILE_S)
    most = f"{plan.budget_s / 60:.1f}"
    said = [
        f"{cases} cases, to ±{request.half_width:.2g} of the ratio: about {about_s / 60:.1f} min, "
        f"at most {most} (--budget)",
        *(f"then --{extra.name}, at most {most} min" for extra in request.extra_arms),
    ]
    if request.traces:
        said.append(f"then --traces, about {cases * TYPICAL_TRACE_S / 60:.1f} min")
    return f"{'; '.join(said)}; run {request.run_dir.name}"


TYPICAL_CASE_S, TYPICAL_COMPILE_S, TYPICAL_TRACE_S = 15.0, 40.0, 12.0
"""Check and first stage of an eager case of the default preset, what compiling adds, and profiles
of both arms, on two cores; only the forecast rests on them."""


def keep_copy(written: Path, wanted: Path | None) -> None:
    """Copy the result file to where the user wants it as well."""
    if wanted is not None and written.exists():
        shutil.copyfile(written, wanted)
