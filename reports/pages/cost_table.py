"""The cost table for people and programs: terminal, Markdown, CSV and Parquet."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports.analysis.names import run_letters
from reports.analysis.readable import brief, reasons, side_by_side
from reports.analysis.words import answers, remarks, sentences
from reports.data.errors import ReportError
from reports.data.spreadsheet import inert

LEFT = ("case", "status")

NAMES = ("cost.csv", "cost.parquet", "cost.md")


def write(table: pd.DataFrame, folder: Path, heading: str) -> list[Path]:
    """Write the table as CSV, Parquet and Markdown; return the files.

    Raises:
        ReportError: the folder cannot be written.
    """
    csv, parquet, markdown = (folder / name for name in NAMES)
    text = side_by_side(table).to_markdown(index=False, disable_numparse=True)
    parts = [heading.replace("\n", "\n\n"), text, *_of_runs(table, sentences)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inert(table).to_csv(csv, index=False)
        table.to_parquet(parquet, index=False)
        markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [csv, parquet, markdown]


def show(table: pd.DataFrame, console: Console, heading: str) -> None:
    """Print the answer, the table, and how well it is known."""
    console.print(heading, markup=False, highlight=False)
    _say(console, _of_runs(table, answers))
    text = brief(table)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in text.columns:
        left = column.rpartition(": ")[2] in LEFT
        drawn.add_column(column, justify="left" if left else "right", no_wrap=True)
    for values in text.itertuples(index=False):
        drawn.add_row(*(escape(str(value)) for value in values))
    console.print(drawn)
    for line in reasons(table):
        console.print(line, style="dim", markup=False, highlight=False)
    _say(console, _of_runs(table, remarks))


def _say(console: Console, paragraphs: Iterator[str]) -> None:
    for paragraph in paragraphs:
        console.print(paragraph, markup=False, highlight=False)


def _of_runs(table: pd.DataFrame, say: Callable[[pd.DataFrame], Iterator[str]]) -> Iterator[str]:
    """Yield a paragraph for every run, behind its letter if there are several."""
    for run_id, letter in run_letters(table["run_id"]).items():
        said = " ".join(say(table[table["run_id"] == run_id]))
        if said:
            yield f"{letter}: {said}" if letter else said
