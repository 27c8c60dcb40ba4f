"""The cost table for people and programs: terminal, Markdown, CSV and Parquet."""

from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports.analysis.readable import readable, reasons
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
    text = readable(table).to_markdown(index=False, disable_numparse=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(csv, index=False)
        table.to_parquet(parquet, index=False)
        markdown.write_text(
            f"{heading}\n\n{text}\n\n{closing_paragraph(table)}\n", encoding="utf-8"
        )
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [csv, parquet, markdown]


def show(table: pd.DataFrame, console: Console, heading: str) -> None:
    """Print the table and the closing paragraph."""
    text = readable(table)
    drawn = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in text.columns:
        drawn.add_column(column, justify="left" if column in LEFT else "right", no_wrap=True)
    for values in text.itertuples(index=False):
        drawn.add_row(*(escape(str(value)) for value in values))
    console.print(drawn)
    for line in reasons(table):
        console.print(line, style="dim", markup=False, highlight=False)
    console.print(closing_paragraph(table))
