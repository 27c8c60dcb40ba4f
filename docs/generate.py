"""``python -m docs.generate``: the pages that are made of the code, options.md and columns.md.

Options come from the parsers, columns from where the code describes them, and licences from the
packages. A test fails where a page is not what is made here.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest

import reports
from bench import __main__ as bench_command
from bench import conftest
from bench.run.results_json import EXTRA_INFO, PANET_KEY
from bench.schema.case import AXES
from bench.schema.energy import Block
from bench.schema.records import FACTS
from bench.schema.text import listed
from docs import licences
from panet import __main__ as panet_command
from reports import command as reports_command

conftest.LISTENER.close()  # nothing is measured here

DOCS = Path(__file__).parent

COMMAND = "python -m docs.generate"

OPTIONS_HEAD = f"""# Every option

Made of the programs' own parsers, by `{COMMAND}`. What they are good for is told
in [Measure](measure.md), [Read the answer](read.md), [Where the milliseconds go](profile.md), and
[Has it become slower?](gate.md).

A default stands in parentheses. Times and sizes have units: `33ms`, `90s`, `10m`, `2h`; `8GB` is
eight billion bytes, `8GiB` and `8G` are binary. `panet-bench` is another name of `python -m bench`.

## The axes

Each takes a list with commas, and the cases are their product.
"""

RESULTS_HEAD = """## `results.json`

A file of pytest-benchmark, with a benchmark for every arm of every case. Its `stats.data` are the
rounds in seconds; those of the three arms of a case are aligned, round by round. Its `extra_info`
tells what the arm is, and the key `panet`, beside all benchmarks, what the run was.
"""

AXES_LINK = "[the axes](#the-axes)"

AXES_BEGIN, AXES_END = "<!-- axes -->", "<!-- /axes -->"
"""Around the table that is made of the axes; the rest of that page is written by hand."""

COLUMNS_HEAD = f"""# Every column

Made of what the code says of them, by `{COMMAND}`. Seconds and bytes throughout;
what is not known is missing, never 0. The columns of the table that is shown are explained in
[Read the answer](read.md#the-table).
"""


class _Recorder:
    """Takes the options that a plugin gives to pytest, which are those of argparse."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def getgroup(self, _name: str, description: str) -> "_Recorder":
        self._parser.description = description
        return self

    def addoption(self, *names: str, **settings: Any) -> None:  # noqa: ANN401 - as argparse has it
        self._parser.add_argument(*names, **settings)


def pytest_parser() -> argparse.ArgumentParser:
    """Return a parser with the options that ``pytest bench`` has of ours."""
    parser = argparse.ArgumentParser(prog="pytest bench", add_help=False)
    conftest.pytest_addoption(cast("pytest.Parser", _Recorder(parser)))
    return parser


def parsers() -> list[argparse.ArgumentParser]:
    """Return the parser of every program."""
    rest = (bench_command, reports_command, panet_command)
    return [pytest_parser(), *(module._parser() for module in rest)]


def options_page() -> str:
    """Return the page of every option."""
    axes = _table("option", ((f"`{axis.flag} LIST`", axis.help) for axis in AXES))
    sections = [section for parser in parsers() for section in _sections(parser)]
    return "\n".join([OPTIONS_HEAD, axes, *sections])


def measure_page() -> str:
    """Return the page on measuring as it stands, but for the table of the axes."""
    before, begin, rest = (DOCS / "measure.md").read_text().partition(AXES_BEGIN)
    _, end, behind = rest.partition(AXES_END)
    axes = _table("axis", ((f"`{axis.flag}`", axis.help) for axis in AXES), last="values")
    return f"{before}{begin}\n\n{axes}\n{end}{behind}"


def _sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the section of a command, or those of its sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub_parser in action.choices.values():
                yield from _sections(sub_parser)
            return
    flags = [axis.flag for axis in AXES]
    lacking = [f"`{flag}`" for flag in flags if flag not in parser._option_string_actions]
    if 2 * len(lacking) > len(flags):  # such an option of its own is no list of a sweep
        flags = []
    rows = [
        (f"`{_named(action)}`", _explained(action, parser))
        for action in parser._actions
        if action.dest != "help"
        and action.help != argparse.SUPPRESS
        and not set(action.option_strings) & set(flags)
    ]
    if flags:
        but = f", but {listed(lacking)}" if lacking else ""
        rows.append((AXES_LINK, f"every one{but}"))
    about = (parser.description or "").removesuffix(".")
    about = f"{about[:1].upper()}{about[1:]}{'' if about.endswith('?') else '.'}"
    yield f"## `{parser.prog}`\n\n{about}\n\n{_table('option', rows)}"


def _named(action: argparse.Action) -> str:
    """Return an option as one types it, with what it takes."""
    value = str(action.metavar or "|".join(action.choices or ()) or action.dest.upper())
    shown = {0: "", "?": f"[{value}]", "*": f"[{value} ...]", "+": f"{value} [{value} ...]"}
    takes = value if action.nargs is None else shown.get(action.nargs, value)
    return " ".join(filter(None, (*action.option_strings, takes)))


def _explained(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def columns_page() -> str:
    """Return the page of every column, of the frames and of the JSON."""
    facts = {name: reports.COLUMNS[name][1] for name in FACTS}
    sections = (
        _frame("reports.load", "a row per arm and case", reports.COLUMNS),
        _frame(
            "reports.cost",
            "a row per case; also `cost.csv` and `cost.parquet`",
            reports.COST_COLUMNS,
        ),
        _frame("reports.stages", "a row per stage of every arm and case", reports.STAGE_COLUMNS),
        _frame(
            "reports.necks",
            "a row per neck and case of a run with `--necks`; also `necks.csv`",
            reports.NECK_COLUMNS,
        ),
        _frame(
            "reports.rounds",
            "a row per round; above 200 cases also `rounds.parquet`",
            reports.ROUND_COLUMNS,
        ),
        RESULTS_HEAD,
        _table("key of `extra_info`", ((f"`{k}`", v) for k, v in (EXTRA_INFO | facts).items())),
        _table("key of `panet`", ((f"`{k}`", v) for k, v in PANET_KEY.items())),
        _table(
            "key of a block of `energy`",
            ((f"`{f.name}`", f.metadata["says"]) for f in fields(Block)),
        ),
    )
    return "\n".join([COLUMNS_HEAD, *sections])


def _frame(function: str, about: str, described: Mapping[str, tuple[str, str]]) -> str:
    rows = ((f"`{name}`", kind, says) for name, (kind, says) in described.items())
    return f"## `{function}`\n\nThis frame has {about}.\n\n{_table('column', rows, 'type')}"


def _table(first: str, rows: Iterable[tuple[str, ...]], *between: str, last: str = "says") -> str:
    """Return a table whose last column says what the first one is."""
    head = (first, *between, last)
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


PAGES = {
    "options.md": options_page,
    "columns.md": columns_page,
    "measure.md": measure_page,
    "dependencies.md": licences.page,
}
"""File -> what makes its text."""


def main() -> int:
    """Write the pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
