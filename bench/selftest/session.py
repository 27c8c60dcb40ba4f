"""``python -m bench selftest``: how far can its numbers be trusted, on this machine?"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.engine.opened import opened
from bench.engine.plan import CaseState, Design, Plan
from bench.engine.scheduler import BLOCK_ROUNDS
from bench.machine.environment import code_digest, describe, git_commit, usable_cores
from bench.schema import files, journal
from bench.schema.errors import BenchError
from bench.schema.recipe import Arms, texts
from bench.schema.records import Finding, Status, differences
from bench.schema.tasks import Order
from bench.schema.text import percent
from bench.selftest import background_load, document, page, rates, trials
from bench.selftest.calibration import Calibrated, Slowing, calibrate
from bench.selftest.core_speed import probe_cores
from bench.selftest.document import JSON, Session
from bench.selftest.request import SelfTestRequest, Setup, setups
from bench.selftest.trials import ARMS, IDENTICAL_CODE, MeasuredTrial, Trial
from bench.stats.sequential import GATE, Gate

TRIAL_BUDGET_S = 1800.0
"""No trial takes as long on any machine seen; a hanging one must end."""

TIMEOUT_S = 600.0

QUICK_GATE = Gate(screen_looks=(4,), confirm_looks=(6,), overall_looks=(3,))
"""To see that everything works, with `bench.selftest.request.QUICK_AXES`; the rates mean nothing
yet."""

PAGE = "selftest.md"


class SelfTest:
    """One session of a self-test.

    Args:
        request: what the user wants.
        console: shows how the trials end.
    """

    def __init__(self, request: SelfTestRequest, console: Console) -> None:
        self._request = request
        self._console = console
        self._folder = request.folder
        self._trials = document.Trials(request.folder)
        self._gate = QUICK_GATE if request.quick else GATE
        self._started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def run(self) -> None:
        """Calibrate, run the trials, and write the page after each.

        Raises:
            BenchError: the folder cannot be written, or belongs to another machine.
        """
        self._start_session()
        chosen = setups(self._request, usable_cores())
        calibrated = {setup.threads: self._calibrated(setup) for setup in chosen}
        for setup in chosen:
            self._finish_interrupted(setup, calibrated[setup.threads])
        start_s = time.monotonic()
        due = self._due(chosen)
        for done, setup in enumerate(due, start=1):
            trial = self._draw(setup, calibrated[setup.threads])
            self._run_trial(trial, setup, calibrated[setup.threads])
            self.write_page()
            share_done = done / len(due)
            left_s = (time.monotonic() - start_s) * (1 / share_done - 1)
            self._say(f"{percent(share_done, 0)} done, about {left_s / 60:.0f} min left")
        if not due:  # a kill came between the last trial and its page
            self.write_page()

    def write_page(self) -> None:
        """Write what the complete trials show, as JSON and as a page."""
        shown = self._trials.document()
        (self._folder / JSON).write_text(json.dumps(shown.to_json(), indent=1))
        (self._folder / PAGE).write_text(page.render(shown))

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def _start_session(self) -> None:
        environment = describe()
        sizes = self._request.sizes
        for earlier in document.read_sessions(self._folder):
            self._refuse_other(earlier, differences(earlier.environment, environment))
            sizes = earlier.sizes  # calibrated then; this session may want fewer of them
        self._say("probing how evenly the cores run")
        session = Session(
            started=self._started,
            environment=environment,
            code=code_digest(),
            commit=git_commit(),
            sizes=sizes,
            quick=self._request.quick,
            core_speed_sd=tuple(probe_cores()),
        )
        try:
            document.add_session(session, self._folder)
        except OSError as error:
            raise BenchError(
                f"cannot write {self._folder}: {error.strerror}; choose --run-dir"
            ) from error

    def _refuse_other(self, earlier: Session, changed: list[str]) -> None:
        """Raise `BenchError` where this session would be another self-test than an earlier one."""
        if not set(self._request.sizes) <= set(earlier.sizes):
            changed = [*changed, "--inject"]
        if self._request.quick != earlier.quick:
            changed = [*changed, "--quick"]
        if changed:
            raise BenchError(
                f"--resume {self._folder.name}: {', '.join(changed)} differ from then; "
                "start a new self-test without --resume"
            )

    def _calibrated(self, setup: Setup) -> Calibrated:
        """Return the slow-downs and the checked cases, from the folder if they are there."""
        path = self._folder / f"calibration-t{setup.threads}.json"
        if not path.exists():
            self._say(f"calibrating slow-downs, {setup.threads} threads")
            slowings = calibrate(
                setup.cases,
                self._request.sizes,
                lambda arms, count: self._measure(setup, {}, arms, count, "fixed"),
            )
            Calibrated(slowings, self._check(setup, slowings)).write(path)
        return Calibrated.read(path)

    def _check(self, setup: Setup, slowings: Mapping[str, Sequence[Slowing]]) -> dict[str, Finding]:
        """Check every case with all arms that it will ever have, once for all trials."""
        extra = {
            case_id: {f"other_{i}": s.recipe for i, s in enumerate(of_case)}
            for case_id, of_case in slowings.items()
        }
        states = self._measure(setup, ARMS, extra, replicates=0)
        return {s.case.case_id: s.finding for s in states if s.finding is not None}

    def _finish_interrupted(self, setup: Setup, calibrated: Calibrated) -> None:
        for folder in sorted(self._folder.glob(f"trial-{setup.name}-*")):
            if not _begun(folder):
                shutil.rmtree(folder)
            elif not (folder / trials.END).exists():
                header = journal.read(folder).header
                self._run_trial(Trial.from_json(header[trials.HEADER]), setup, calibrated)

    def _due(self, chosen: Sequence[Setup]) -> list[Setup]:
        """Return the setups whose trials are to be run, in turns."""
        there = {setup: self._count(setup) if self._request.in_all else 0 for setup in chosen}
        numbers = range(self._request.trials)
        return [setup for number in numbers for setup in chosen if number >= there[setup]]

    def _count(self, setup: Setup) -> int:
        return len(list(self._folder.glob(f"trial-{setup.name}-*")))

    def _draw(self, setup: Setup, calibrated: Calibrated) -> Trial:
        number = self._count(setup)
        wanted = {
            case_id: [s for s in slowings if s.fits and s.requested in self._request.sizes]
            for case_id, slowings in calibrated.slowings.items()
        }
        return trials.draw(number, self._started, setup.load, setup.threads, wanted, self._gate)

    def _run_trial(self, trial: Trial, setup: Setup, calibrated: Calibrated) -> None:
        folder = self._folder / f"trial-{setup.name}-{trial.number:03d}"
        header = {
            trials.HEADER: trial.to_json(),
            trials.CASES: {case.case_id: case.to_json() for case in setup.cases},
        }
        checked = journal.Entries(header)
        for case in setup.cases:
            arms = len(ARMS) + len(trial.extra_arms.get(case.case_id, {}))
            checked.findings[case.case_id] = trials.scaled(calibrated.findings[case.case_id], arms)
        resumed = folder.exists()
        start_s = time.monotonic()
        title = f"trial {trial.number + 1}, load {trial.load}, {trial.threads} threads"
        plan = self._plan(setup, ARMS, trial.extra_arms, seed=trial.number)
        with (
            background_load.running(trial.load),
            opened(plan, folder, header, self._console, known=checked) as engine,
        ):
            trials.run(trial, engine)
        elapsed_s = None if resumed else time.monotonic() - start_s
        (folder / trials.END).write_text(json.dumps({"elapsed_s": elapsed_s}))
        self._say(f"{title}: {_ending(self._trials.of(folder))}")

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


def _begun(folder: Path) -> bool:
    """Return whether the journal of a trial has its first line; a kill may have come before."""
    path = folder / files.JOURNAL
    return path.exists() and b"\n" in path.read_bytes()


def _ending(measured: MeasuredTrial) -> str:
    """Say in a line how the comparisons of a trial ended."""
    parts = [f"identical code {rates.ending(measured, IDENTICAL_CODE)}"]
    parts += [
        f"+{slowed.slowing.requested * 100:g} % {rates.ending(measured, arm)}"
        for arm, slowed in measured.trial.slowed.items()
    ]
    seconds = f", {measured.elapsed_s:.0f} s" if measured.elapsed_s else ""
    return "; ".join(parts) + seconds
