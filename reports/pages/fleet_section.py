"""The sections of the report on several machines: PANet's cost side by side, and the nodes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.schema.text import change, counted, percent
from reports.analysis import machines
from reports.analysis.names import run_letters
from reports.data import fleets
from reports.data.result_files import ResultFile
from reports.pages.page import Block, Section, Table

ABOUT = (
    "Ratios carry over from machine to machine, times do not. Of several runs of a machine here is "
    "the newest. Between machines: the standard deviation of the ratio, without what runs of one "
    "machine would differ by."
)


def sections(files: Sequence[ResultFile], table: pd.DataFrame) -> Iterator[Section]:
    """Yield both, where there is something to say.

    Args:
        files: of the runs.
        table: of `reports.data.costs.cost`.
    """
    newest = _newest(files, table)
    cases = machines.beside(newest)
    if cases:
        letters = run_letters(table["run_id"])
        shown = {run: letters[run] for run in letters if run in set(newest["run_id"])}
        blocks = [Block("", ABOUT, tables=[_costs(cases, shown)])]
        said = list(machines.sentences(newest, letters))
        yield Section("machines", "Machine beside machine", said, [], blocks)
    found = fleets.of_files(file.path for file in files)
    if found:
        tables = [_nodes(fleet) for fleet in found.values()]
        broke = [line for fleet in found.values() for line in said_of_nodes(fleet)]
        yield Section("nodes", "The nodes", broke, [], [Block("", tables=tables)])


def sentences(files: Sequence[ResultFile], table: pd.DataFrame) -> Iterator[str]:
    """Yield what the terminal says of several machines."""
    yield from machines.sentences(_newest(files, table), run_letters(table["run_id"]))
    for fleet in fleets.of_files(file.path for file in files).values():
        yield from said_of_nodes(fleet)


def said_of_nodes(fleet: fleets.FleetRun) -> Iterator[str]:
    """Yield on which nodes something went wrong."""
    broke = [node for node in fleet.nodes if node.failures]
    if broke:
        count = sum(len(node.failures) for node in broke)
        named = ", ".join(node.node for node in broke)
        yield f"{counted(count, 'failure')} on {counted(len(broke), 'node')}: {named}."


def _newest(files: Sequence[ResultFile], table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one run of every machine."""
    return table[table["run_id"].isin(machines.by_machine(files).values())]


def _costs(cases: Iterable[machines.Beside], letters: Mapping[str, str]) -> Table:
    rows = [
        [
            case.name,
            *(_cost(case, run) for run in letters),
            f"±{percent(case.between)}",
            "no" if case.alike else "yes",
        ]
        for case in cases
    ]
    heads = ("case", *letters.values(), "between machines", "more than the intervals")
    return Table(heads, rows, "What PANet adds, by machine")


def _cost(case: machines.Beside, run: str) -> str:
    row = case.rows.get(run)
    return change(row["ratio"], row["ratio_low"], row["ratio_high"]) if row else "-"


def _nodes(fleet: fleets.FleetRun) -> Table:
    rows = [
        [node.node, node.kind or "-", str(node.cases), " | ".join(node.failures) or "-"]
        for node in fleet.nodes
    ]
    return Table(("node", "kind of machine", "cases", "what went wrong"), rows)


def home(runs: Sequence[Path]) -> Path | None:
    """Return where the report of a single fleet goes: into its folder."""
    return runs[0] if len(runs) == 1 and fleets.is_fleet(runs[0]) else None
