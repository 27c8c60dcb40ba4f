"""One run of ``pytest bench``, from its options to its results; called from pytest's hooks."""

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import journal, options, runs
from bench.document import panet_key
from bench.engine import SERVERS, Engine, Plan, first_server, preload
from bench.errors import BenchError
from bench.launcher import Failure, ServerLauncher
from bench.progress import ProgressBar
from bench.records import MEASURED, Case, CaseResult
from bench.task import Task


@dataclass(frozen=True)
class Request:
    """The command line, parsed."""

    cases: tuple[Case, ...]
    half_width: float
    budget_s: float
    timeout_s: float
    seed: int
    images_dir: str | None
    traces: bool
    run_dir: Path
    resume: bool


@dataclass
class Session:
    """A request, and what came of it."""

    request: Request
    results: dict[str, CaseResult] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    trace_failures: dict[str, str] = field(default_factory=dict)

    def measure(self, case_ids: Sequence[str], console: Console) -> None:
        """Measure these cases of the request, or what is left of them.

        Raises:
            BenchError: the run cannot be resumed, or its folder not written.
        """
        chosen = tuple(case for case in self.request.cases if case.case_id in set(case_ids))
        with tempfile.TemporaryDirectory(prefix="panet-bench-") as scratch_dir:
            plan = self._plan(chosen, scratch_dir)
            self.run = runs.header(plan) | {"run_id": self.request.run_dir.name}
            log, entries = self._open_journal()
            first = first_server(entries)
            servers = range(first, first + SERVERS)
            launcher = ServerLauncher(Path(scratch_dir), preload(chosen), servers)
            with ProgressBar(console) as bar:
                engine = Engine(plan, launcher, log, time.monotonic, bar, entries)
                try:
                    results = engine.run()
                finally:
                    log.close()
                self.results = {result.case.case_id: result for result in results}
                if self.request.traces:
                    self._trace(launcher, scratch_dir, bar)

    def document(self) -> dict[str, Any]:
        """Return the key ``panet`` of the result file."""
        return panet_key(self.run, list(self.results.values()))

    def _plan(self, cases: tuple[Case, ...], scratch_dir: str) -> Plan:
        request = self.request
        return Plan(
            cases=cases,
            half_width=request.half_width,
            budget_s=request.budget_s,
            timeout_s=request.timeout_s,
            seed=request.seed,
            images_dir=request.images_dir,
            scratch_dir=scratch_dir,
        )

    def _open_journal(self) -> tuple[journal.Journal, journal.Entries]:
        folder = self.request.run_dir
        if self.request.resume:
            entries = journal.read(folder)
            runs.refuse_other(folder.name, entries.header, self.run)
            return journal.Journal.reopen(folder, entries), entries
        log = journal.Journal.create(folder, self.run)
        runs.point_latest_at(folder)
        return log, journal.Entries(self.run)

    def _trace(self, launcher: ServerLauncher, scratch_dir: str, bar: ProgressBar) -> None:
        """Profile every measured case, each in a process of its own, after all timing."""
        measured = [result for result in self.results.values() if result.status in MEASURED]
        for number, result in enumerate(measured):
            case = result.case
            bar.update(case.case_id, "tracing", 0.0, number / len(measured))
            folder = self.request.run_dir / "traces" / case.case_id
            task = Task(
                "trace",
                case,
                self.request.seed,
                scratch_dir,
                self.request.images_dir,
                trace_dir=str(folder),
            )
            outcome = launcher.run(task, self.request.timeout_s)
            if isinstance(outcome, Failure):
                self.trace_failures[case.case_id] = outcome.reason
        launcher.close()


def parse_request(values: Mapping[str, str | None], resume: str | None, *, traces: bool) -> Request:
    """Build the request from option texts, `None` where not given.

    Raises:
        BenchError: naming the option, what is wrong with it, and what would be right.
    """
    preset = options.find_preset(values["preset"] or options.DEFAULT_PRESET)
    axes = {name: text for name in options.AXES if (text := values[name]) is not None}
    runs_dir = Path(values["run_dir"]) if values["run_dir"] else runs.RUNS_DIR
    seed = values["seed"] or "0"
    if not seed.isdigit():
        raise BenchError(f"--seed {seed!r}: give a whole number of 0 or more")
    images_dir = values["images"]
    if images_dir is not None and not Path(images_dir).is_dir():
        raise BenchError(f"--images {images_dir}: no such folder; name one with pictures")
    return Request(
        cases=options.sweep(preset, axes),
        half_width=options.parse_half_width(values["half_width"] or preset.half_width),
        budget_s=options.parse_duration("--budget", values["budget"] or preset.budget),
        timeout_s=options.parse_duration("--timeout", values["timeout"] or DEFAULT_TIMEOUT),
        seed=int(seed),
        images_dir=images_dir and str(Path(images_dir).resolve()),
        traces=traces,
        run_dir=runs.find_run_dir(runs_dir, resume) if resume else runs.new_run_dir(runs_dir),
        resume=resume is not None,
    )


DEFAULT_TIMEOUT = "10m"
"""For one worker: several times what compiling the largest network of the presets takes."""


def keep_copy(written: Path, wanted: Path | None) -> None:
    """Copy the result file to where the user wants it as well."""
    if wanted is not None and written.exists():
        shutil.copyfile(written, wanted)
