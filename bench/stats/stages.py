"""What became of the stages of a call, from the rounds of replicates.

Head and base are split by marks, and stages are matched by name. A change that is lost in the noise
of whole calls is large beside the stage that it sits in, and most noise is not in that stage: so
the gate (`bench.stats.sequential`) looks at stages as well as at whole calls.

What is matched and large enough is a row; everything else of a call is one more row, ``other``: so
the rows of a case add up to its calls, and code that moves from one stage to another, or into one
that has no partner, cancels in the sum of what changed.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.schema.records import OTHER
from bench.stats.intervals import Floats
from bench.stats.readings import Contrast, Timed

MIN_SHARE = 0.005
"""Of a call: what is smaller on both sides is no row of its own. It is as long as the marks around
it take to read, and every further row needs more evidence of all of them."""

Spans = Mapping[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class CaseStages:
    """The stages of a case that both sides have."""

    names: tuple[str, ...] = ()
    """In the order of a call; none where calls are not split."""
    log_ratios: Floats = field(default_factory=lambda: np.empty((0, 0)))
    """(stages, replicates), head over base."""
    of_call: Floats = field(default_factory=lambda: np.empty((0, 0)))
    """(stages, replicates), head - base as a share of the base's call."""
    unmatched: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """``base`` or ``head`` -> stages that only this side has; they are in the row ``other``."""


@dataclass(frozen=True, eq=False)
class StagesOfAll:
    """The stages that all of several cases have."""

    names: tuple[str, ...] = ()
    log_ratios: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))
    """(cases, stages, replicates), as far as the case with the fewest."""
    of_call: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))


NO_STAGES = CaseStages()
"""Of calls that are not split: only the whole call is looked at."""


def stages_between(replicates: Sequence[Timed], contrast: Contrast) -> CaseStages:
    """Return what became of every stage, per replicate, as `log_ratios` does of whole calls.

    Which stages are rows is decided by the first replicate, so that later looks have the same ones.

    Args:
        replicates: in the order of measuring.
        contrast: several arms of a side are turns of the same network.
    """
    arms = (*contrast.arms, *contrast.baselines)
    if not replicates or not all(r.spans_s.get(arm) for r in replicates for arm in arms):
        return NO_STAGES
    first = replicates[0]
    base, head = (_shares(first, side) for side in (contrast.baselines, contrast.arms))
    unmatched = {"base": _missing(base, head), "head": _missing(head, base)}
    unmatched = {side: names for side, names in unmatched.items() if names}
    spans = [replicate.spans_s[arm] for replicate in replicates for arm in arms]
    large = [n for n in base if n != OTHER and max(base[n], head.get(n, 0.0)) >= MIN_SHARE]
    rows = [name for name in large if all(min(of.get(name, (0.0,))) > 0 for of in spans)]
    with_other = max(_rest(side, rows) for side in (base, head)) >= MIN_SHARE
    if with_other and not all(_rest_s(of, rows).min() > 0 for of in spans):
        return CaseStages(unmatched=unmatched)  # a part of the call that cannot be compared
    kept = len(rows) + with_other
    changes = [_changes(replicate, contrast, rows) for replicate in replicates]
    return CaseStages(
        (*rows, OTHER)[:kept],
        np.array([log_ratios[:kept] for log_ratios, _ in changes]).T,
        np.array([of_call[:kept] for _, of_call in changes]).T,
        unmatched,
    )


def stages_of_all(cases: Sequence[CaseStages]) -> StagesOfAll:
    """Return the stages that all cases have whose calls are split; none of fewer than two cases."""
    split = [case for case in cases if case.names]
    if len(split) < 2:
        return StagesOfAll()
    names = [name for name in split[0].names if all(name in case.names for case in split)]
    shortest = min(case.log_ratios.shape[1] for case in split)
    places = [[case.names.index(name) for name in names] for case in split]
    pairs = list(zip(split, places, strict=True))
    return StagesOfAll(
        tuple(names),
        np.array([case.log_ratios[at, :shortest] for case, at in pairs]),
        np.array([case.of_call[at, :shortest] for case, at in pairs]),
    )


def _changes(replicate: Timed, contrast: Contrast, rows: Sequence[str]) -> tuple[Floats, Floats]:
    """Return log ratios and changes of a call, of the rows and the rest of a replicate's calls."""
    seconds = {
        arm: _seconds(replicate.spans_s[arm], rows) for arm in (*contrast.arms, *contrast.baselines)
    }
    pairs = [
        (seconds[a], seconds[b]) for a, b in itertools.product(contrast.arms, contrast.baselines)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):  # of a rest that nobody looks at
        log_ratios = np.concatenate([np.log(head / base) for head, base in pairs], axis=1)
    of_call = np.concatenate([(head - base) / base.sum(axis=0) for head, base in pairs], axis=1)
    return np.median(log_ratios, axis=1), np.median(of_call, axis=1)


def _seconds(spans_s: Spans, rows: Sequence[str]) -> Floats:
    """Return (rows + 1, rounds) seconds; the last row is what is in no other."""
    return np.array([*(spans_s[name] for name in rows), _rest_s(spans_s, rows)], float)


def _rest_s(spans_s: Spans, rows: Sequence[str]) -> Floats:
    rest = [spans_s[name] for name in spans_s if name not in rows]
    rounds = len(next(iter(spans_s.values())))
    return np.asarray(np.array(rest, float).reshape(-1, rounds).sum(axis=0))


def _shares(replicate: Timed, arms: Sequence[str]) -> dict[str, float]:
    """Return each stage's share of a side's calls, in the order of a call."""
    sums: dict[str, float] = {}
    for arm in arms:
        for name, seconds in replicate.spans_s[arm].items():
            sums[name] = sums.get(name, 0.0) + float(np.median(seconds))
    return {name: seconds / sum(sums.values()) for name, seconds in sums.items()}


def _rest(shares: Mapping[str, float], rows: Sequence[str]) -> float:
    return sum(share for name, share in shares.items() if name not in rows)


def _missing(there: Mapping[str, float], here: Mapping[str, float]) -> tuple[str, ...]:
    """Return the stages of a side that the other has not, and that are large enough to be told."""
    return tuple(name for name, share in there.items() if name not in here and share >= MIN_SHARE)
