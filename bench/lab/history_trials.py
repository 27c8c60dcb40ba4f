"""``python -m bench lab gatetest``: real histories through `bench compare` and `bench bisect`.

Equal code must pass, slower code must be found, and the commit with it. How much slower an edit
truly makes a cell is measured apart, in other processes, after the verdict.
"""

import contextlib
import json
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tabulate import tabulate

from bench import stats
from bench.compare import bisect, comparison
from bench.lab.histories import SLOWER, Edit, History, harmless, make
from bench.machine.environment import describe
from bench.schema.errors import BenchError
from bench.schema.records import Case
from bench.selftest import rates
from bench.stats.verdict import Judged
from bench.workload import axes

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
    """``equal``, ``slower``, ``bisect``, or ``apart``: equal code in processes that take turns."""
    edit: str
    verdict: str
    elapsed_s: float
    sitting: str
    suite_ratio: float | None = None
    case_id: str | None = None
    """The one that became slowest, of what was flagged or of all."""
    true_ratio: float | None = None
    """Of that case, from fresh processes."""
    true_low: float | None = None
    true_high: float | None = None
    ratios: dict[str, float] = field(default_factory=dict)
    """Of every case, as it was compared."""
    detectable_ratios: dict[str, float] = field(default_factory=dict)
    """Of every case: the smallest change that would have been found."""


@dataclass(frozen=True)
class Settings:
    """What the user asked for: how many histories of each kind."""

    equal: int
    slower: int
    bisect: int
    apart: int
    folder: Path
    edits: tuple[Edit, ...] = SLOWER
    """The slow-downs to choose from."""


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
        kinds = _in_turn({kind: getattr(asked, kind) for kind in TRY})
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

    def _equal(self, number: int, kind: str = "equal", pairing: str = comparison.SHARED) -> Trial:
        edits = harmless(HARMLESS_COMMITS, f"{kind}-{number}")
        name = ", ".join(edit.name for edit in edits)
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            return self._compared(kind, name, replace(self._asked(history), pairing=pairing))

    def _apart(self, number: int) -> Trial:
        return self._equal(number, "apart", comparison.APART)

    def _slower(self, _number: int) -> Trial:
        """Take the edit that was tried least."""
        tried = Counter(t.edit for t in read(self._settings.folder) if t.kind == "slower")
        edit = min(self._settings.edits, key=lambda edit: tried[edit.name])
        edits = _around(edit, HARMLESS_COMMITS, tried[edit.name])
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            return self._compared("slower", edit.name, self._asked(history, edit.axes))

    def _bisect(self, number: int) -> Trial:
        """Bisect in the case in which the slow-down shows most."""
        edit = BISECTED[number % len(BISECTED)]
        edits = _around(edit, BISECTED_COMMITS - 1, number)
        case = cells(edit.axes)[-1]
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            asked = replace(self._asked(history), cases=(case,))
            start_s = time.monotonic()
            run_folder = Path(folder) / "run"
            run_folder.mkdir()
            try:
                found = bisect.run(asked, run_folder, Console(quiet=True))
            except BenchError as error:
                elapsed_s = time.monotonic() - start_s
                verdict = f"no answer: {error}"
                return Trial("bisect", edit.name, verdict, elapsed_s, self._sitting)
            right = found.found.suspects == (history.slow,)
            return Trial(
                "bisect",
                edit.name,
                "right" if right else "wrong",
                time.monotonic() - start_s,
                self._sitting,
                case_id=case.case_id,
                **_size_of(found.change),
            )

    def _compared(self, kind: str, name: str, asked: comparison.Asked) -> Trial:
        start_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = comparison.run(asked, Path(folder), Console(quiet=True))
            elapsed_s = time.monotonic() - start_s
            judged = found.answer.judged
            slowest = _slowest(judged)
            true = None
            if kind == "slower" and slowest is not None:
                case = next(case for case in asked.cases if case.case_id == slowest)
                alone = replace(asked, cases=(case,))
                with contextlib.suppress(bisect.UndecidedError):  # too busy: the size stays unknown
                    true = bisect.measured(alone, TRUE_REPLICATES, Path(folder) / "true")
        return Trial(
            kind,
            name,
            str(found.verdict),
            elapsed_s,
            self._sitting,
            suite_ratio=judged.suite.ratio.value if judged.suite and judged.suite.ratio else None,
            case_id=slowest,
            **_size_of(true),
            ratios={i: c.ratio.value for i, c in judged.cases.items() if c.ratio},
            detectable_ratios={
                i: c.detectable_ratio for i, c in judged.cases.items() if c.detectable_ratio
            },
        )

    def _asked(self, history: History, values: Mapping[str, str] | None = None) -> comparison.Asked:
        return comparison.Asked(
            base=history.commits[0],
            head=history.commits[-1],
            cases=cells(values or {}),
            package="panet",
            repository=history.folder,
            budget_s=BUDGET_S,
            timeout_s=TIMEOUT_S,
            traces=False,
        )


def _slowest(judged: Judged) -> str | None:
    """Return the case whose true size is the history's.

    Of those that were flagged or of all: what nothing flagged may be a slow-down that was missed.
    """
    ratios = {i: c.ratio.value for i, c in judged.cases.items() if c.ratio}
    return judged.slowest() or max(ratios, key=lambda i: ratios[i], default=None)


def _size_of(true: stats.Estimate | None) -> dict[str, Any]:
    if true is None:
        return {}
    return {"true_ratio": true.value, "true_low": true.low, "true_high": true.high}


TRY: dict[str, Callable[[GateTest, int], Trial]] = {
    "equal": GateTest._equal,
    "slower": GateTest._slower,
    "bisect": GateTest._bisect,
    "apart": GateTest._apart,
}

BISECTED = tuple(edit for edit in SLOWER if edit.name in ("Fuse twice", "Smooth twice"))
"""Slow-downs of 5 % and more in every cell."""


def cells(values: Mapping[str, str]) -> tuple[Case, ...]:
    """Return the cells of the self-test, or those where an edit shows."""
    return axes.sweep(axes.PRESETS["cells"], dict(values))


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
        *_pairings(found),
    ]
    searched = [trial for trial in found if trial.kind == "bisect"]
    if searched:
        right = sum(trial.verdict == "right" for trial in searched)
        parts.append(
            f"Bisection over {BISECTED_COMMITS} commits: {right} of {len(searched)} found the "
            f"commit, in {_seconds(searched)}."
        )
    return "\n\n".join([*parts, _list(found)]) + "\n"


VERDICTS = ("regressed", "improved", "within_noise", "undecided", "missing")


def _confusion(found: Sequence[Trial]) -> str:
    rows = []
    for name, own in _groups(found).items():
        if own:
            counts = [sum(trial.verdict == verdict for trial in own) for verdict in VERDICTS]
            alarms = rates.rate(counts[0], len(own))
            interval = f"{alarms.low:.0%} to {alarms.high:.0%}"
            seconds = _seconds(own)
            rows.append([name, f"{len(own)}", *map(str, counts), interval, seconds])
    headers = ["truth", "histories", *VERDICTS, "regressed, 95 %", "to the verdict"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _seconds(own: Sequence[Trial]) -> str:
    seconds = [trial.elapsed_s for trial in own]
    return f"{np.median(seconds):.0f} s (at most {max(seconds):.0f})"


def _pairings(found: Sequence[Trial]) -> Iterator[str]:
    """Yield what equal code shows in either pairing, if both were tried."""
    rows = []
    for pairing, kind in ((comparison.SHARED, "equal"), (comparison.APART, "apart")):
        own = [trial for trial in found if trial.kind == kind and trial.ratios]
        if len(own) < FEW:
            return
        ratios = [math.log(ratio) for trial in own for ratio in trial.ratios.values()]
        suites = [math.log(trial.suite_ratio) for trial in own if trial.suite_ratio]
        detected = [x for trial in own for x in trial.detectable_ratios.values()]
        shown = [
            f"{np.std(ratios, ddof=1):.1%}",
            f"{np.abs(ratios).max():.1%}",
            f"{np.std(suites, ddof=1):.1%}",
            f"{np.median(detected):.1%}",
        ]
        rows.append([pairing, f"{len(own)}", *shown, _seconds(own)])
    headers = [
        "pairing, equal code",
        "histories",
        "sd of a case",
        "largest",
        "sd of the suite",
        "detectable in a case",
        "to the verdict",
    ]
    yield tabulate(rows, headers, tablefmt="github", disable_numparse=True)


FEW = 3
"""Histories: a spread of fewer says nothing."""


def _groups(found: Sequence[Trial]) -> dict[str, list[Trial]]:
    small, large = SIZES
    groups: dict[str, list[Trial]] = {
        "equal code": [trial for trial in found if trial.kind == "equal"],
        f"slower by less than {small:.0%}, or no slower": [],
        f"slower by {small:.0%} to {large:.0%}": [],
        f"slower by {large:.0%} or more": [],
        "slower, size unknown": [],
    }
    _, below, between, above, unknown = groups.values()
    for trial in found:
        if trial.kind == "slower":
            if trial.true_ratio is None:
                unknown.append(trial)
                continue
            size = trial.true_ratio - 1
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
