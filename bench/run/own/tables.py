"""The table of an answer: what adds up to a call, or arms beside each other."""

from collections.abc import Sequence

from tabulate import tabulate

from bench.run.own.numbers import change, count, ms, plus_minus, share, signed_milliseconds, size
from bench.run.own.request import Kind, Request
from bench.run.own.result import CaseAnswer
from bench.schema.records import ArmFacts
from bench.stats.parts import PartTime
from bench.workload.part_tally import PartFacts

COLUMNS = 100
"""Of a table; the names get what the numbers leave, and of a longer one the end is shown."""

SHORTEST_NAME = 12


def table(request: Request, parts: Sequence[str], case: CaseAnswer) -> str:
    """Return the table of a case."""
    if request.kind is Kind.NETWORKS:
        return _of_networks(request, case)
    tables = [
        _of_parts(request, parts, case, arm)
        for arm in (request.base, *request.others)
        if arm in case.insides
    ]
    return "\n\n".join(tables)


def _of_parts(request: Request, parts: Sequence[str], case: CaseAnswer, arm: str) -> str:
    inside, look = case.insides[arm], case.looks.get(arm)
    rows = [
        _row(part, inside.parts[part], look.parts.get(part) if look else None)
        for part in parts
        if part in inside.parts
    ]
    rows.append(_row("rest", inside.rest, None))
    facts = case.result.finding.facts.get(arm) if case.result.finding else None
    call = [f"{ms(inside.call_s.value)} {plus_minus(inside.call_s)}", "100.0 %", ""]
    noise = change(case.besides[request.again].ratio) if request.again in case.besides else ""
    rows.append(["call", *call, noise if arm == request.base else "", *_counted(facts)])
    head = "part" if arm == request.base else f"with {request.typed[arm]}"
    heads = [head, "ms per call", "of the call", "cost ratio", "A/A"]
    return _tabulated(rows, [*heads, "MACs", "params", "peak"])


def _row(name: str, found: PartTime, facts: PartFacts | None) -> list[str]:
    ratio = "" if found.ratio is None else f"{found.ratio.value:.3f} {plus_minus(found.ratio)}"
    time = f"{ms(found.time_s.value)} {plus_minus(found.time_s)}"
    noise = "" if found.ratio is None else change(found.aa_ratio)
    return [name, time, share(found.share), ratio, noise, *_counted(facts)]


def _of_networks(request: Request, case: CaseAnswer) -> str:
    facts = case.result.finding.facts if case.result.finding else {}
    rows = []
    for arm in (request.base, *request.others, request.again):
        found = case.besides.get(arm)
        beside = ["", "", ""]
        if found is not None:
            call = f"{ms(found.call_s.value)} {plus_minus(found.call_s)}"
            beside = [call, change(found.ratio), signed_milliseconds(found.difference_s)]
        rows.append([arm, *beside, *_counted(facts.get(arm))])
    if case.base_s is not None:
        rows[0][1] = f"{ms(case.base_s.value)} {plus_minus(case.base_s)}"
    heads = ["network", "ms per call", "over the base", "adds"]
    return _tabulated(rows, [*heads, "MACs", "params", "peak"])


def _counted(facts: PartFacts | ArmFacts | None) -> list[str]:
    if facts is None:
        return ["", "", ""]
    return [count(facts.macs), count(facts.params), size(facts.peak_bytes)]


def _tabulated(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    align = ("left", *["right"] * (len(heads) - 1))
    columns = list(zip(heads, *rows, strict=True))[1:]
    left = COLUMNS - sum(max(map(len, column)) + 2 for column in columns)
    rows = [[_short(name, max(SHORTEST_NAME, left)), *cells] for name, *cells in (heads, *rows)]
    return tabulate(rows[1:], rows[0], tablefmt="simple", disable_numparse=True, colalign=align)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"...{name[3 - most :]}"
