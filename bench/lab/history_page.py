"""The page of the gate test, in Markdown: confusion matrix, bisections, and every history.

An edit that is tried again is the same edit, so edits are counted and not trials: an edit counts as
found if it was found in all its trials. Histories of equal code are all different.
"""

import math
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
from tabulate import tabulate

from bench.compare.request import ONE_PROCESS, SEPARATE
from bench.lab.edits import BISECTED_COMMITS
from bench.lab.history_records import HistoryTrial
from bench.machine.environment import describe
from bench.stats.proportions import rate
from bench.stats.verdict import Verdict

SIZES = (0.03, 0.05)
"""Between which the confusion matrix tells slow-downs apart."""

VERDICTS = (
    *(Verdict.REGRESSED, Verdict.IMPROVED, Verdict.WITHIN_NOISE),
    *(Verdict.UNDECIDED, Verdict.MISSING),
)

WITH_A_SLOW_EDIT = ("slower", "placed", "bisect")
"""Kinds of history."""

FEW = 3
"""Histories: a spread of fewer says nothing."""


def render(trials: Sequence[HistoryTrial]) -> str:
    """Return the page."""
    environment = describe()
    sessions = len({trial.session for trial in trials})
    parts = [
        "# Gate test",
        f"{environment['cpu']}, {environment['cores']} cores; torch "
        f"{environment['libraries']['torch']}; {sessions} sessions.",
        _confusion(trials),
        *_placed([trial for trial in trials if trial.kind == "placed"]),
        *_pairings(trials),
        *_bisections([trial for trial in trials if trial.kind == "bisect"]),
    ]
    return "\n\n".join([*parts, _list(trials)]) + "\n"


def _confusion(trials: Sequence[HistoryTrial]) -> str:
    rows = []
    for truth, own in _groups(trials).items():
        if own:
            counts = [sum(trial.verdict == verdict for trial in own) for verdict in VERDICTS]
            rows.append([truth, evidence(own), *map(str, counts), _regressed(own), _seconds(own)])
    headers = ["truth", "evidence", *VERDICTS, "always regressed", "to the verdict"]
    return _table(rows, headers)


def evidence(trials: Sequence[HistoryTrial]) -> str:
    """Return what some trials rest on: ``4 edits, 21 trials``; ``20 histories`` of equal code."""
    if all(trial.kind not in WITH_A_SLOW_EDIT for trial in trials):
        return _many(len(trials), "history", "histories")
    edits = len(_verdicts_by_edit(trials))
    return f"{_many(edits, 'edit', 'edits')}, {_many(len(trials), 'trial', 'trials')}"


def _regressed(trials: Sequence[HistoryTrial]) -> str:
    """Return the edits of which all trials regressed, with the interval over edits."""
    by_edit = _verdicts_by_edit(trials)
    always = rate(
        sum(verdicts == {Verdict.REGRESSED} for verdicts in by_edit.values()), len(by_edit)
    )
    return f"{always.count} of {always.total} (95 %: {always.low:.0%} to {always.high:.0%})"


def _verdicts_by_edit(trials: Sequence[HistoryTrial]) -> dict[str, set[str]]:
    """Return the different verdicts of every edit; each history of equal code is one of its own."""
    by_edit: dict[str, set[str]] = {}
    for number, trial in enumerate(trials):
        name = trial.edit if trial.kind in WITH_A_SLOW_EDIT else f"history {number}"
        by_edit.setdefault(name, set()).add(trial.verdict)
    return by_edit


def _groups(trials: Sequence[HistoryTrial]) -> dict[str, list[HistoryTrial]]:
    small, large = SIZES
    below, between, above = (
        f"slower by less than {small:.0%}, or no slower",
        f"slower by {small:.0%} to {large:.0%}",
        f"slower by {large:.0%} or more",
    )
    unknown = "slower, size unknown"
    groups: dict[str, list[HistoryTrial]] = {
        "equal code": [trial for trial in trials if trial.kind == "equal"],
        **{name: [] for name in (below, between, above, unknown)},
    }
    sizes = true_sizes(trials)
    for trial in trials:
        if trial.kind == "slower":
            size = None if trial.true_ratio is None else sizes[trial.edit]
            if size is None:
                groups[unknown].append(trial)
            else:
                groups[below if size < small else between if size < large else above].append(trial)
    return groups


def true_sizes(trials: Sequence[HistoryTrial]) -> dict[str, float]:
    """Return how much slower each edit is, relative: the median of its trials that know it."""
    ratios: dict[str, list[float]] = {}
    for trial in trials:
        if trial.kind == "slower" and trial.true_ratio is not None:
            ratios.setdefault(trial.edit, []).append(trial.true_ratio)
    return {edit: statistics.median(values) - 1 for edit, values in ratios.items()}


def _pairings(trials: Sequence[HistoryTrial]) -> Iterator[str]:
    """Yield what equal code shows in either pairing, if both were tried."""
    rows = []
    for pairing, kind in ((ONE_PROCESS, "equal"), (SEPARATE, "apart")):
        own = [trial for trial in trials if trial.kind == kind and trial.ratios]
        if len(own) < FEW:
            return
        ratios = [math.log(ratio) for trial in own for ratio in trial.ratios.values()]
        overall = [math.log(trial.overall_ratio) for trial in own if trial.overall_ratio]
        mdes = [mde for trial in own for mde in trial.mde_ratios.values()]
        shown = [
            f"{np.std(ratios, ddof=1):.1%}",
            f"{np.abs(ratios).max():.1%}",
            f"{np.std(overall, ddof=1):.1%}",
            f"{np.median(mdes):.1%}",
        ]
        rows.append([pairing, f"{len(own)}", *shown, _seconds(own)])
    headers = [
        *("pairing, equal code", "histories", "sd of a case", "largest", "sd overall"),
        *("MDE of a case", "to the verdict"),
    ]
    yield _table(rows, headers)


def _placed(trials: Sequence[HistoryTrial]) -> Iterator[str]:
    """Yield what became of small slow-downs, each in a stage of its own."""
    if not trials:
        return
    found = [trial for trial in trials if trial.verdict == Verdict.REGRESSED]
    right = sum(_named_right(trial) for trial in found)
    yield (
        f"Small slow-downs in one stage, {evidence(trials)}: {len(found)} regressed; in {right} of "
        "these, every case that did named the stage."
    )
    rows = [
        [
            *(trial.edit, trial.stage, _of_call(trial), trial.verdict),
            f"{len(trial.regressed)} of {len(trial.ratios)}",
            ", ".join(sorted({name for name, *_ in trial.named.values()})) or "-",
            f"{trial.elapsed_s:.0f} s",
        ]
        for trial in trials
    ]
    headers = ["edit", "sits in", "costs, of a call", "verdict", "cases", "named", "took"]
    yield _table(rows, headers)


def _named_right(trial: HistoryTrial) -> bool:
    named = {trial.named[case_id][0] for case_id in trial.regressed if case_id in trial.named}
    return named == {trial.stage}


def _of_call(trial: HistoryTrial) -> str:
    """Return the share of a call that the stage costs: the median of the cases, least to most."""
    shares = [share for name, share, *_ in trial.named.values() if name == trial.stage]
    if not shares:
        return "-"
    return f"{np.median(shares):+.2%} ({min(shares):+.2%} to {max(shares):+.2%})"


def _bisections(trials: Sequence[HistoryTrial]) -> Iterator[str]:
    if trials:
        right = sum(trial.verdict == "right" for trial in trials)
        yield (
            f"Bisection over {BISECTED_COMMITS} commits, {evidence(trials)}: {right} named the "
            f"commit, in {_seconds(trials)}."
        )


def _list(trials: Sequence[HistoryTrial]) -> str:
    rows = [
        [trial.kind, trial.edit, trial.verdict, _size(trial), f"{trial.elapsed_s:.0f} s"]
        for trial in trials
    ]
    return _table(rows, ["history", "edit", "verdict", "true size, slowest case", "took"])


def _size(trial: HistoryTrial) -> str:
    if trial.true_ratio is None or trial.true_low is None or trial.true_high is None:
        return "-"
    half = (trial.true_high - trial.true_low) / 2
    return f"{(trial.true_ratio - 1) * 100:+.1f} % ±{half * 100:.1f} %"


def _seconds(trials: Sequence[HistoryTrial]) -> str:
    seconds = [trial.elapsed_s for trial in trials]
    return f"{np.median(seconds):.0f} s (at most {max(seconds):.0f})"


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
