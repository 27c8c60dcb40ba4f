"""The cost table as text: milliseconds, MiB, percent, and why a case has no sure answer."""

from collections.abc import Sequence

import pandas as pd

from bench.schema.case import case_name
from bench.schema.records import Status
from bench.schema.text import UNKNOWN, percent
from reports.analysis.names import ARM_NAMES, Row, run_letters
from reports.analysis.words import LAUNCH_BOUND
from reports.data.rows import rows_of

EXPLAINED = {
    "case": "scope (`neck`: feature maps in, `model`: image in, `heads`: boxes as well), backbone, "
    "batch, resolution, memory layout",
    "FPN ms": "latency of one call: median over rounds, mean over processes",
    "+PANet ms": "the same of FPN + PANet",
    "adds ms": "what the bottom-up path takes, read inside the calls as the ratio is",
    "ratio": "FPN + PANet over FPN, ± half of its 95 % interval, which holds for other runs "
    "of the machine, too; read inside each call, as its time over its time without the bottom-up "
    "path; where calls cannot be split (compiled), of whole calls that take turns",
    "residual": "the rest of a call with PANet in it, over the same without: 1 means that PANet "
    "slows nothing else down; ratio x residual is the ratio of whole calls",
    "A/A": "the same FPN network against itself, whole calls: how far from 1 pure noise got in "
    "this run",
    "MDE": "minimum detectable effect: the smallest change of the ratio that two such runs tell "
    "apart, 19 times of 20",
    "MACs": "the ratio of multiply-accumulates: what arithmetic alone would predict",
    "adds MiB": "by how much PANet raises the peak of tensor memory of a call, parameters and "
    "inputs not counted",
    "images/s": "throughput with PANet",
    "bound": "on an accelerator only: `launch` where the host is busy launching work for 80 % "
    "of a call or more",
    "status": "`ok`: the interval is as narrow as you asked; every other one comes with its reason",
}
"""Column of the table -> what it says: on the page, and in docs/read.md."""

TOO_WIDE = (
    f"{Status.TOO_WIDE} (replicates measured/needed): the interval is right, but wider than "
    "requested; raise --budget or --half-width"
)

NO_INTERVAL = f"{Status.TOO_WIDE}: no interval yet, of too few processes; raise --budget"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table as text, a row per case and run."""
    varying = [name for name in ("run_id", "threads") if len(set(table[name])) > 1]
    rows = [_readable_row(row, varying) for row in rows_of(table)]
    return pd.DataFrame(rows).fillna("")


BRIEFLY = ("run_id", "threads", "case", "FPN ms", "+PANet ms", "adds ms", "ratio", "bound")
"""Columns that a terminal has room for, with the status behind them; the files have the rest."""


def brief(table: pd.DataFrame) -> pd.DataFrame:
    """Return `side_by_side`, of one run without what only the files have.

    Skipped cases are left out, of which `reasons` says all there is, unless there are no others.
    """
    text = side_by_side(table)
    if "status" not in text:
        return text
    measured = text[text["status"] != Status.SKIPPED]
    shown = [name for name in BRIEFLY if name in text]
    return (text if measured.empty else measured)[[*shown, "status"]]


BESIDE_EACH_OTHER = ("+PANet ms", "ratio", "status")
"""Columns that every one of several runs has in a row."""


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table of several runs as text, a row per case; of one run as `readable`."""
    letters = run_letters(table["run_id"])
    if len(letters) < 2:
        return readable(table)
    varying = [name for name in ("threads",) if len(set(table[name])) > 1]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows_of(table):
        text = _readable_row(row, varying)
        key = {name: text[name] for name in (*varying, "case")}
        beside = {f"{letters[row['run_id']]}: {name}": text[name] for name in BESIDE_EACH_OTHER}
        rows.setdefault(tuple(key.values()), key).update(beside)
    columns = [f"{letter}: {name}" for name in BESIDE_EACH_OTHER for letter in letters.values()]
    return pd.DataFrame(rows.values(), columns=[*varying, "case", *columns]).fillna("")


def reasons(table: pd.DataFrame) -> list[str]:
    """Return why cases are not `ok`, a line per reason with the cases that it holds for."""
    cases: dict[str, list[str]] = {}
    for row in rows_of(table[table["status"] != Status.OK]):
        reason = f"{row['status']}: {row['reason']}"
        if _too_wide(row) and pd.isna(row["ratio_low"]):
            reason = NO_INTERVAL
        elif _too_wide(row) and not pd.isna(row["replicates_needed"]):
            reason = TOO_WIDE
        cases.setdefault(reason, []).append(case_name(row))
    for reason in {TOO_WIDE, NO_INTERVAL} & set(cases):
        cases[reason] = [f"{len(cases[reason])} of {len(table)} cases"]
    return [f"{reason} [{', '.join(named)}]" for reason, named in cases.items()]


def _too_wide(row: Row) -> bool:
    return row["status"] == Status.TOO_WIDE and not pd.isna(row.get("ratio"))


def _status(row: Row) -> str:
    if not _too_wide(row):
        return str(row["status"])
    needed = row["replicates_needed"]
    if pd.isna(needed) and not pd.isna(row["ratio_low"]):
        return str(Status.TOO_WIDE)  # no number of them is enough
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
        "adds ms": plus_minus(row, "difference_s", 1e3, 2),
        "ratio": ratio(row, "ratio"),
        "residual": ratio(row, "residual"),
        "A/A": ratio(row, "aa_ratio"),
        "MDE": percent(get("detectable_ratio")).replace(UNKNOWN, ""),
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


def plus_minus(row: Row, name: str, factor: float, digits: int, unknown: str = "") -> str:
    """Return a column with half of its interval, where it has one: ``19.43 ±3.66``.

    Args:
        row: with the columns ``name``, ``name_low`` and ``name_high``.
        name: of the column.
        factor: from its unit to the one that is shown.
        digits: behind the point.
        unknown: where it is not known.
    """
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    text = _number(value, factor, digits) or unknown
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return text
    return f"{text} ±{(high - low) / 2 * factor:.{digits}f}"


def _number(value: float | None, factor: float, digits: int) -> str:
    return "" if value is None or pd.isna(value) else f"{value * factor:.{digits}f}"


def ratio(row: Row, name: str) -> str:
    """Return a ratio with half of its interval, where it has one: ``1.450 ±0.3 %``."""
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None or high is None or pd.isna(low):
        return _number(value, 1, 3)
    return f"{value:.3f} ±{percent((high - low) / 2 / value)}"
