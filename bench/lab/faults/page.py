"""What came of a campaign of faults, as a page."""

from collections.abc import Sequence

from tabulate import tabulate

from bench.lab.faults.campaign import Record, code_of, latest
from bench.lab.faults.kinds import KINDS

PAGE = "faults.md"

SHOWN = 20
"""Failures on the page."""


def render(records: Sequence[Record]) -> str:
    """Return the page as Markdown."""
    now = latest(records)
    rows = []
    for kind in KINDS:
        of_kind = [record for record in now if record.kind == kind.name]
        ever = {r.number for r in records if r.kind == kind.name and r.problem}
        today = sum(bool(record.problem) for record in of_kind)
        tried = len(of_kind) * kind.each
        each_s = f"{sum(record.cpu_s for record in of_kind) / tried:.2g}" if tried else ""
        rows.append([
            kind.fault, kind.holds, f"{tried:,}", str(len(ever)), str(today), each_s
        ])  # fmt: skip
    headers = [
        *("fault", "what must hold", "tried", "did not hold", "does not hold now", "CPU s each"),
    ]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    failing = [record for record in now if record.problem]
    return "\n".join([_HEAD, table, "", *_failures(failing)])


_HEAD = """# Faults that were tried

Made by `python -m bench lab faults FOLDER`; every fault has a seed, and the same number is the same
fault again. Memory and time of a try are limited. Files, command lines and histories are tried in
processes that are forked from one that has imported everything already, and every 100th of the
commands in one that begins from nothing; what is killed, fills a disk or has no memory is real runs
of few and brief replicates (`tests/support/short.py`). *Did not hold* counts the faults that ever
failed while the campaign was made; each of them was tried again with the code of now. Traces are
not among the files: nothing of ours reads those of others. The last column is seconds of CPU, of
all processes of a fault together.
"""


def _failures(failing: Sequence[Record]) -> list[str]:
    if not failing:
        return [f"Nothing fails now (code {code_of()})."]
    lines = [f"- {r.kind} {r.number}: {_inert(r.fault)}: {_inert(r.problem)}" for r in failing]
    more = len(lines) - SHOWN
    rest = [f"- and {more} more"] if more > 0 else []
    return ["## What does not hold", "", *lines[:SHOWN], *rest]


def _inert(text: str) -> str:
    """Return a text that is shown as it is: faults are full of markup."""
    return f"`{' '.join(text.split())[:200].replace('`', chr(39))}`"
