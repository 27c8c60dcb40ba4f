"""What one replicate says: its rounds and spans, reduced to one number each.

The unit is the replicate: one process, in a run from a server of its own. Rounds of one process are
not independent, so they are reduced to one number (`centre`) and never pooled.

There are two readings of one cost. *Inside* a call of FPN + PANet, from its spans: the call over
the same call without the bottom-up path's part. The machine's speed is in both and cancels, so this
one leads where calls are split by marks. *Whole calls* that take turns: FPN + PANet over FPN. What
is between them is the *residual*: the rest beside the part over the rest without it, which is what
PANet does to what is around it (caches, memory). Round by round, whole = inside x residual.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bench.stats.intervals import Floats

Rounds = Mapping[str, Sequence[float]]
Spans = Mapping[str, Mapping[str, Sequence[float]]]

PART = "panet"
"""The part whose cost is asked: of a network, and what the names of its stages begin with."""


class Timed(Protocol):
    """The rounds of one replicate: `bench.schema.records.Replicate`, or `Calls`."""

    @property
    def rounds_s(self) -> Rounds:
        """Arm -> seconds of a call, aligned round by round."""

    @property
    def spans_s(self) -> Spans:
        """Arm -> stage -> seconds of it, of arms whose calls are split."""

    @property
    def more_spans_s(self) -> Spans:
        """The same of calls behind the rounds."""


@dataclass(frozen=True)
class Calls:
    """The rounds of one replicate, as they are read from a result file."""

    rounds_s: Rounds
    spans_s: Spans = field(default_factory=dict)
    more_spans_s: Spans = field(default_factory=dict)


@dataclass(frozen=True)
class Contrast:
    """Which arms are compared with which; several arms of a side are turns of the same network."""

    arms: tuple[str, ...]
    baselines: tuple[str, ...]


COST = Contrast((PART,), ("fpn", "fpn_again"))
"""Both turns of FPN are the baseline: a third less variance than with one of them (measured)."""

NOISE = Contrast(("fpn_again",), ("fpn",))
"""The same network twice: the A/A ratio."""


def is_split(replicates: Sequence[Timed], arm: str = PART) -> bool:
    """Return whether the calls of an arm with the part were split in every replicate."""
    return all(_of_part(replicate.spans_s.get(arm, ())) for replicate in replicates)


def cost_log_ratios(replicates: Sequence[Timed]) -> list[float]:
    """Return the logarithm of the cost per replicate: inside the calls, where they are split."""
    if replicates and is_split(replicates):
        return inside_log_ratios(replicates)
    return log_ratios([replicate.rounds_s for replicate in replicates])


def inside_log_ratios(replicates: Sequence[Timed], arm: str = PART) -> list[float]:
    """Return log(1 + part / rest) per replicate, from the spans of all calls of an arm."""
    return [centre(call_over_rest(all_spans_s(replicate, arm))) for replicate in replicates]


def call_over_rest(spans_s: Mapping[str, Sequence[float] | Floats]) -> Floats:
    """Return log(1 + part / rest), call by call."""
    call_s = np.sum([np.asarray(span_s, float) for span_s in spans_s.values()], axis=0)
    return np.asarray(np.log(call_s / (call_s - part_s(spans_s))))


def residuals(replicates: Sequence[Timed]) -> list[float]:
    """Return log(rest beside the part / rest without it) per replicate.

    The rest without the part are the calls of the baselines, which took their turn in each round.
    """
    logs = []
    for replicate in replicates:
        rest_s = np.asarray(replicate.rounds_s[PART], float) - part_s(replicate.spans_s[PART])
        without = [np.asarray(replicate.rounds_s[name], float) for name in COST.baselines]
        logs.append(centre(np.concatenate([np.log(rest_s / alone) for alone in without])))
    return logs


def all_spans_s(replicate: Timed, arm: str) -> dict[str, Floats]:
    """Return the spans of an arm in all its calls: stage -> seconds, those of the rounds first."""
    more = replicate.more_spans_s.get(arm, {})
    return {s: np.array([*x, *more.get(s, ())], float) for s, x in replicate.spans_s[arm].items()}


def part_s(spans_s: Mapping[str, Sequence[float] | Floats], part: str = PART) -> Floats:
    """Return the seconds of a part, call by call."""
    found = [np.asarray(spans_s[stage], float) for stage in _of_part(spans_s, part)]
    return np.asarray(np.sum(found, axis=0))


def _of_part(stages: Iterable[str], part: str = PART) -> list[str]:
    """Return which stages are a part's: they begin with its name."""
    return [stage for stage in stages if stage == part or stage.startswith(f"{part} ")]


def centre(values: Sequence[float] | Floats) -> float:
    """Return the one number that stands for the rounds of a replicate: their median.

    The same value as `numpy.median`, which has much to do before it looks at a few rounds.
    """
    ordered = np.sort(values, axis=None)
    if not len(ordered) or math.isnan(ordered[-1]):
        return float(np.median(values))
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return float((ordered[middle - 1] + ordered[middle]) / 2)


def log_ratio(rounds: Rounds, contrast: Contrast = COST) -> float:
    """Return the median over rounds of log(arm / baseline); within a round drift cancels."""
    return log_ratios([rounds], contrast)[0]


def difference_s(rounds: Rounds, contrast: Contrast = COST) -> float:
    """Return the median over rounds of arm - baseline, in seconds."""
    return _medians_of([rounds], contrast, np.subtract)[0]


def log_ratios(replicates: Sequence[Rounds], contrast: Contrast = COST) -> list[float]:
    """Return the `log_ratio` of every replicate."""
    return _medians_of(replicates, contrast, lambda arm, baseline: np.log(arm / baseline))


def _medians_of(
    replicates: Sequence[Rounds], contrast: Contrast, compare: Callable[[Floats, Floats], Floats]
) -> list[float]:
    """Return the medians over rounds of arms against baselines, one per replicate."""
    if len({len(rounds[contrast.arms[0]]) for rounds in replicates}) != 1:  # or there are none
        return [_medians_of([rounds], contrast, compare)[0] for rounds in replicates]
    names = (*contrast.arms, *contrast.baselines)
    seconds = {name: np.array([rounds[name] for rounds in replicates], float) for name in names}
    pairs = itertools.product(contrast.arms, contrast.baselines)
    compared = [compare(seconds[arm], seconds[baseline]) for arm, baseline in pairs]
    medians: list[float] = np.median(np.concatenate(compared, axis=1), axis=1).tolist()
    return medians
