"""What the parts of any network take inside its calls, and what another module in a place changes.

As in `bench.stats.readings` the unit is the replicate, and everything is first read within it. The
calls of an arm are split around the parts that were asked for, and what is left is the rest. A part
takes its share of the call, in which the machine's speed cancels, times the call; so shares and
times add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.stats.intervals import (
    Estimate,
    Floats,
    relative_intervals,
    stein_ratios,
    stein_shares,
)
from bench.stats.readings import Timed, all_spans_s, centre, part_s

REST = ""
"""Its name, where those of the parts are."""

LEAST_REST = 1e-6
"""Of a call: two readings of a clock may be equal, and the logarithm of nothing is no number."""


@dataclass(frozen=True)
class PartTime:
    """What a part takes in a call."""

    time_s: Estimate
    share: Estimate
    """Of the call."""
    ratio: Estimate | None
    """Inside: the call over the call without it; `None` of the rest."""
    aa_ratio: Estimate | None
    """The same part in the A/A arm, over itself: the noise. `None` where that is not known."""
    called: float
    """Share of the calls in which it was called at all."""


@dataclass(frozen=True)
class Inside:
    """What is inside the calls of an arm."""

    replicates: int
    calls: int
    call_s: Estimate
    parts: dict[str, PartTime]
    rest: PartTime


def inside_logs(replicates: Sequence[Timed], arm: str, part: str) -> list[float]:
    """Return log(call / call without the part) per replicate, of all calls of an arm.

    Of a part that is not called in every call they are those of the mean call.
    """
    logs = []
    for replicate in replicates:
        call_s, own_s = _call_and_part(replicate, arm, part)
        rest_s = rest_of(call_s, own_s)
        if own_s.min() > 0:
            logs.append(centre(np.log(call_s / rest_s)))
        else:
            logs.append(float(np.log(call_s.mean() / rest_s.mean())))
    return logs


def insides(
    cases: Sequence[Sequence[Timed]], arm: str, parts: Sequence[str], again: str
) -> list[Inside | None]:
    """Return what is inside the calls of an arm, case by case; `None` without replicates.

    Args:
        cases: the replicates of each.
        arm: whose calls are split.
        parts: their stages, none inside another.
        again: the A/A arm, which is split, too; empty: there is none.
    """
    divided = [[call_and_shares(one, arm, parts) for one in replicates] for replicates in cases]
    calls = [[call_s for call_s, _ in case] for case in divided]
    scales = [float(np.mean(of)) if of else 1.0 for of in calls]
    call_s = relative_intervals(calls, scales)
    ones = [1.0] * len(cases)

    def times(name: str) -> list[Estimate | None]:
        return relative_intervals([[s * of[name] for s, of in case] for case in divided], scales)

    def shares(name: str) -> list[Estimate | None]:
        return stein_shares([[of[name] for _, of in case] for case in divided], ones)

    columns = {
        part: list(
            zip(
                times(part),
                shares(part),
                stein_ratios([inside_logs(case, arm, part) for case in cases]),
                stein_ratios([_again_logs(case, arm, part, again) for case in cases]),
                [_called(case, arm, part) for case in cases],
                strict=True,
            )
        )
        for part in parts
    }
    rests = list(zip(times(REST), shares(REST), strict=True))
    found: list[Inside | None] = []
    for i, replicates in enumerate(cases):
        whole, (rest_s, rest) = call_s[i], rests[i]
        if whole is None or rest_s is None or rest is None:
            found.append(None)
            continue
        rows = {}
        for part in parts:
            time_s, share, ratio, aa_ratio, called = columns[part][i]
            if time_s is not None and share is not None:
                rows[part] = PartTime(time_s, share, ratio, aa_ratio, called)
        count = sum(len(_call_s(one, arm)) for one in replicates)
        around = PartTime(rest_s, rest, None, None, 1.0)
        found.append(Inside(len(replicates), count, whole, rows, around))
    return found


def call_and_shares(
    replicate: Timed, arm: str, parts: Sequence[str]
) -> tuple[float, dict[str, float]]:
    """Return the seconds of a call and how it is shared by the parts and the `REST`, to the whole.

    Medians over calls; means where a part is not called in every call.
    """
    call_s = _call_s(replicate, arm)
    own = {part: _call_and_part(replicate, arm, part)[1] for part in parts}
    own[REST] = call_s - np.sum([*own.values()], axis=0)
    if any(own[part].min() <= 0 < own[part].max() for part in parts):
        middle = float(call_s.mean())
        shares = {name: float(seconds.mean()) / middle for name, seconds in own.items()}
    else:
        middle = centre(call_s)
        shares = {name: centre(seconds / call_s) for name, seconds in own.items()}
    total = sum(shares.values())  # medians add up to about 1
    return middle, {name: share / total for name, share in shares.items()}


def rest_of(call_s: Floats, own_s: Floats) -> Floats:
    """Return the calls without a part, which are never nothing."""
    return np.maximum(call_s - own_s, LEAST_REST * call_s)


def part_in_rounds(replicate: Timed, arm: str, part: str = "") -> tuple[Floats, Floats]:
    """Return the seconds of the calls of the rounds, and of the part in them."""
    spans_s = replicate.spans_s[arm]
    call_s = np.sum([np.asarray(span, float) for span in spans_s.values()], axis=0)
    return call_s, np.zeros_like(call_s) + part_s(spans_s, part)


def _call_s(replicate: Timed, arm: str) -> Floats:
    return np.asarray(np.sum([*all_spans_s(replicate, arm).values()], axis=0))


def _call_and_part(replicate: Timed, arm: str, part: str) -> tuple[Floats, Floats]:
    call_s = _call_s(replicate, arm)
    return call_s, np.zeros_like(call_s) + part_s(all_spans_s(replicate, arm), part)


def _called(replicates: Sequence[Timed], arm: str, part: str) -> float:
    calls = [_call_and_part(one, arm, part)[1] > 0 for one in replicates]
    return float(np.mean(np.concatenate(calls))) if calls else 0.0


def _again_logs(replicates: Sequence[Timed], arm: str, part: str, again: str) -> list[float]:
    """Return log(the part in the A/A arm / the part) per replicate that has rounds of both."""
    if not again:
        return []
    logs = []
    for replicate in replicates:
        if not len(replicate.rounds_s[arm]):
            continue
        (_, once_s), (_, twice_s) = (part_in_rounds(replicate, name, part) for name in (arm, again))
        both = (once_s > 0) & (twice_s > 0)
        if both.any():
            logs.append(centre(np.log(twice_s[both] / once_s[both])))
    return logs
