"""``python -m bench gatetest``: real histories through `bench compare` and `bench bisect`.

Equal code must pass, slower code must be found, and the commit with it. How much slower an edit
truly makes a cell is measured apart, in other processes, after the verdict.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from tabulate import tabulate

from bench import bisect, compare, options, proof, stats
from bench.environment import describe
from bench.errors import BenchError
from bench.histories import SLOWER, Edit, History, harmless, make
from bench.records import Case

PREFIX, TRIALS, PAGE = "gatetest-", "trials.jsonl", "gatetest.md"

HARMLESS_COMMITS = 4
"""Around the slow one, or alone."""

BISECTED_COMMITS = 16

TRUE_REPLICATES = 24
"""Of the cell that became slowest: its size is known to half a percent or so."""

SIZES = (0.03, 0.05)
"""Between which the confusion matrix tells slow-downs apart."""

BUDGET_S, TIMEOUT_S = 720.0, 600.0


@dataclass(frozen=True)
class Trial:
    """How one history ended."""

    kind: str
    """``equal``, ``slower`` or ``bisect``."""
    edit: str
    verdict: str
    elapsed_s: float
    suite_ratio: float | None
    case_id: str | None
    """The one that became slowest."""
    true_ratio: float | None
    """Of that case, from fresh processes."""
    true_low: float | None
    true_high: float | None
    sitting: str


@dataclass(frozen=True)
class Settings:
    """What the user asked for: how many histories of each kind."""

    equal: int
    slower: int
    bisect: int
    folder: Path


class GateTest:
    """One sitting.

    Args:
        settings: what was asked for.
        console: hears how the histories end.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._sitting = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def run(self) -> None:
        """Try the histories in turn, and write the page after each.

        Raises:
            BenchError: the folder cannot be written.
        """
        asked = self._settings
        try:
            asked.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(
                f"cannot write {asked.folder}: {error.strerror}; choose --run-dir"
            ) from error
        kinds = _in_turn({"equal": asked.equal, "slower": asked.slower, "bisect": asked.bisect})
        start_s = time.monotonic()
        for done, kind in enumerate(kinds, start=1):
            trial = TRY[kind](self, self._number(kind))
            with (asked.folder / TRIALS).open("a") as stream:
                stream.write(json.dumps(asdict(trial)) + "\n")
            (asked.folder / PAGE).write_text(render(read(asked.folder)))
            left_s = (time.monotonic() - start_s) * (len(kinds) / done - 1)
            self._console.print(
                f"{kind}, {trial.edit}: {trial.verdict}, {trial.elapsed_s:.0f} s; "
                f"about {left_s / 60:.0f} min left",
                highlight=False,
                markup=False,
            )

    def _number(self, kind: str) -> int:
        return sum(trial.kind == kind for trial in read(self._settings.folder))

    def _equal(self, number: int) -> Trial:
        edits = harmless(HARMLESS_COMMITS, f"equal-{number}")
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            return self._compared("equal", ", ".join(e.name for e in edits), history, cells({}))

    def _slower(self, number: int) -> Trial:
        edit = SLOWER[number % len(SLOWER)]
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", _around(edit, HARMLESS_COMMITS, number))
            return self._compared("slower", edit.name, history, cells(edit.axes))

    def _bisect(self, number: int) -> Trial:
        """Bisect in the case in which the slow-down shows most."""
        edit = BISECTED[number % len(BISECTED)]
        edits = _around(edit, BISECTED_COMMITS - 1, number)
        case = cells(edit.axes)[-1]
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            asked = self._asked(history, (case,))
            start_s = time.monotonic()
            run_folder = Path(folder) / "run"
            run_folder.mkdir()
            try:
                found = bisect.run(asked, run_folder, Console(quiet=True))
            except BenchError as error:
                return self._trial("bisect", edit.name, f"no answer: {error}", start_s)
            right = found.found.suspects == (history.slow,)
            verdict = "right" if right else "wrong"
            return self._trial("bisect", edit.name, verdict, start_s, case.case_id, found.change)

    def _compared(self, kind: str, name: str, history: History, cases: tuple[Case, ...]) -> Trial:
        asked = self._asked(history, cases)
        start_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = compare.run(asked, Path(folder), Console(quiet=True))
            elapsed_s = time.monotonic() - start_s
            slowest = found.answer.judged.slowest()
            true = None
            if kind == "slower" and slowest is not None:
                case = next(case for case in cases if case.case_id == slowest)
                true = bisect.measured(
                    self._asked(history, (case,)), TRUE_REPLICATES, Path(folder) / "true"
                )
        suite = found.answer.judged.suite
        ratio = suite.ratio.value if suite and suite.ratio else None
        return Trial(
            kind,
            name,
            str(found.verdict),
            elapsed_s,
            ratio,
            slowest,
            true.value if true else None,
            true.low if true else None,
            true.high if true else None,
            self._sitting,
        )

    def _trial(
        self,
        kind: str,
        edit: str,
        verdict: str,
        start_s: float,
        case_id: str | None = None,
        change: stats.Estimate | None = None,
    ) -> Trial:
        found = change or stats.Estimate(float("nan"), None, None)
        size = found.value if change else None
        elapsed_s = time.monotonic() - start_s
        return Trial(
            kind,
            edit,
            verdict,
            elapsed_s,
            None,
            case_id,
            size,
            found.low,
            found.high,
            self._sitting,
        )

    def _asked(self, history: History, cases: tuple[Case, ...]) -> compare.Asked:
        return compare.Asked(
            base=history.commits[0],
            head=history.commits[-1],
            cases=cases,
            package="panet",
            repository=history.folder,
            budget_s=BUDGET_S,
            timeout_s=TIMEOUT_S,
            traces=False,
        )


TRY: dict[str, Callable[[GateTest, int], Trial]] = {
    "equal": GateTest._equal,
    "slower": GateTest._slower,
    "bisect": GateTest._bisect,
}

BISECTED = tuple(edit for edit in SLOWER if edit.name in ("Fuse twice", "Smooth twice"))
"""Slow-downs of 5 % and more in every cell."""


def cells(axes: Mapping[str, str]) -> tuple[Case, ...]:
    """Return the cells of the self-test, or those where an edit shows."""
    return options.sweep(options.PRESETS["cells"], dict(axes))


def read(folder: Path) -> list[Trial]:
    """Return all trials of a folder so far."""
    path = folder / TRIALS
    if not path.exists():
        return []
    return [Trial(**json.loads(line)) for line in path.read_text().splitlines()]


def render(found: Sequence[Trial]) -> str:
    """Return the page: confusion matrix, bisections, and every history."""
    environment = describe()
    parts = [
        "# Gate test",
        f"{environment['cpu']}, {environment['cores']} cores; torch "
        f"{environment['libraries']['torch']}; "
        f"{len({trial.sitting for trial in found})} sittings.",
        _confusion(found),
    ]
    searched = [trial for trial in found if trial.kind == "bisect"]
    if searched:
        right = sum(trial.verdict == "right" for trial in searched)
        parts.append(
            f"Bisection over {BISECTED_COMMITS} commits: {right} of {len(searched)} found the "
            f"commit, {np.median([t.elapsed_s for t in searched]):.0f} s (median)."
        )
    return "\n\n".join([*parts, _list(found)]) + "\n"


VERDICTS = ("regressed", "improved", "within_noise", "undecided", "missing")


def _confusion(found: Sequence[Trial]) -> str:
    rows = []
    for name, own in _groups(found).items():
        if own:
            counts = [sum(trial.verdict == verdict for trial in own) for verdict in VERDICTS]
            alarms = proof.rate(counts[0], len(own))
            interval = f"{alarms.low:.0%} to {alarms.high:.0%}"
            seconds = f"{np.median([trial.elapsed_s for trial in own]):.0f} s"
            rows.append([name, f"{len(own)}", *map(str, counts), interval, seconds])
    headers = ["truth", "histories", *VERDICTS, "regressed, 95 %", "to the verdict"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _groups(found: Sequence[Trial]) -> dict[str, list[Trial]]:
    small, large = SIZES
    groups: dict[str, list[Trial]] = {
        "equal code": [trial for trial in found if trial.kind == "equal"],
        f"slower by less than {small:.0%}": [],
        f"slower by {small:.0%} to {large:.0%}": [],
        f"slower by {large:.0%} or more": [],
    }
    _, below, between, above = groups.values()
    for trial in found:
        if trial.kind == "slower":
            size = (trial.true_ratio or 1.0) - 1
            (below if size < small else between if size < large else above).append(trial)
    return groups


def _list(found: Sequence[Trial]) -> str:
    rows = [
        [trial.kind, trial.edit, trial.verdict, _size(trial), f"{trial.elapsed_s:.0f} s"]
        for trial in found
    ]
    headers = ["history", "edit", "verdict", "true size, slowest case", "took"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _size(trial: Trial) -> str:
    if trial.true_ratio is None or trial.true_low is None or trial.true_high is None:
        return "-"
    half = (trial.true_high - trial.true_low) / 2
    return f"{(trial.true_ratio - 1) * 100:+.1f} % ±{half * 100:.1f} %"


def _around(edit: Edit, count: int, number: int) -> list[Edit]:
    """Return the edit at a random place among harmless ones, ``count`` in all."""
    edits = harmless(count - 1, f"{edit.name}-{number}", edit)
    place = random.Random(f"{edit.name}-{number}").randrange(count)  # noqa: S311 - no secret
    return [*edits[:place], edit, *edits[place:]]


def _in_turn(counts: Mapping[str, int]) -> list[str]:
    """Return the kinds so that each is spread over the whole sitting."""
    places = [
        ((number + 0.5) / count, kind) for kind, count in counts.items() for number in range(count)
    ]
    return [kind for _, kind in sorted(places)]
