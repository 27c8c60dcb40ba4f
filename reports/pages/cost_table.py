"""The cost table as people read it: milliseconds, MiB, percent; on the terminal and in Markdown."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.schema.records import Status
from reports.analysis.words import ARM_NAMES, LAUNCH_BOUND, closing_paragraph
from reports.data.errors import ReportError

Row = Mapping[Hashable, Any]
"""One row of the cost table, by column."""

LEFT = ("case", "status")

UNDECIDED = (
    "too_wide (replicates measured/needed): the interval is right, but wider than asked; "
    "raise --budget or --half-width"
)

NAMES = ("cost.csv", "cost.parquet", "cost.md")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table as text, a column per question of the reader."""
    varying = [name for name in ("run_id", "threads") if len(set(table[name])) > 1]
    rows = [_readable_row(row, varying) for row in table.to_dict("records")]
    return pd.DataFrame(rows).fillna("")


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


def machine_of(run: Mapping[str, Any]) -> str:
    """Name the machine and torch of a run, from the key ``panet`` of its file."""
    environment = run["environment"]
    cpu = f"{environment.get('cpu')}, {environment.get('cores')} cores"
    torch = environment.get("libraries", {}).get("torch")
    return f"{environment.get('accelerator') or cpu}; torch {torch}"


def reasons(table: pd.DataFrame) -> list[str]:
    """Return why cases are not `ok`, a line per reason with the cases that it holds for."""
    cases: dict[str, list[str]] = {}
    for row in table[table["status"] != Status.OK].to_dict("records"):
        reason = UNDECIDED if _undecided(row) else f"{row['status']}: {row['reason']}"
        cases.setdefault(reason, []).append(case_name(row))
    if UNDECIDED in cases:
        cases[UNDECIDED] = [f"{len(cases[UNDECIDED])} of {len(table)} cases"]
    return [f"{reason} [{', '.join(named)}]" for reason, named in cases.items()]


def _undecided(row: Row) -> bool:
    return row["status"] == Status.TOO_WIDE and not pd.isna(row.get("ratio"))


def _status(row: Row) -> str:
    if not _undecided(row):
        return str(row["status"])
    needed = row["replicates_needed"]
    return (
        f"{Status.TOO_WIDE} {row['replicates']:.0f}/{'?' if pd.isna(needed) else f'{needed:.0f}'}"
    )


def _readable_row(row: Row, varying: Sequence[str]) -> dict[str, str]:
    """Name the case by what is not usual; every ratio with its interval."""
    get = row.get
    return {
        **{name: str(row[name]) for name in varying},
        "case": case_name(row),
        "FPN ms": _number(get("fpn_s"), 1e3, 1),
        "+PANet ms": _number(get("panet_s"), 1e3, 1),
        "adds ms": _difference(row),
        "ratio": _interval(row, "ratio"),
        "A/A": _interval(row, "aa_ratio"),
        "detects": _percent(get("detectable_ratio")),
        "MACs": _number(get("macs_ratio"), 1, 3),
        "adds MiB": _number(get("peak_difference_bytes"), 1 / 2**20, 1),
        "images/s": _number(get("panet_images_per_s"), 1, 1),
        **_bound(row),
        "status": _status(row),
    }


def _bound(row: Row) -> dict[str, str]:
    """Say what limits a call, where launches and the device can be told apart."""
    shares = [row[f"{arm}_launch_share"] for arm in ARM_NAMES]
    if any(pd.isna(share) for share in shares):
        return {}
    limits = ["launch" if share >= LAUNCH_BOUND else "device" for share in shares]
    return {"bound": " / ".join(dict.fromkeys(limits))}


def case_name(row: Row) -> str:
    """Name a case by what is not usual."""
    layout = "nhwc" if row["channels_last"] else "nchw"
    height, width = row["height_px"], row["width_px"]
    size = f"b{row['batch_size']} {height if height == width else f'{height}x{width}'} {layout}"
    usual = {"dtype": "float32", "pass_name": "inference"}
    unusual = [str(row[axis]) for axis, value in usual.items() if row[axis] != value]
    if row["compile_mode"] != "off":
        unusual.append("compiled" if row["compile_mode"] == "default" else row["compile_mode"])
    device = [] if row["device"] == "cpu" else [row["device"]]
    return " ".join([row["scope"], row["backbone"], size, *device, *unusual])


def _difference(row: Row) -> str:
    value, low, high = (row.get(f"difference_s{bound}") for bound in ("", "_low", "_high"))
    if low is None or high is None or pd.isna(low):
        return _number(value, 1e3, 2)
    return f"{_number(value, 1e3, 2)} ±{(high - low) / 2 * 1e3:.2f}"


def _number(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None or pd.isna(value) else f"{value * factor:.{digits}f}"


def _percent(share: float | None) -> str:
    return "" if share is None or pd.isna(share) else f"{share:.1%}"


def _interval(row: Row, name: str) -> str:
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None or high is None or pd.isna(low):
        return _number(value, 1, 3)
    return f"{value:.3f} ±{(high - low) / 2 / value:.1%}"
