"""Two stored runs side by side, as people read it: what is worse first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.schema.text import change
from bench.stats.verdict import Verdict
from reports.analysis.metrics import METRICS
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.data.series import SECONDS
from reports.data.spreadsheet import inert

NAMES = ("compare.csv", "compare.md")

WORDS = ("case", "metric", "")
"""Columns that may take several lines in a narrow terminal: a number loses no digit there."""


def readable(table: pd.DataFrame, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the comparison as text, what is worse first.

    Args:
        table: of `reports.analysis.compare_files.compare`.
        names: case id -> what the case is called; its id if it has no other name.
    """
    rows = [_readable_row(row, names or {}) for row in rows_of(_ordered(table))]
    return pd.DataFrame(rows, columns=["verdict", "case", "metric", "base", "head", "change", ""])


def sentence(table: pd.DataFrame) -> str:
    """Return the answer in a line, what is worse first."""
    counts = table["verdict"].value_counts()
    listed = ", ".join(f"{counts[each]} {words(each)}" for each in Verdict if each in counts)
    return f"{listed or 'Nothing to compare'}."


def words(verdict: str) -> str:
    """Return a verdict as people write it: ``within noise``."""
    return str(verdict).replace("_", " ")


def show(table: pd.DataFrame, console: Console, names: Mapping[str, str]) -> None:
    """Print what is worth a look, and the answer."""
    text = readable(table, names)
    text = text[text["verdict"] != Verdict.WITHIN_NOISE]
    if len(text):
        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in text.columns:
            drawn.add_column(column, no_wrap=column not in WORDS)
        for values in text.itertuples(index=False):
            drawn.add_row(*(escape(str(value)) for value in values))
        console.print(drawn)
    console.print(sentence(table), markup=False, highlight=False)


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the comparison as CSV and Markdown; return the files.

    Raises:
        ReportError: the folder cannot be written.
    """
    csv, markdown = (folder / name for name in NAMES)
    text = readable(table).to_markdown(index=False, disable_numparse=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inert(table).to_csv(csv, index=False)
        markdown.write_text(f"{sentence(table)}\n\n{text}\n", encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [csv, markdown]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    ranks = table["verdict"].map({each: rank for rank, each in enumerate(Verdict)})
    return table.assign(rank=ranks).sort_values("rank", kind="stable").drop(columns="rank")


def _readable_row(row: Mapping[Any, Any], names: Mapping[str, str]) -> dict[str, str]:
    metric = METRICS.get(row["metric"])
    arm = f", {row['arm']}" if pd.notna(row["arm"]) and row["arm"] else ""
    exact = metric is not None and metric.exact
    return {
        "verdict": str(row["verdict"]),
        "case": names.get(row["case_id"], str(row["case_id"])),
        "metric": f"{row['metric']}{arm}",
        "base": _value(row["base"], exact, row["metric"]),
        "head": _value(row["head"], exact, row["metric"]),
        "change": change(row["ratio"], row["ratio_low"], row["ratio_high"]),
        "": "" if pd.isna(row["reason"]) else str(row["reason"]),
    }


def _value(value: float, exact: bool, metric: str) -> str:
    if pd.isna(value):
        return "-"
    if exact:
        return f"{value:,.0f}"
    return f"{value * 1e3:.2f} ms" if metric in SECONDS else f"{value:.3f}"
