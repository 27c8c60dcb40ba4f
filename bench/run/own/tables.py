"""The tables of an answer: what adds up to a call, or arms beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import MIN_PADDING, tabulate

from bench.run.own.numbers import change, count, ms, plus_minus, share, signed_milliseconds, size
from bench.run.own.request import Kind, Request
from bench.run.own.result import CaseAnswer
from bench.schema import text
from bench.schema.records import ArmFacts
from bench.stats.intervals import Estimate
from bench.stats.parts import PartTime
from bench.workload.part_tally import PartFacts

COLUMNS = 100
"""Of a table; the names get what the numbers leave, and of a longer one the end is shown."""

SHORTEST_NAME = 12

GAP = 2
"""Spaces between two columns."""


@dataclass(frozen=True)
class Table:
    """Cells as texts; the first column has names, the others numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def align(self) -> tuple[str, ...]:
        """Of the columns."""
        return ("left", *["right"] * (len(self.heads) - 1))

    def __str__(self) -> str:
        """Return what fits into a terminal."""
        columns = list(zip(self.heads, *self.rows, strict=True))[1:]
        widths = [max(len(head) + MIN_PADDING, *map(len, cells)) for head, *cells in columns]
        left = max(SHORTEST_NAME, COLUMNS - sum(width + GAP for width in widths) - MIN_PADDING)
        names = {name for name, *_ in self.rows}
        if len({_short(name, left) for name in names}) < len(names):  # rather wider than alike
            left = max(map(len, names))
        shown = [[_short(name, left), *cells] for name, *cells in (self.heads, *self.rows)]
        return tabulate(
            shown[1:], shown[0], tablefmt="simple", disable_numparse=True, colalign=self.align
        )

    def html(self) -> str:
        """Return it as an element of a page."""
        return str(
            tabulate(
                self.rows, self.heads, tablefmt="html", disable_numparse=True, colalign=self.align
            )
        )


def tables(request: Request, parts: Sequence[str], case: CaseAnswer) -> list[Table]:
    """Return the tables of a case."""
    if request.kind is Kind.NETWORKS:
        return [_of_networks(request, case)]
    return [
        _of_parts(request, parts, case, arm)
        for arm in (request.base, *request.others)
        if arm in case.insides
    ]


def _of_parts(request: Request, parts: Sequence[str], case: CaseAnswer, arm: str) -> Table:
    inside, look = case.insides[arm], case.looks.get(arm)
    rows = [
        _row(part, inside.parts[part], look.parts.get(part) if look else None)
        for part in parts
        if part in inside.parts
    ]
    rows.append(_row("rest", inside.rest, None))
    facts = case.result.finding.facts.get(arm) if case.result.finding else None
    noise = case.besides.get(request.again) if arm == request.base else None
    aa = "" if noise is None else change(noise.ratio)
    rows.append(["call", _timed(inside.call_s), text.percent(1.0), "", aa, *_counted(facts)])
    head = "part" if arm == request.base else f"with {request.typed[arm]}"
    heads = [head, "ms", "share", "ratio", "A/A"]
    return Table((*heads, "MACs", "params", "peak"), tuple(map(tuple, rows)))


def _row(name: str, found: PartTime, facts: PartFacts | None) -> list[str]:
    ratio = "" if found.ratio is None else f"{found.ratio.value:.3f}"  # as wide as the share
    aa = "" if found.aa_ratio is None else change(found.aa_ratio)
    return [name, _timed(found.time_s), share(found.share), ratio, aa, *_counted(facts)]


def _timed(estimate: Estimate) -> str:
    return f"{ms(estimate.value)} {plus_minus(estimate)}"


def _of_networks(request: Request, case: CaseAnswer) -> Table:
    facts = case.result.finding.facts if case.result.finding else {}
    rows = []
    for arm in (request.base, *request.others, request.again):
        found = case.besides.get(arm)
        beside = ["", "", ""]
        if found is not None:
            over = change(found.ratio)
            beside = [_timed(found.call_s), over, signed_milliseconds(found.difference_s)]
        rows.append([arm, *beside, *_counted(facts.get(arm))])
    if case.base_s is not None:
        rows[0][1] = _timed(case.base_s)
    heads = ["network", "ms", "over the base", "adds"]
    return Table((*heads, "MACs", "params", "peak"), tuple(map(tuple, rows)))


def _counted(facts: PartFacts | ArmFacts | None) -> list[str]:
    if facts is None:
        return ["", "", ""]
    return [count(facts.macs), count(facts.params), size(facts.peak_bytes)]


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"...{name[3 - most :]}"
