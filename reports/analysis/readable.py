"""The cost table as text: milliseconds, MiB, percent, and why a case has no sure answer."""

from collections.abc import Sequence

import pandas as pd

from bench.schema.case import case_name
from bench.schema.records import Status
from bench.schema.text import percent
from reports.analysis.names import ARM_NAMES, Row
from reports.analysis.words import LAUNCH_BOUND

TOO_WIDE = (
    f"{Status.TOO_WIDE} (replicates measured/needed): the interval is right, but wider than "
    "requested; raise --budget or --half-width"
)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table as text, a column per question of the reader."""
    varying = [name for name in ("run_id", "threads") if len(set(table[name])) > 1]
    rows = [_readable_row(row, varying) for row in table.to_dict("records")]
    return pd.DataFrame(rows).fillna("")


def reasons(table: pd.DataFrame) -> list[str]:
    """Return why cases are not `ok`, a line per reason with the cases that it holds for."""
    cases: dict[str, list[str]] = {}
    for row in table[table["status"] != Status.OK].to_dict("records"):
        reason = TOO_WIDE if _too_wide(row) else f"{row['status']}: {row['reason']}"
        cases.setdefault(reason, []).append(case_name(row))
    if TOO_WIDE in cases:
        cases[TOO_WIDE] = [f"{len(cases[TOO_WIDE])} of {len(table)} cases"]
    return [f"{reason} [{', '.join(named)}]" for reason, named in cases.items()]


def _too_wide(row: Row) -> bool:
    return row["status"] == Status.TOO_WIDE and not pd.isna(row.get("ratio"))


def _status(row: Row) -> str:
    if not _too_wide(row):
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
        "adds ms": plus_minus(row, "difference_s", 1e3, 2),
        "ratio": _interval(row, "ratio"),
        "residual": _interval(row, "residual"),
        "A/A": _interval(row, "aa_ratio"),
        "MDE": percent(get("detectable_ratio"), ""),
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


def _interval(row: Row, name: str) -> str:
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None or high is None or pd.isna(low):
        return _number(value, 1, 3)
    return f"{value:.3f} ±{(high - low) / 2 / value:.1%}"
