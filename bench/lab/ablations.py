"""What each piece of a measurement is worth: stored runs, read again with one piece switched off.

The replicates of runs of the same cases are a pool. Many runs are drawn from it, each until every
case is as sure as it is asked to be, and counted is how many processes that takes. Nothing is
measured: it is the same processes that every reading is made of.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench import stats
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.records import Replicate, undisturbed
from bench.schema.text import percent
from bench.stats.moderation import NOTHING_KNOWN, Prior
from bench.stats.readings import all_spans_s, call_over_rest

DRAWN = 1000
"""Runs of each kind."""

MOST = 200
"""Replicates of a case, after which it is given up."""

Read = Callable[[Sequence[Replicate]], list[float]]


def _whole(replicates: Sequence[Replicate]) -> list[float]:
    return stats.log_ratios([replicate.rounds_s for replicate in replicates])


def _in_rounds(replicates: Sequence[Replicate]) -> list[float]:
    return stats.cost_log_ratios([stats.Calls(r.rounds_s, r.spans_s) for r in replicates])


def _means(replicates: Sequence[Replicate]) -> list[float]:
    return [_mean(replicate) for replicate in replicates]


def _mean(replicate: Replicate) -> float:
    if not stats.is_split([replicate]):
        panet, *fpn = (np.log(replicate.rounds_s[arm]) for arm in ("panet", "fpn", "fpn_again"))
        return float(np.mean(panet) - np.mean(fpn))
    return float(np.mean(call_over_rest(all_spans_s(replicate, stats.PART))))


@dataclass(frozen=True)
class Way:
    """How a run is measured."""

    read: Read = stats.cost_log_ratios
    """The logarithm of the cost, one per replicate."""
    together: bool = True
    """Whether the cases tell each other's spread."""
    stops: bool = True
    """Whether a case ends when it is sure; otherwise all get the same number."""


WAYS: Mapping[str, Way] = {
    "as it is": Way(),
    "without marks: whole calls by turns": Way(read=_whole),
    "without the calls behind the rounds": Way(read=_in_rounds),
    "the mean of a process's calls, not their median": Way(read=_means),
    "each case by itself: five replicates first": Way(together=False),
    "as many replicates for every case": Way(stops=False),
}


def page(folders: Sequence[Path], half_width: float) -> str:
    """Return the table of what every way takes.

    Args:
        folders: of runs of the same cases.
        half_width: that every case is to be known to, relative.

    Raises:
        BenchError: a run cannot be read, or no case has three replicates in two of them.
    """
    pool = _pool(folders)
    usual = _Drawn(pool, WAYS["as it is"], half_width)
    each = round(np.median(usual.replicates) / len(pool))
    rows = []
    for name, way in WAYS.items():
        drawn = usual if way == usual.way else _Drawn(pool, way, half_width, fixed=each)
        low, middle, high = np.quantile(drawn.replicates, (0.05, 0.5, 0.95))
        rows.append(
            [
                name,
                f"{middle:.0f} ({low:.0f} to {high:.0f})",
                f"{np.median(drawn.seconds):.0f}",
                percent(float(np.mean(drawn.sure)), 0),
                percent(drawn.held, 1),
            ]
        )
    counted = sum(len(of_run) for runs in pool.values() for of_run in runs)
    headers = ["", "replicates", "seconds", "every case sure", "95 % intervals that hold"]
    return (
        f"{len(folders)} runs, {len(pool)} cases, {counted} replicates; {DRAWN} runs drawn for "
        f"±{percent(half_width, 1)} of every case; in brackets nine runs of ten.\n\n"
        f"{tabulate(rows, headers, tablefmt='github', disable_numparse=True)}\n"
    )


Pool = Mapping[str, Sequence[Sequence[Replicate]]]
"""Case -> of every run its replicates that count."""


def _pool(folders: Sequence[Path]) -> Pool:
    pool: dict[str, list[Sequence[Replicate]]] = {}
    for folder in folders:
        for case_id, replicates in journal.read(folder).replicates.items():
            counted = undisturbed(replicates)
            if len(counted) >= stats.MIN_FOR_INTERVAL:
                pool.setdefault(case_id, []).append(counted)
    several = {case_id: runs for case_id, runs in pool.items() if len(runs) > 1}
    if not several:
        raise BenchError("no case has three replicates in two of the runs; name more runs")
    return several


class _Drawn:
    """Runs that are drawn from the pool and measured in one way."""

    def __init__(self, pool: Pool, way: Way, half_width: float, fixed: int = 0) -> None:
        self.way = way
        self.replicates: list[int] = []
        """In a run."""
        self.seconds: list[float] = []
        self.sure: list[bool] = []
        """Whether every case is."""
        generator = np.random.default_rng(0)
        known = [_within_runs(way.read, runs) for runs in pool.values()]
        elapsed_s = [np.mean([r.elapsed_s for run in runs for r in run]) for runs in pool.values()]
        hits = []
        for _ in range(DRAWN):
            runs = [generator.choice(values, MOST).tolist() for values in known]
            prior = stats.first_stage_prior(runs) if way.together else NOTHING_KNOWN
            counts = [_until(v, half_width, prior) if way.stops else fixed for v in runs]
            found = [
                stats.stein_interval(values[:count], prior)
                for values, count in zip(runs, counts, strict=True)
            ]
            halves = [one.half_width or math.inf for one in found]
            means = [float(np.mean(values)) for values in known]
            hits += [
                abs(one.value - mean) <= half
                for one, mean, half in zip(found, means, halves, strict=True)
            ]
            self.replicates.append(sum(counts))
            self.seconds.append(float(np.dot(counts, elapsed_s)))
            left = [
                stats.left_for_replicates(v[:n], half_width)
                for v, n in zip(runs, counts, strict=True)
            ]
            self.sure.append(all(half <= most for half, most in zip(halves, left, strict=True)))
        self.held = float(np.mean(hits))


def _within_runs(read: Read, runs: Sequence[Sequence[Replicate]]) -> stats.Floats:
    """Return the replicates of a case as if of one run: what runs differ by is taken out."""
    logs = [np.asarray(read(replicates)) for replicates in runs]
    centre = np.mean([values.mean() for values in logs])
    return np.concatenate(
        [centre + (v - v.mean()) * math.sqrt(len(v) / (len(v) - 1)) for v in logs]
    )


def _until(values: Sequence[float], half_width: float, prior: Prior) -> int:
    """Return with how many replicates a case ends."""
    count = stats.first_stage(prior)
    while count < MOST:
        needed = stats.replicates_needed(values[:count], half_width, prior)
        if needed is None or needed <= count:
            return count
        count += 1
    return MOST
