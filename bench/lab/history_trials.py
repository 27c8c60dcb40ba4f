"""Real histories through `bench compare` and `bench bisect`.

Equal code must pass, slower code must be found, and the commit with it. How much slower an edit
truly makes a case is measured apart, in other processes, after the verdict.
"""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import stats
from bench.compare import bisect
from bench.compare import run as comparison
from bench.compare.commit import UndecidedError, commit_log_ratios
from bench.compare.request import ONE_PROCESS, SEPARATE, Request
from bench.lab import history_page, history_records
from bench.lab.edits import (
    BISECTED,
    BISECTED_COMMITS,
    PLACED,
    SLOW_DOWNS,
    SLOWER,
    Edit,
    around,
    harmless,
)
from bench.lab.git_history import History, make
from bench.lab.history_records import HistoryTrial
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.stats.verdict import ComparisonVerdict, Verdict
from bench.workload import axes, presets

PAGE = "gatetest.md"

HARMLESS_COMMITS = 4
"""Around the slow one, or alone."""

TRUE_REPLICATES = 24
"""Of the case that became slowest: its size is known to half a percent or so."""

BUDGET_S, TIMEOUT_S = 720.0, 600.0


@dataclass(frozen=True)
class GateTestRequest:
    """What the user wants: how many histories of each kind of `TRY`."""

    counts: Mapping[str, int]
    folder: Path
    edits: tuple[Edit, ...] = SLOW_DOWNS
    """The slow-downs to choose from; where none is of a kind, that kind has all of its own."""


class GateTest:
    """One session.

    Args:
        request: what the user wants.
        console: shows how the histories end.
    """

    def __init__(self, request: GateTestRequest, console: Console) -> None:
        self._request = request
        self._folder = request.folder
        self._console = console
        self._started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def run(self) -> None:
        """Try the histories in turn, and write the page after each."""
        kinds = _in_turn(self._request.counts)
        start_s = time.monotonic()
        for done, kind in enumerate(kinds, start=1):
            trial = TRY[kind](self, self._number(kind))
            history_records.add(trial, self._folder)
            page = history_page.render(history_records.read(self._folder))
            (self._folder / PAGE).write_text(page)
            left_s = (time.monotonic() - start_s) * (len(kinds) / done - 1)
            self._console.print(
                f"{kind}, {trial.edit}: {trial.verdict}, {trial.elapsed_s:.0f} s; "
                f"about {left_s / 60:.0f} min left",
                highlight=False,
                markup=False,
            )

    def _number(self, kind: str) -> int:
        return sum(trial.kind == kind for trial in history_records.read(self._folder))

    def _equal(self, number: int, kind: str = "equal", pairing: str = ONE_PROCESS) -> HistoryTrial:
        edits = harmless(HARMLESS_COMMITS, f"{kind}-{number}")
        name = ", ".join(edit.name for edit in edits)
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            return self._compared(kind, name, replace(self._comparison(history), pairing=pairing))

    def _apart(self, number: int) -> HistoryTrial:
        return self._equal(number, "apart", SEPARATE)

    def _slower(
        self, _number: int, kind: str = "slower", of: Sequence[Edit] = SLOWER
    ) -> HistoryTrial:
        """Take the edit that was tried least."""
        stored = history_records.read(self._folder)
        tried = Counter(trial.edit for trial in stored if trial.kind == kind)
        chosen = [edit for edit in of if edit in self._request.edits] or of
        edit = min(chosen, key=lambda edit: tried[edit.name])
        edits = around(edit, HARMLESS_COMMITS, tried[edit.name])
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            trial = self._compared(kind, edit.name, self._comparison(history, edit.axes))
        return replace(trial, stage=edit.stage)

    def _placed(self, number: int) -> HistoryTrial:
        return self._slower(number, "placed", PLACED)

    def _bisect(self, number: int) -> HistoryTrial:
        """Bisect in the case in which the slow-down shows most."""
        edit = BISECTED[number % len(BISECTED)]
        edits = around(edit, BISECTED_COMMITS - 1, number)
        case = cases(edit.axes)[-1]
        with tempfile.TemporaryDirectory() as folder:
            history = make(Path(folder) / "repository", edits)
            request = replace(self._comparison(history), cases=(case,))
            start_s = time.monotonic()
            run_folder = Path(folder) / "run"
            run_folder.mkdir()
            try:
                bisected = bisect.run(request, run_folder, Console(quiet=True))
            except BenchError as error:
                elapsed_s = time.monotonic() - start_s
                verdict = f"no answer: {error}"
                return HistoryTrial("bisect", edit.name, verdict, elapsed_s, self._started)
        return HistoryTrial(
            "bisect",
            edit.name,
            "right" if bisected.located.suspects == (history.slow,) else "wrong",
            time.monotonic() - start_s,
            self._started,
            case_id=case.case_id,
            **_size_of(bisected.change),
        )

    def _compared(self, kind: str, name: str, request: Request) -> HistoryTrial:
        start_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            compared = comparison.run(request, Path(folder), Console(quiet=True))
            elapsed_s = time.monotonic() - start_s
            judged = compared.timed
            slowest = _slowest(judged)
            true = None
            if kind == "slower" and slowest is not None:
                case = next(case for case in request.cases if case.case_id == slowest)
                alone = replace(request, cases=(case,))
                with contextlib.suppress(UndecidedError):  # too busy: the size stays unknown
                    true = _true_size(alone, Path(folder) / "true")
        return HistoryTrial(
            kind,
            name,
            str(compared.verdict),
            elapsed_s,
            self._started,
            overall_ratio=(
                judged.overall.ratio.value if judged.overall and judged.overall.ratio else None
            ),
            case_id=slowest,
            **_size_of(true),
            ratios={i: c.ratio.value for i, c in judged.cases.items() if c.ratio},
            mde_ratios={i: c.mde_ratio for i, c in judged.cases.items() if c.mde_ratio},
            named={
                i: (c.named[0].name, *_bounds(c.named[0].of_call))
                for i, c in judged.by_name.items()
                if c.named
            },
            regressed=tuple(i for i, c in judged.by_name.items() if c.verdict is Verdict.REGRESSED),
        )

    def _comparison(self, history: History, values: Mapping[str, str] | None = None) -> Request:
        return Request(
            base=history.commits[0],
            head=history.commits[-1],
            cases=cases(values or {}),
            package="panet",
            repository=history.folder,
            budget_s=BUDGET_S,
            timeout_s=TIMEOUT_S,
            traces=False,
        )


def _true_size(request: Request, folder: Path) -> stats.Estimate | None:
    """Return how much slower the head is than the base; `None` if the head cannot be run.

    Raises:
        UndecidedError: too few replicates were undisturbed.
    """
    quiet = Console(quiet=True)
    measured = commit_log_ratios(request, request.head, TRUE_REPLICATES, folder, quiet)
    return stats.t_ratio(measured) if measured else None


def _slowest(judged: ComparisonVerdict) -> str | None:
    """Return the case whose true size is the history's.

    Of those that were flagged or of all: what nothing flagged may be a slow-down that was missed.
    """
    ratios = {i: c.ratio.value for i, c in judged.cases.items() if c.ratio}
    return judged.slowest() or max(ratios, key=lambda i: ratios[i], default=None)


def _bounds(share: stats.Estimate) -> tuple[float, float, float]:
    low, high = (share.value if x is None else x for x in (share.low, share.high))
    return share.value, low, high


def _size_of(true: stats.Estimate | None) -> dict[str, Any]:
    if true is None:
        return {}
    return {"true_ratio": true.value, "true_low": true.low, "true_high": true.high}


TRY: dict[str, Callable[[GateTest, int], HistoryTrial]] = {
    "equal": GateTest._equal,
    "slower": GateTest._slower,
    "placed": GateTest._placed,
    "bisect": GateTest._bisect,
    "apart": GateTest._apart,
}


def cases(values: Mapping[str, str]) -> tuple[Case, ...]:
    """Return the cases of the self-test, or those where an edit shows."""
    return axes.sweep(presets.PRESETS["cells"], dict(values))


def _in_turn(counts: Mapping[str, int]) -> list[str]:
    """Return the kinds so that each is spread over the whole session."""
    places = [
        ((number + 0.5) / count, kind) for kind, count in counts.items() for number in range(count)
    ]
    return [kind for _, kind in sorted(places)]
