"""The answer as rows: of every case and network the parts, the rest, and the call."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.run.own.request import Kind
from bench.run.own.result import Answer, CaseAnswer
from bench.schema.case import AXES, OF_OURS
from bench.stats.intervals import Estimate
from bench.stats.parts import PartTime

if TYPE_CHECKING:
    import pandas as pd

REST, CALL = "rest", "call"
"""What is in no part, and all of it: rows beside those of the parts."""

COUNTED = ("macs", "params", "peak_bytes")


def frame(answer: Answer) -> "pd.DataFrame":
    """Return the answer as a frame, in seconds and bytes.

    Columns: the axes of the case; ``status``; ``network``, by its name, and ``part``, its path,
    ``rest`` or ``call``; with ``_low`` and ``_high`` of their 95 % intervals ``time_s``, ``share``
    (of the call), ``ratio`` (of a part: the call over the call without it; of a call: over that of
    the base) and ``difference_s`` (to the base's); ``macs``, ``params`` and ``peak_bytes``;
    ``stage`` where a part is one of `panet`.
    """
    import pandas as pd

    rows = [{**_of_case(case), **row} for case in answer.cases for row in rows_of(answer, case)]
    return pd.DataFrame(rows).convert_dtypes()


def rows_of(answer: Answer, case: CaseAnswer) -> Iterator[dict[str, Any]]:
    """Yield the rows of a case, without what they have in common."""
    request = answer.request
    networks = [arm for arm in request.arms if request.kind is Kind.NETWORKS or arm in case.insides]
    for arm in networks:
        name = arm if request.kind is Kind.NETWORKS else request.typed[arm]
        inside = case.insides.get(arm)
        if inside is not None:
            for part, of in inside.parts.items():
                yield {"network": name, "part": part, **_of_part(of), **_counted(case, arm, part)}
            yield {"network": name, "part": REST, **_of_part(inside.rest)}
        yield {"network": name, "part": CALL, **_of_call(case, arm), **_counted(case, arm, "")}


def _of_case(case: CaseAnswer) -> dict[str, Any]:
    values = vars(case.result.case)
    axes = {name: values[name] for axis in AXES for name in axis.fields if name not in OF_OURS}
    return {**axes, "status": str(case.result.status)}


def _of_part(of: PartTime) -> dict[str, Any]:
    return {
        **_ends("time_s", of.time_s),
        **_ends("share", of.share),
        **_ends("ratio", of.ratio),
    }


def _of_call(case: CaseAnswer, arm: str) -> dict[str, Any]:
    inside, beside = case.insides.get(arm), case.besides.get(arm)
    call_s = inside.call_s if inside else beside.call_s if beside else case.base_s
    return {
        **_ends("time_s", call_s),
        **({"share": 1.0} if inside else {}),
        **_ends("ratio", beside.ratio if beside else None),
        **_ends("difference_s", beside.difference_s if beside else None),
    }


def _counted(case: CaseAnswer, arm: str, part: str) -> dict[str, Any]:
    look = case.looks.get(arm)
    if part:
        seen = look.parts.get(part) if look else None
        if seen is None:
            return {}
        counted = {name: getattr(seen, name) for name in COUNTED}
        return counted | ({"stage": seen.stage} if seen.stage else {})
    facts = case.result.finding.facts.get(arm) if case.result.finding else None
    return {name: getattr(facts, name, None) for name in COUNTED}


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    ends = ("value", "low", "high")
    known = {end: None if estimate is None else getattr(estimate, end) for end in ends}
    return {name: known["value"], f"{name}_low": known["low"], f"{name}_high": known["high"]}
