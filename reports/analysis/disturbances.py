"""How much of the machine others used while the cases of a run were measured."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    by_case: dict[str, list[Mapping[Any, Any]]] = {}
    for row in rows_of(loads):  # a frame per case would be most of the time of a page
        by_case.setdefault(str(row["case_id"]), []).append(row)
    for case_id, rows in by_case.items():
        usable = min(threads.get(case_id, cores), cores)
        disturbed = [row for row in _knowing(rows, "contended") if row["contended"]]
        why = Counter(_cause(row, usable) for row in disturbed)
        yield Disturbance(
            case_id,
            len(rows),
            len(disturbed),
            left_out=_left_out(rows),
            others=_share(rows, "foreign_cpu_s"),
            waited=_share(rows, "waited_s", usable),
            stolen=_share(rows, "stolen_s"),
            throttled=_share(rows, "throttled_s"),
            why=", ".join(f"{cause} ({count})" for cause, count in why.most_common()),
        )


def _knowing(rows: Sequence[Mapping[Any, Any]], *columns: str) -> list[Mapping[Any, Any]]:
    """Return the replicates of which all of this is known."""
    return [row for row in rows if not any(pd.isna(row[column]) for column in columns)]


def _left_out(rows: Sequence[Mapping[Any, Any]]) -> float | None:
    known = _knowing(rows, "rounds", "disturbed_rounds")
    rounds = sum(row["rounds"] for row in known)
    return sum(row["disturbed_rounds"] for row in known) / rounds if rounds else None


def _share(rows: Sequence[Mapping[Any, Any]], column: str, of: int = 1) -> float | None:
    """Return a time over all replicates, as a share of their wall time, times ``of``."""
    known = _knowing(rows, column, "wall_s")
    wall_s = sum(row["wall_s"] for row in known) * of
    return float(sum(row[column] for row in known) / wall_s) if wall_s > 0 else None


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
