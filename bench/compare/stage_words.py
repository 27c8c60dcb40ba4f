"""What became of the stages of a case, in words: of those that both sides have, and of the others.

A stage without a partner is measured as part of the row ``other`` (`bench.stats.stages`), which was
almost nothing before: so it is told as what it is, not as a change of that row by thousands of
percent.
"""

import itertools
from collections.abc import Iterable, Sequence

from bench.compare.request import BASE, HEAD
from bench.compare.result import ComparisonResult, Measured
from bench.schema import text
from bench.schema.records import OTHER
from bench.stats.standing import OVERALL
from bench.stats.verdict import StageVerdict

MOST_OF = 0.5
"""Of the change of the row ``other``: stages of one side that make up less do not explain it."""

MICRO_S = 1e-4
"""Below it times are told in microseconds."""


def changes(result: ComparisonResult, name: str) -> list[str]:
    """Return what surely changed in a case, or in all together, a phrase per stage.

    Args:
        result: of the comparison.
        name: of one of `bench.stats.verdict.ComparisonVerdict.by_name`.
    """
    return [_change(result, name, stage) for stage in result.timed.by_name[name].named]


def names(result: ComparisonResult, name: str) -> list[str]:
    """Return the stages that `changes` tells of."""
    found: list[str] = []
    for stage in result.timed.by_name[name].named:
        alone = _one_sided(result, name, stage)
        found += itertools.chain(*alone.values()) if alone else [stage.name]
    return found


def _one_sided(result: ComparisonResult, name: str, stage: StageVerdict) -> dict[str, list[str]]:
    """Return the stages that are the change of a row: ``base`` or ``head`` -> those it alone has.

    Of all rows but ``other`` there are none.
    """
    shares = [_of_call(found) for found in _measured(result, name) if found.one_sided_s]
    of_call = stage.of_call.value
    if stage.name != OTHER or not shares:
        return {}
    explained = sum(shares) / len(shares) / of_call if of_call else 0.0
    if explained < MOST_OF:
        return {}
    found = {side: _of_side(_measured(result, name), side) for side in (BASE, HEAD)}
    return {side: stages for side, stages in found.items() if stages}


def times(first_s: float, second_s: float, between: str) -> str:
    """Return two times in one unit, in which the larger has digits: ``1.20 → 3.00 ms``."""
    told, unit = _in_one_unit((first_s, second_s))
    return f"{between.join(told)} {unit}"


def _in_one_unit(seconds: Sequence[float]) -> tuple[list[str], str]:
    scale, unit, digits = (1e6, "µs", 1) if max(seconds) < MICRO_S else (1e3, "ms", 2)
    return [f"{each * scale:.{digits}f}" for each in seconds], unit


def _change(result: ComparisonResult, name: str, stage: StageVerdict) -> str:
    """Return ``fpn p3 smooth`` +38.0 % ±1.0 % (+1.1 % of a call), or which stage is new."""
    alone = _one_sided(result, name, stage)
    if not alone:
        ratio = text.change(stage.ratio.value, stage.ratio.low, stage.ratio.high)
        return f"`{stage.name}` {ratio} ({_signed(stage.of_call.value)} of a call)"
    cases = [found for found in _measured(result, name) if found.one_sided_s]
    took_s = {side: [_seconds(found, side) for found in cases] for side in alone}
    of_call = _signed(sum(map(_of_call, cases)) / len(cases))
    if len(alone) == 2:
        base_s, head_s = (sum(took_s[side]) / len(cases) for side in (BASE, HEAD))
        told = f"{_quoted(alone[HEAD])} in place of {_quoted(alone[BASE])}"
        return f"{told}: {times(base_s, head_s, ' → ')} ({of_call} of a call)"
    ((side, stages),) = alone.items()
    several = len(stages) > 1
    if side == HEAD:
        what = f"{len(stages)} stages" if several else "a stage"
        told = f"{what} that the base has not, {_quoted(stages)}"
    else:
        told = f"without the base's {'stages' if several else 'stage'} {_quoted(stages)}"
    return f"{told}: {_range(took_s[side])} ({of_call} of a call)"


def _measured(result: ComparisonResult, name: str) -> list[Measured]:
    """Return what was measured of a case, or of every one."""
    names: Iterable[str] = result.timed.cases if name == OVERALL else [name]
    return [result.measured[case_id] for case_id in names if case_id in result.measured]


def _of_side(measured: Sequence[Measured], side: str) -> list[str]:
    return list(dict.fromkeys(itertools.chain(*(m.one_sided_s.get(side, ()) for m in measured))))


def _seconds(found: Measured, side: str) -> float:
    return sum(found.one_sided_s.get(side, {}).values())


def _of_call(found: Measured) -> float:
    """Return what the stages of one side add to a call of the base, as a share of it."""
    return (_seconds(found, HEAD) - _seconds(found, BASE)) / found.latencies_s[BASE]


def _range(seconds: Sequence[float]) -> str:
    """Return what stages take, of several cases from the least to the most."""
    told, unit = _in_one_unit((min(seconds), max(seconds)))
    return f"{' to '.join(dict.fromkeys(told))} {unit}"


def _quoted(stages: Sequence[str]) -> str:
    return text.listed(f"`{stage}`" for stage in stages)


def _signed(share: float) -> str:
    return text.percent(share, 2, signed=True)
