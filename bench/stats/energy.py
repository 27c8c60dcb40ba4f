"""Joules per image from blocks that were run as ABBA, each ABBA in a process of its own.

The unit is the process, as it is of times. In the ratio within an ABBA an even drift cancels; A/A
is the second block of an arm over its first, which has the drift in it.
"""

import math
import statistics
from collections.abc import Iterator, Sequence

from bench.schema.energy import CaseEnergy, EnergyReplicate
from bench.schema.recipe import TRACED_ARMS
from bench.schema.text import UNKNOWN, change, counted, figure, percent
from bench.stats.intervals import Estimate, t_interval, t_ratio

HEADS = ("network", "J per image", "over fpn", "A/A", "W", "GHz", "°C")


def image_j(replicates: Sequence[EnergyReplicate], arm: str) -> Estimate:
    """Return the joules per image of an arm."""
    turns = [one.of(arm) for one in replicates]
    return t_interval([sum(b.joules for b in of) / sum(b.images for b in of) for of in turns])


def ratio(replicates: Sequence[EnergyReplicate], arm: str, base: str) -> Estimate:
    """Return the joules per image of an arm over those of another one."""
    return t_ratio([sum(_logs(one, arm)) / 2 - sum(_logs(one, base)) / 2 for one in replicates])


def aa_ratio(replicates: Sequence[EnergyReplicate], arm: str) -> Estimate:
    """Return the joules per image of an arm's second block over those of its first."""
    return t_ratio([second - first for first, second in (_logs(one, arm) for one in replicates)])


def _logs(replicate: EnergyReplicate, arm: str) -> list[float]:
    return [math.log(block.joules / block.images) for block in replicate.of(arm)]


def shown(case: CaseEnergy) -> tuple[str, list[list[str]]]:
    """Return what is known of a case that has replicates: a line, and rows under `HEADS`."""
    used = case.used
    idle = [[b.joules / b.elapsed_s for b in one.of("")] for one in used]
    before, after = (_mean(watts) for watts in zip(*idle, strict=True))
    limit = _mean([block.power_limit_w for one in used for block in one.blocks])
    line = (
        f"{case.case_id} by {used[0].method}: processes {len(used)} of {len(case.replicates)}; "
        f"idle {before} W before, {after} W after; power limit {limit} W"
    )
    return line, [_row(used, arm, base="fpn") for arm in TRACED_ARMS]


def _row(used: Sequence[EnergyReplicate], arm: str, base: str) -> list[str]:
    each_j, over, aa = image_j(used, arm), ratio(used, arm, base), aa_ratio(used, arm)
    blocks = [block for one in used for block in one.of(arm)]
    return [
        arm,
        f"{figure(each_j.value)}{_half(each_j)}",
        "" if arm == base else f"{over.value:.3f}{_half(over)}",
        change(aa.value, aa.low, aa.high),
        _mean([block.joules / block.elapsed_s for block in blocks]),
        _mean([block.clock_hz and block.clock_hz / 1e9 for block in blocks], digits=2),
        _mean([block.temperature_c for block in blocks], digits=0),
    ]


def _half(found: Estimate) -> str:
    return "" if found.half_width is None else f" ±{percent(found.half_width_ratio)}"


def _mean(values: Sequence[float | None], digits: int = 1) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.{digits}f}" if known else UNKNOWN


def reasons(cases: Sequence[CaseEnergy]) -> Iterator[str]:
    """Yield why not all is known, a line per reason."""
    found = [(case.status, case.reason) for case in cases if case.reason]
    for status, reason in dict.fromkeys(found):
        yield f"{counted(found.count((status, reason)), 'case')} {status}: {reason}"
