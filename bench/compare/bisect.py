"""``python -m bench bisect GOOD BAD``: which commit made it slower?

The size of the change is measured first; then every step compares a commit with the good one, with
as many replicates as it takes to tell "as fast" from "as slow" surely, and no more. Where calls are
split by marks, that is done in the whole call or in a stage, whichever shows the change most
surely: a stage takes fewer replicates. Commits whose code does not run are passed by.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy import stats as distributions

from bench import stats
from bench.compare import revisions
from bench.compare.commit import MIN_REPLICATES, SURE, changed_most_surely, commit_rows
from bench.compare.request import Request
from bench.schema import journal, text
from bench.schema.errors import BenchError

FIRST_REPLICATES = 12
"""Of the good and the bad commit: they give the size of the change and the noise."""

MAX_REPLICATES = 64

UNCLEAR = (0.3, 0.7)
"""Shares of the change between which a commit is neither; it gets as many replicates once more."""

FILE = "bisect.json"

Slow = bool | None
"""Whether a commit is slow; `None` if it cannot be run."""


@dataclass(frozen=True)
class Located:
    """Where the change is."""

    suspects: tuple[str, ...]
    """The first slow commit, behind those before it that could not be run."""
    tried: dict[str, Slow]


@dataclass(frozen=True)
class BisectResult:
    """What came of a bisection."""

    good: str
    bad: str
    change: stats.Estimate
    """Of the bad commit over the good one, as a ratio."""
    stage: str
    """That changed so; empty: the whole call."""
    replicates: int
    """Of every step."""
    located: Located
    subjects: dict[str, str]
    """Commit -> first line of its message."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the answer in words, a line each."""
        *before, first = self.located.suspects
        size = text.change(self.change.value, self.change.low, self.change.high)
        of_stage = f"`{self.stage}` " if self.stage else ""
        said = [f"{first[:10]} {self.subjects[first]}: {of_stage}{size}"]
        if before:
            names = ", ".join(commit[:10] for commit in before)
            said.append(f"or one of {names}, which cannot be run")
        steps = len(self.located.tried) - 1
        said.append(f"{steps} commits tried, {self.replicates} replicates each")
        return said


def run(request: Request, folder: Path, console: Console) -> BisectResult:
    """Find the commit between ``request.base`` (good) and ``request.head`` (bad).

    Every step keeps its replicates in the folder, and a killed bisection goes on with them.

    Raises:
        UndecidedError: the machine was too busy.
        BenchError: they are no revisions, do not follow each other, or do not differ.
    """
    with journal.locked(folder):
        result = _run(request, folder, console)
        (folder / FILE).write_text(json.dumps(result.to_json(), indent=1))
    return result


def _run(request: Request, folder: Path, console: Console) -> BisectResult:
    names = (request.base, request.head)
    good, bad = (revisions.resolve(name, request.repository) for name in names)
    commits = revisions.between(good, bad, request.repository)
    request = replace(request, base=good)
    console.print(f"{len(commits)} commits; first {good[:10]} against {bad[:10]}", markup=False)
    rows = commit_rows(request, bad, FIRST_REPLICATES, folder / "first", console)
    if rows is None:
        raise BenchError(f"{bad[:10]} cannot be run; name a bad commit that can")
    stage = changed_most_surely(rows, request.gate.tolerance)
    first = rows[stage].log_ratios
    change = float(np.mean(first))
    count = replicates_for(change, float(np.std(first, ddof=1)))

    def is_slow(commit: str) -> Slow:
        slow = _is_slow(request, commit, stage, change, count, folder / commit[:10], console)
        words = {True: "slow", False: "fast", None: "cannot be run"}
        console.print(f"{commit[:10]} {words[slow]}", markup=False, highlight=False)
        return slow

    return BisectResult(
        good,
        bad,
        stats.t_ratio(first),
        stage,
        count,
        search(commits, is_slow),
        {commit: revisions.subject(commit, request.repository) for commit in commits},
    )


def search(commits: Sequence[str], is_slow: Callable[[str], Slow]) -> Located:
    """Return the first slow commit.

    Args:
        commits: oldest first, the last one known to be slow; what is before the first is fast.
        is_slow: says of a commit what it is.
    """
    tried: dict[str, Slow] = {commits[-1]: True}
    fast, slow = -1, len(commits) - 1
    while True:
        open_ones = [i for i in range(fast + 1, slow) if commits[i] not in tried]
        if not open_ones:
            return Located(tuple(commits[fast + 1 : slow + 1]), tried)
        middle = (fast + slow) / 2
        at = min(open_ones, key=lambda i: abs(i - middle))
        tried[commits[at]] = answer = is_slow(commits[at])
        if answer is True:
            slow = at
        elif answer is False:
            fast = at


def replicates_for(change: float, replicate_sd: float) -> int:
    """Return how many replicates tell a change from none, each step surely.

    Args:
        change: logarithm of slow over fast.
        replicate_sd: standard deviation of the log ratio of a replicate.
    """
    quantile = float(distributions.norm.ppf(SURE))
    needed = math.ceil((2 * quantile * replicate_sd / abs(change)) ** 2)
    return min(MAX_REPLICATES, max(MIN_REPLICATES, needed))


def share_of(log_ratios: Sequence[float], change: float) -> float:
    """Return how much of the change replicates show: 0 is fast, 1 is slow."""
    return float(np.mean(log_ratios)) / change


def _is_slow(
    request: Request,
    commit: str,
    stage: str,
    change: float,
    count: int,
    folder: Path,
    console: Console,
) -> Slow:
    every: list[float] = []
    for attempt in range(2):
        rows = commit_rows(request, commit, count, folder / str(attempt), console)
        if rows is None or stage not in rows:  # it has no such stage: nothing can be said of it
            return None
        every += rows[stage].log_ratios
        share = share_of(every, change)
        if not UNCLEAR[0] < share < UNCLEAR[1]:
            break
    return share > sum(UNCLEAR) / 2
