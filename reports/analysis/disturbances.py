"""How much of the machine others used while the cases of a run were measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.data.rows import rows_of


@dataclass(frozen=True)
class Disturbance:
    """What others did during one case; `None` where the system does not tell."""

    case_id: str
    replicates: int
    contended: int
    """Replicates that do not count."""
    left_out: float | None
    """Share of the rounds that do not count, because their calls waited for a CPU."""
    others: float | None
    """CPU time of everybody else, as a share of one core: 1.5 is a core and a half."""
    waited: float | None
    """Time that the threads of the case waited for a CPU, as a share of what they could have."""
    stolen: float | None
    """Share of the time that the hypervisor gave to other machines."""
    throttled: float | None
    """Share of the time in which the quota of the container was used up."""
    why: str
    """What the contended replicates suffered from, most often first; empty without any."""


def of_cases(loads: pd.DataFrame, threads: Mapping[str, int], cores: int) -> Iterator[Disturbance]:
    """Yield the disturbance of every case, in the order of the loads.

    Args:
        loads: of `reports.data.loads.load`, one run.
        threads: case id -> threads of the case.
        cores: that the run could use.
    """
    for case_id, rows in loads.groupby("case_id", sort=False):
        usable = min(threads.get(str(case_id), cores), cores)
        disturbed = rows[rows["contended"].fillna(value=False)]
        why = pd.Series([_cause(row, usable) for row in rows_of(disturbed)], dtype=str)
        yield Disturbance(
            str(case_id),
            len(rows),
            len(disturbed),
            left_out=_left_out(rows),
            others=_share(rows, "foreign_cpu_s"),
            waited=_share(rows, "waited_s", usable),
            stolen=_share(rows, "stolen_s"),
            throttled=_share(rows, "throttled_s"),
            why=", ".join(f"{cause} ({count})" for cause, count in why.value_counts().items()),
        )


def _left_out(rows: pd.DataFrame) -> float | None:
    known = rows.dropna(subset=["rounds", "disturbed_rounds"])
    rounds = int(known["rounds"].sum())
    return int(known["disturbed_rounds"].sum()) / rounds if rounds else None


def _share(rows: pd.DataFrame, column: str, of: int = 1) -> float | None:
    """Return a time over all replicates, as a share of their wall time, times ``of``."""
    known = rows.dropna(subset=[column, "wall_s"])
    wall_s = float(known["wall_s"].sum()) * of
    return float(known[column].sum()) / wall_s if wall_s > 0 else None


def _cause(row: Mapping[Any, Any], threads: int) -> str:
    """Name what disturbed a replicate: what is told outright, otherwise what took most."""
    if _count(row, "clock_throttles"):
        return "heat"
    if _count(row, "gpu_foreign_processes"):
        return "others on the GPU"
    if pd.notna(row["gpu_throttles"]) and row["gpu_throttles"]:
        return f"GPU: {row['gpu_throttles']}"
    seconds = {
        "waited for a CPU": _count(row, "waited_s") / threads,
        "the hypervisor served others": _count(row, "stolen_s"),
        "the quota was used up": _count(row, "throttled_s"),
    }
    most = max(seconds, key=lambda cause: seconds[cause])
    return most if seconds[most] else "work of others"


def _count(row: Mapping[Any, Any], column: str) -> float:
    return 0.0 if pd.isna(row[column]) else float(row[column])
