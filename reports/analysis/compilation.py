"""What compiling and exporting cost, and after how many images they have paid for themselves."""

import math
from collections.abc import Iterator

import pandas as pd

from bench.schema.case import FIELDS, TORCH, case_name
from bench.schema.text import counted
from reports.analysis.names import ARM_NAMES, Row
from reports.data.rows import rows_of

HOW = ("compile_mode", "runtime")
"""The axes of what runs the networks."""

PARTS = {"builds": "build_s", "loads": "load_s", "answers first": "first_s"}
"""What a runtime takes before its calls are steady, and its column."""

KNOWN = ("file_bytes", "read_back", "level_differences", "level_sqnr_db")
"""What else is known of one."""


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run, case that is not eager, and arm, beside its eager case.

    That is equal in all but ``compile_mode`` and ``runtime``.

    Columns: ``run_id``, ``case_id``, ``arm``, ``name``, ``cold_s`` (empty caches), ``warm_s``
    (another process, full caches), ``graphs``, ``graph_breaks``, ``eager_s`` and ``compiled_s`` (a
    call), ``break_even_images`` (with a cold compile; missing where there is no eager case, or
    compiled is no faster).

    Args:
        frame: of `reports.data.frames.load`.
    """
    arms = frame[frame["arm"].isin(list(ARM_NAMES))] if len(frame) else frame
    shared = ["run_id", "arm", *(axis for axis in FIELDS if axis not in HOW)]
    records = rows_of(arms)
    eager = {
        tuple(row[key] for key in shared): row["latency_s"] for row in records if _is_eager(row)
    }
    rows = []
    for row in records:
        if _is_eager(row):
            continue
        eager_s = eager.get(tuple(row[key] for key in shared))
        compiled_s, cold_s = row["latency_s"], row["compile_s"]
        rows.append(
            {
                **{key: row[key] for key in ("run_id", "case_id", "arm", "graphs", "graph_breaks")},
                **{key: row[key] for key in (*PARTS.values(), *KNOWN)},
                "name": case_name(row),
                "cold_s": cold_s,
                "warm_s": row["warm_compile_s"],
                "eager_s": eager_s,
                "compiled_s": compiled_s,
                "break_even_images": _break_even(cold_s, eager_s, compiled_s, row["batch_size"]),
            }
        )
    return pd.DataFrame(rows)


def _is_eager(row: Row) -> bool:
    return bool(row["compile_mode"] == "off" and row["runtime"] == TORCH)


def sentences(found: pd.DataFrame) -> Iterator[str]:
    """Yield a sentence per compiled case and arm.

    Args:
        found: of `table`.
    """
    for row in rows_of(found):
        if pd.isna(row["cold_s"]):
            continue
        text = f"{row['name']}, {ARM_NAMES[row['arm']]}: {_ready(row)}"
        if not pd.isna(row["graphs"]):
            graphs, breaks = int(row["graphs"]), int(row["graph_breaks"])
            text += f", {counted(graphs, 'graph')}, {counted(breaks, 'break')}"
        images = row["break_even_images"]
        if not pd.isna(images):
            text += f"; pays for itself after {images:,.0f} images"
        elif not pd.isna(row["eager_s"]):
            text += "; is no faster than eager, and never pays for itself"
        yield f"{text}."


def _ready(row: Row) -> str:
    """Say what it takes until calls are steady, and what the runtime says of itself."""
    if pd.isna(row["build_s"]):
        text = f"compiles in {row['cold_s']:.1f} s"
        return text if pd.isna(row["warm_s"]) else f"{text} ({row['warm_s']:.1f} s from the caches)"
    parts = [f"{name} in {_seconds(row[column])}" for name, column in PARTS.items()]
    if not pd.isna(row["warm_s"]):
        parts.append(f"ready from the file after {_seconds(row['warm_s'])}")
    parts.append(f"{row['file_bytes'] / 2**20:.1f} MiB")
    says = "; ".join(f"{name} {text}" for name, text in (row["read_back"] or {}).items())
    return f"{', '.join(parts)} ({says})"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def _break_even(
    cold_s: float | None, eager_s: float | None, compiled_s: float | None, batch_size: int
) -> float | None:
    """Return after how many images what is saved per call has made up for compiling."""
    if any(value is None or pd.isna(value) for value in (cold_s, eager_s, compiled_s)):
        return None
    assert cold_s is not None and eager_s is not None and compiled_s is not None  # noqa: S101, PT018 - just seen
    saved_s = eager_s - compiled_s
    return math.ceil(cold_s / saved_s) * batch_size if saved_s > 0 else None
