"""``python -m bench selftest``: how far can its numbers be trusted, on this machine?"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.engine.opened import opened
from bench.engine.scheduler import BLOCK_ROUNDS, CaseState, Design, Plan
from bench.machine.environment import code_digest, describe, git_commit, usable_cores
from bench.schema import journal, run_folders
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import Arms, texts
from bench.schema.records import Finding, Status, differences
from bench.schema.tasks import Order
from bench.selftest import page, rates, trials
from bench.selftest.background_load import load
from bench.selftest.calibration import Slowing, calibrate
from bench.selftest.core_speed import probe_cores
from bench.selftest.trials import ARMS, Outcome, Trial
from bench.stats.sequential import GATE, Gate
from bench.workload import axes, presets

TRIAL_BUDGET_S = 1800.0
"""No trial takes as long on any machine seen; a hanging one must end."""

TIMEOUT_S = 600.0

QUICK_GATE = Gate(screen_looks=(4,), confirm_looks=(6,), suite_looks=(3,))
QUICK_AXES = {"resolutions": "64", "batch_sizes": "1"}
"""To see that everything works, in two or three minutes; the rates mean nothing yet."""

PREFIX = "selftest-"
SITTINGS, JSON, PAGE = "sittings.jsonl", "selftest.json", "selftest.md"


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    trials: int
    sizes: tuple[float, ...]
    loads: tuple[str, ...]
    quick: bool
    folder: Path


@dataclass(frozen=True)
class Setup:
    """A load, a number of threads, and the cases that are compared under them."""

    load: str
    threads: int
    cases: tuple[Case, ...]

    @property
    def name(self) -> str:
        """As part of a folder's name."""
        return f"{self.load}-t{self.threads}"


def setups(settings: Settings, cores: int) -> list[Setup]:
    """Return what is to be tried: beside a hog also with a thread less, which it cannot disturb."""
    values = QUICK_AXES if settings.quick else {}
    chosen = []
    for name in settings.loads:
        for threads in dict.fromkeys((cores,) if name == "none" else (max(1, cores - 1), cores)):
            cases = axes.sweep(presets.PRESETS["cells"], {**values, "threads": str(threads)})
            chosen.append(Setup(name, threads, cases))
    return chosen


def find_folder(runs_dir: Path, resume: str | None) -> Path:
    """Return the folder to write into: a new one, or the one that is gone on with.

    Raises:
        BenchError: there is none to go on with.
    """
    if resume is None:
        return runs_dir / f"{PREFIX}{run_folders.new_run_dir(runs_dir).name}"
    known = sorted(path.parent for path in runs_dir.glob(f"{PREFIX}*/{SITTINGS}"))
    for folder in reversed(known):
        if resume in (run_folders.LATEST, folder.name):
            return folder
    names = ", ".join(folder.name for folder in known[-5:]) or "none yet"
    raise BenchError(
        f"--resume {resume}: no such self-test in {runs_dir}; self-tests here: {names}"
    )


class SelfTest:
    """One sitting of a self-test.

    Args:
        settings: what was asked for.
        console: hears how the trials end.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._folder = settings.folder
        self._gate = QUICK_GATE if settings.quick else GATE
        self._sitting = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def run(self) -> None:
        """Calibrate, run the trials, and write the page after each.

        Raises:
            BenchError: the folder cannot be written, or belongs to another machine.
        """
        self._start_sitting()
        chosen = setups(self._settings, usable_cores())
        calibrated = {setup.threads: self._calibrated(setup) for setup in chosen}
        for setup in chosen:
            self._finish_interrupted(setup, calibrated[setup.threads])
        start_s = time.monotonic()
        for number in range(self._settings.trials):
            for setup in chosen:
                slowings, findings = calibrated[setup.threads]
                trial = self._draw(setup, slowings)
                self._run_trial(trial, setup, findings)
                self.write_page()
            share_done = (number + 1) / self._settings.trials
            left_s = (time.monotonic() - start_s) * (1 / share_done - 1)
            self._say(f"{share_done:.0%} done, about {left_s / 60:.0f} min left")

    def write_page(self) -> None:
        """Compute everything again from the journals, and write it as JSON and as a page."""
        document = self.document()
        (self._folder / JSON).write_text(json.dumps(document, indent=1))
        (self._folder / PAGE).write_text(page.render(document))

    def document(self) -> dict[str, Any]:
        """Return what all trials of the folder show, load by load."""
        by_setup: dict[str, list[Outcome]] = {}
        for folder in sorted(self._folder.glob(f"trial-*/{trials.END}")):
            outcome = trials.read(folder.parent)
            by_setup.setdefault(f"{outcome.trial.load}-t{outcome.trial.threads}", []).append(
                outcome
            )
        return {
            "sittings": _read_lines(self._folder / SITTINGS),
            "setups": {name: rates.summary(found) for name, found in sorted(by_setup.items())},
        }

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def _start_sitting(self) -> None:
        environment = describe()
        sizes = list(self._settings.sizes)
        for sitting in _read_lines(self._folder / SITTINGS):
            changed = differences(sitting["environment"], environment)
            if not set(self._settings.sizes) <= set(sitting["sizes"]):
                changed.append("--inject")
            if self._settings.quick != sitting["quick"]:
                changed.append("--quick")
            if changed:
                raise BenchError(
                    f"--resume {self._folder.name}: {', '.join(changed)} differ from then; "
                    "start a new self-test without --resume"
                )
            sizes = sitting["sizes"]  # calibrated then; this sitting may ask for fewer of them
        self._say("probing how evenly the cores run")
        line = {
            "sitting": self._sitting,
            "environment": environment,
            "code": code_digest(),
            "commit": git_commit(),
            "sizes": sizes,
            "quick": self._settings.quick,
            "core_speed_sd": probe_cores(),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / SITTINGS).open("a") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise BenchError(
                f"cannot write {self._folder}: {error.strerror}; choose --run-dir"
            ) from error

    def _calibrated(self, setup: Setup) -> tuple[dict[str, list[Slowing]], dict[str, Finding]]:
        """Return the slow-downs and the checked cases, from the folder if they are there."""
        path = self._folder / f"calibration-t{setup.threads}.json"
        if not path.exists():
            self._say(f"calibrating slow-downs, {setup.threads} threads")
            slowings = calibrate(
                setup.cases,
                self._settings.sizes,
                lambda arms, count: self._measure(setup, {}, arms, count, "fixed"),
            )
            findings = self._check(setup, slowings)
            stored = {
                case_id: {
                    "slowings": [s.to_json() for s in slowings[case_id]],
                    "finding": findings[case_id].to_json(),
                }
                for case_id in slowings
            }
            path.write_text(json.dumps(stored, indent=1))
        found = json.loads(path.read_text())
        return (
            {i: [Slowing.from_json(s) for s in entry["slowings"]] for i, entry in found.items()},
            {i: Finding.from_json(entry["finding"]) for i, entry in found.items()},
        )

    def _check(self, setup: Setup, slowings: Mapping[str, Sequence[Slowing]]) -> dict[str, Finding]:
        """Check every case with all arms that it will ever have, once for all trials."""
        extra = {
            case_id: {f"other_{i}": s.recipe for i, s in enumerate(found)}
            for case_id, found in slowings.items()
        }
        states = self._measure(setup, ARMS, extra, replicates=0)
        return {s.case.case_id: s.finding for s in states if s.finding is not None}

    def _finish_interrupted(
        self, setup: Setup, calibrated: tuple[dict[str, list[Slowing]], dict[str, Finding]]
    ) -> None:
        for folder in sorted(self._folder.glob(f"trial-{setup.name}-*")):
            if not (folder / trials.END).exists():
                entries = journal.read(folder)
                trial = Trial.from_json(entries.header[trials.HEADER])
                self._run_trial(trial, setup, calibrated[1])

    def _draw(self, setup: Setup, slowings: Mapping[str, Sequence[Slowing]]) -> Trial:
        number = len(list(self._folder.glob(f"trial-{setup.name}-*")))
        asked = {
            case_id: [s for s in found if s.asked in self._settings.sizes]
            for case_id, found in slowings.items()
        }
        return trials.draw(number, self._sitting, setup.load, setup.threads, asked, self._gate)

    def _run_trial(
        self,
        trial: Trial,
        setup: Setup,
        findings: Mapping[str, Finding],
    ) -> None:
        folder = self._folder / f"trial-{setup.name}-{trial.number:03d}"
        header = {
            trials.HEADER: trial.to_json(),
            trials.CASES: {case.case_id: case.to_json() for case in setup.cases},
        }
        checked = journal.Entries(header)
        for case in setup.cases:
            arms = len(ARMS) + len(trial.extra_arms.get(case.case_id, {}))
            checked.findings[case.case_id] = trials.scaled(findings[case.case_id], arms)
        resumed = folder.exists()
        start_s = time.monotonic()
        title = f"trial {trial.number + 1}, load {trial.load}, {trial.threads} threads"
        plan = self._plan(setup, ARMS, trial.extra_arms, seed=trial.number)
        with (
            load(trial.load),
            opened(plan, folder, header, self._console, known=checked) as engine,
        ):
            trials.run(trial, engine)
        elapsed_s = None if resumed else time.monotonic() - start_s
        (folder / trials.END).write_text(json.dumps({"elapsed_s": elapsed_s}))
        self._say(f"{title}: {_ending(trials.read(folder))}")

    def _measure(
        self,
        setup: Setup,
        arms: Arms,
        extra_arms: Mapping[str, Arms],
        replicates: int,
        order: Order = "balanced",
    ) -> list[CaseState]:
        """Check the cases and measure some replicates; the journal is kept beside the trials'."""
        number = len(list(self._folder.glob("calibration-*/")))
        folder = self._folder / f"calibration-t{setup.threads}-{number}"
        header = {
            "arms": texts(arms),
            "extra_arms": {case_id: texts(extra) for case_id, extra in extra_arms.items()},
        }
        plan = replace(self._plan(setup, arms, extra_arms), design=Design(order=order))
        with opened(plan, folder, header, Console(quiet=True)) as engine:
            engine.check()
            engine.take_turns(lambda state: replicates - len(state.replicates))
        for state in engine.states:
            if state.finding is None or state.finding.status != Status.OK:
                reason = state.finding.reason if state.finding else "not checked"
                raise BenchError(f"the self-test cannot run here: {state.case.case_id}: {reason}")
        return engine.states

    def _plan(
        self, setup: Setup, arms: Arms, extra_arms: Mapping[str, Arms], seed: int = 0
    ) -> Plan:
        return Plan(
            cases=setup.cases,
            budget_s=TRIAL_BUDGET_S,
            timeout_s=TIMEOUT_S,
            seed=seed,
            images_dir=None,
            scratch_dir=str(self._folder / "scratch"),
            arms=arms,
            extra_arms=extra_arms,
            min_rounds=BLOCK_ROUNDS,
        )


def _ending(outcome: Outcome) -> str:
    """Say in a line how the comparisons of a trial ended."""
    parts = [f"identical code {rates.ending(outcome, None)}"]
    parts += [
        f"+{slowing.asked:.0%} {rates.ending(outcome, arm)}"
        for arm, slowing in outcome.trial.slowings.items()
    ]
    seconds = f", {outcome.elapsed_s:.0f} s" if outcome.elapsed_s else ""
    return "; ".join(parts) + seconds


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
