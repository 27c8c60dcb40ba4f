"""What other programs do to the cost: replicates beside a load against those without.

Trials of all loads take turns, so drift cancels. Pure functions of the trials' replicates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench import stats
from bench.schema.records import Replicate
from bench.selftest import trials
from bench.selftest.background_load import NONE
from bench.selftest.trials import MeasuredTrial
from bench.stats import Estimate

KEPT, THROWN_AWAY = "kept", "contended"


@dataclass(frozen=True)
class Bias:
    """By how much a reading of the cost is off, as a difference of logarithms."""

    mean: Estimate
    """Over the cases, which are the sample."""
    worst: float
    """Of a case, with its sign."""


@dataclass(frozen=True)
class BesideLoad:
    """What a load does to the replicates that are kept, or to those that are thrown away."""

    load: str
    threads: int
    judged: str
    """`KEPT` or `THROWN_AWAY`."""
    replicates: int
    inside: Bias | None
    """Of the cost read inside the calls; `None`: too few cases have such replicates."""
    whole: Bias | None
    """The same of whole calls that take turns."""


def beside_loads(by_setup: Mapping[str, Sequence[MeasuredTrial]]) -> tuple[BesideLoad, ...]:
    """Return what each load does, against the trials of as many threads without one."""
    calm = {m[0].trial.threads: m for m in by_setup.values() if m[0].trial.load == NONE}
    return tuple(
        _beside(measured, calm[measured[0].trial.threads], contended=contended)
        for measured in by_setup.values()
        if measured[0].trial.load != NONE and measured[0].trial.threads in calm
        for contended in (False, True)
    )


def _beside(
    measured: Sequence[MeasuredTrial], calm: Sequence[MeasuredTrial], *, contended: bool
) -> BesideLoad:
    inside, whole, replicates = [], [], 0
    for case_id in measured[0].cases:
        own = _replicates(measured, case_id, contended=contended)
        without = _replicates(calm, case_id, contended=False)
        replicates += len(own)
        if not own or not without:
            continue
        whole.append(_whole(own) - _whole(without))
        if stats.is_split([*own, *without], trials.BASE):
            inside.append(_inside(own) - _inside(without))
    first = measured[0].trial
    judged = THROWN_AWAY if contended else KEPT
    return BesideLoad(first.load, first.threads, judged, replicates, _bias(inside), _bias(whole))


def _replicates(
    measured: Iterable[MeasuredTrial], case_id: str, *, contended: bool
) -> list[Replicate]:
    """Return those of a case; of those that are kept only the rounds that nothing disturbed."""
    found = [r for m in measured for r in m.replicates.get(case_id, ()) if r.contended == contended]
    return found if contended else [replicate.undisturbed for replicate in found]


def _inside(replicates: Sequence[Replicate]) -> float:
    return float(np.mean(stats.inside_log_ratios(replicates, trials.BASE)))


def _whole(replicates: Sequence[Replicate]) -> float:
    values = stats.log_ratios([replicate.rounds_s for replicate in replicates], trials.COST)
    return float(np.mean(values))


def _bias(of_cases: Sequence[float]) -> Bias | None:
    if len(of_cases) < stats.MIN_FOR_INTERVAL:
        return None
    return Bias(stats.t_interval(of_cases), max(of_cases, key=abs))
