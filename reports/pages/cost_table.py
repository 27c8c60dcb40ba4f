"""The cost table for people and programs: terminal, Markdown, CSV and Parquet."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports.analysis.names import run_letters
from reports.analysis.readable import reasons, side_by_side
from reports.analysis.words import closing_paragraph
from reports.data.errors import ReportError

LEFT = ("case", "status")

NAMES = ("cost.csv", "cost.parquet", "cost.md")


def write(table: pd.DataFrame, folder: Path, heading: str) -> list[Path]:
    """Write the table as CSV, Parquet and Markdown; return the files.

    Raises:
        ReportError: the folder cannot be written.
    """
    csv, parquet, markdown = (folder / name for name in NAMES)
    text = side_by_side(table).to_markdown(index=False, disable_numparse=True)
    parts = [heading.replace("\n", "\n\n"), text, *_closing(table)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(csv, index=False)
        table.to_parquet(parquet, index=False)
        markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [csv, parquet, markdown]


def show(table: pd.DataFrame, console: Console, heading: str) -> None:
    """Print the table and the closing paragraph."""
    text = side_by_side(table)
    drawn = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in text.columns:
        left = column.rpartition(": ")[2] in LEFT
        drawn.add_column(column, justify="left" if left else "right", no_wrap=True)
    for values in text.itertuples(index=False):
        drawn.add_row(*(escape(str(value)) for value in values))
    console.print(drawn)
    for line in reasons(table):
        console.print(line, style="dim", markup=False, highlight=False)
    for paragraph in _closing(table):
        console.print(paragraph)


def _closing(table: pd.DataFrame) -> Iterator[str]:
    """Yield the answer of every run."""
    for run_id, letter in run_letters(table["run_id"]).items():
        answer = closing_paragraph(table[table["run_id"] == run_id])
        yield f"{letter}: {answer}" if letter else answer
