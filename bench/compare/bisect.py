"""``python -m bench bisect GOOD BAD``: which commit made it slower?

The size of the change is measured first; then every step compares a commit with the good one, with
as many replicates as it takes to tell "as fast" from "as slow" surely, and no more. Commits whose
code does not run are passed by.
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
from bench.compare import adaptive, revisions
from bench.compare.measuring import both_checked_out, measuring
from bench.compare.request import BASE, HEAD, Request
from bench.schema import journal, text
from bench.schema.errors import BenchError
from bench.stats.multiplicity import level

SURE = 1 - float(level(0.02, tests=4))
"""Of a step: a history of 16 takes four, and all of them have to be right."""

FIRST_REPLICATES = 12
"""Of the good and the bad commit: they give the size of the change and the noise."""

MIN_REPLICATES, MAX_REPLICATES = 4, 64

UNCLEAR = (0.3, 0.7)
"""Shares of the change between which a commit is neither; it gets as many replicates once more."""

CONTRAST = stats.Contrast((HEAD,), (BASE,))

FILE = "bisect.json"

Slow = bool | None
"""Whether a commit is slow; `None` if it cannot be run."""


class UndecidedError(BenchError):
    """The machine was too busy to tell."""


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
        size = text.change(self.change.value)
        said = [f"{first[:10]} {self.subjects[first]}: {size}"]
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
    folder.mkdir(parents=True, exist_ok=True)
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
    first = commit_log_ratios(request, bad, FIRST_REPLICATES, folder / "first", console)
    if first is None:
        raise BenchError(f"{bad[:10]} cannot be run; name a bad commit that can")
    change = refuse_unchanged(first)
    count = replicates_for(change, float(np.std(first, ddof=1)))

    def is_slow(commit: str) -> Slow:
        slow = _is_slow(request, commit, change, count, folder / commit[:10], console)
        words = {True: "slow", False: "fast", None: "cannot be run"}
        console.print(f"{commit[:10]} {words[slow]}", markup=False, highlight=False)
        return slow

    return BisectResult(
        good,
        bad,
        stats.t_ratio(first),
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
        tried[commits[at]] = found = is_slow(commits[at])
        if found is True:
            slow = at
        elif found is False:
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


def refuse_unchanged(log_ratios: Sequence[float]) -> float:
    """Return the change between good and bad; raise `BenchError` if there is none to look for."""
    sample = np.asarray(log_ratios, float)
    found = distributions.ttest_1samp(sample, 0.0)
    if not found.pvalue < 1 - SURE:
        raise BenchError(
            f"GOOD and BAD differ by {math.expm1(float(sample.mean())):+.1%}, which is not sure: "
            "there is nothing to look for; name the case that `bench compare` names with --case"
        )
    return float(sample.mean())


def _is_slow(
    request: Request, commit: str, change: float, count: int, folder: Path, console: Console
) -> Slow:
    found: list[float] = []
    for attempt in range(2):
        fresh = commit_log_ratios(request, commit, count, folder / str(attempt), console)
        if fresh is None:
            return None
        found += fresh
        share = share_of(found, change)
        if not UNCLEAR[0] < share < UNCLEAR[1]:
            break
    return share > sum(UNCLEAR) / 2


def commit_log_ratios(
    request: Request, commit: str, count: int, folder: Path, console: Console
) -> list[float] | None:
    """Return a commit over the good one, one per replicate: the mean over the cases.

    Returns:
        `None` if the commit's code cannot be run.

    Raises:
        UndecidedError: too few replicates were undisturbed.
    """
    pair = replace(request, head=commit)
    with (
        both_checked_out(pair, folder) as codes,
        measuring(pair, codes, folder, console, (BASE, HEAD)) as engine,
    ):
        engine.check()
        if not all(state.runs for state in engine.states):
            return None
        adaptive.measure_to(engine, {s.case.case_id: count for s in engine.states})
        found = {state.case.case_id: state.undisturbed for state in engine.states}
    if min(map(len, found.values())) < min(count, MIN_REPLICATES):
        raise UndecidedError(f"{commit[:10]}: the machine was too busy; run again when it is idle")
    by_case = adaptive.log_ratios(found, dict.fromkeys(found, CONTRAST)).values()
    return [float(np.mean(together)) for together in zip(*by_case, strict=False)]
