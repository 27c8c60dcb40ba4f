"""The same cases on several machines: their ratios side by side, and how far machines differ.

What carries over from one machine to another is a ratio; times are not compared. Cases are the same
whatever device and however many threads a machine gives them.
"""

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from bench.schema.case import FIELDS, case_name
from bench.schema.records import lasting
from bench.schema.text import counted, listed, percent
from bench.stats.intervals import NORMAL
from reports.analysis.names import Row
from reports.data.costs import trusted
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of

OF_THE_MACHINE = frozenset({"device", "threads"})
"""Axes that ``auto`` fills in, on each machine with what it has."""

SAME = tuple(field for field in FIELDS if field not in OF_THE_MACHINE)


@dataclass(frozen=True)
class Beside:
    """One case on several machines."""

    name: str
    rows: Mapping[str, Row]
    """Run -> its row of the cost table, of those that have a ratio; at least two."""

    @property
    def between(self) -> float:
        """The standard deviation of the ratio between machines, relative.

        That of the ratios found, without what runs of one machine would differ by: their intervals
        have that in them.
        """
        logs = [math.log(row["ratio"]) for row in self.rows.values()]
        ends = [(row["ratio_low"], row["ratio_high"]) for row in self.rows.values()]
        own = [(math.log(high / low) / 2 / NORMAL) ** 2 for low, high in ends]
        return math.sqrt(max(statistics.variance(logs) - statistics.fmean(own), 0.0))

    @property
    def alike(self) -> bool:
        """Whether one cost would be inside all of the intervals."""
        lows = max(row["ratio_low"] for row in self.rows.values())
        highs = min(row["ratio_high"] for row in self.rows.values())
        return bool(lows <= highs)


def by_machine(files: Iterable[ResultFile]) -> dict[str, str]:
    """Return of every machine its newest run: machine -> run."""
    return {_machine(file): str(file.run["run_id"]) for file in sorted(files, key=_run_id)}


def _run_id(file: ResultFile) -> str:
    return str(file.run["run_id"])


def _machine(file: ResultFile) -> str:
    return json.dumps(lasting(file.run["environment"]), sort_keys=True)


def beside(table: pd.DataFrame) -> list[Beside]:
    """Return the cases that several machines have a cost of, in the order of the table.

    Args:
        table: of `reports.data.costs.cost`, of one run of every machine.
    """
    known = trusted(table)
    known = known[known["ratio_low"].notna()]
    found: dict[tuple[object, ...], dict[str, Row]] = {}
    for row in rows_of(known):
        # Of one run the first: several thread counts are an axis there, and no machine's choice.
        found.setdefault(tuple(row[field] for field in SAME), {}).setdefault(row["run_id"], row)
    return [
        Beside(case_name(next(iter(rows.values())), OF_THE_MACHINE), rows)
        for rows in found.values()
        if len(rows) > 1
    ]


def means(cases: list[Beside]) -> dict[str, float]:
    """Return run -> geometric mean of the ratio over the cases that all runs have."""
    runs = dict.fromkeys(run for case in cases for run in case.rows)
    common = [case for case in cases if len(case.rows) == len(runs)]
    if not common:
        return {}
    return {
        run: math.exp(math.fsum(math.log(c.rows[run]["ratio"]) for c in common) / len(common))
        for run in runs
    }


def sentences(table: pd.DataFrame, letters: Mapping[str, str]) -> Iterator[str]:
    """Yield what machines have in common and what not; nothing of a single one.

    Args:
        table: as for `beside`.
        letters: run -> what it is called.
    """
    cases = beside(table)
    if not cases:
        return
    of_each = means(cases)
    if of_each:
        common = sum(len(case.rows) == len(of_each) for case in cases)
        said = [f"{letters[run]} {percent(of - 1, signed=True)}" for run, of in of_each.items()]
        yield (
            f"Over {counted(common, 'case')} that all machines have, PANet costs {listed(said)} "
            "of FPN (geometric mean)."
        )
    differ = [case for case in cases if not case.alike]
    if differ:
        most = max(differ, key=lambda case: case.between)
        yield (
            f"Machines differ by more than their intervals in {len(differ)} of "
            f"{counted(len(cases), 'case')}, most in {most.name} "
            f"(±{percent(most.between)} between machines)."
        )
    else:
        yield f"In none of {counted(len(cases), 'case')} do machines differ by more than intervals."
