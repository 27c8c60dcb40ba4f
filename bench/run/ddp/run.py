"""``python -m bench ddp``: from cases and world sizes to rows, stored after each."""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from bench.machine.environment import describe, usable_cores
from bench.run.ddp.buckets import Bucket
from bench.run.ddp.rank import RankResult, RankTask
from bench.run.ddp.ranks import Ranks, ranks_in
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.schema.tasks import Failure
from bench.stats.overlap import Turns, slowest

FILE = "ddp.json"

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""Kind of device -> what exchanges gradients."""


@dataclass(frozen=True)
class Asked:
    """What is wanted of every case."""

    world_sizes: tuple[int, ...]
    bucket_bytes: int
    replicates: int
    rounds: int
    timeout_s: float


@dataclass(frozen=True)
class Row:
    """What came of a case with so many ranks."""

    case: Case
    world_size: int
    backend: str
    status: Status = Status.OK
    reason: str = ""
    replicates: tuple[Turns, ...] = ()
    """Sets of processes: of every turn the slowest rank's seconds."""
    buckets: dict[str, list[Bucket]] = field(default_factory=dict)
    difference: float | None = None
    """Of gradients from those of one process; the largest of all ranks."""

    @property
    def rehearsal(self) -> bool:
        """Whether the times say nothing of devices: gloo copies on the cores that convolve."""
        return self.backend == "gloo"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "case": self.case.to_json(), "rehearsal": self.rehearsal}


def measure_all(
    cases: Sequence[Case], asked: Asked, folder: Path, say: Callable[[str], object]
) -> Iterator[Row]:
    """Yield a row for every case and world size, stored before it is told.

    Args:
        cases: of the pass ``training``.
        asked: of each.
        folder: that exists.
        say: hears what is begun.

    Raises:
        BenchError: a case is no question here, or a server does not start.
    """
    for case in cases:
        if case.scope == "heads":
            raise BenchError("--scopes heads: no bottom-up path is in it; give neck or model")
        if (torch.device(case.device).index or 0) > 0:
            raise BenchError(f"--devices {case.device}: ranks take the first devices; give cuda")
    rows: list[Row] = []
    wanted = list(itertools.product(cases, asked.world_sizes))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        with ranks_in(scratch, cases, max(asked.world_sizes)) as ranks:
            for number, (case, size) in enumerate(wanted, start=1):
                shared = replace(case, threads=max(1, usable_cores() // size))
                say(f"{number} of {len(wanted)}: {shared.case_id}, world size {size}")
                rows.append(_row(shared, size, asked, ranks, scratch))
                found = {"environment": describe(), "rows": [row.to_json() for row in rows]}
                (folder / FILE).write_text(json.dumps(found, indent=1))
                yield rows[-1]


def _row(case: Case, world_size: int, asked: Asked, ranks: Ranks, scratch: Path) -> Row:
    row = Row(case, world_size, BACKENDS.get(torch.device(case.device).type, ""))
    if reason := cannot_run(case, world_size):
        return replace(row, status=Status.SKIPPED, reason=reason)
    sets: list[list[RankResult]] = []
    for index in range(asked.replicates):
        tasks = [
            RankTask(
                case=case if case.device == "cpu" else replace(case, device=f"cuda:{rank}"),
                seed=0,
                scratch_dir=str(scratch),
                index=index,
                rank=rank,
                world_size=world_size,
                backend=row.backend,
                store=str(scratch / f"{case.case_id}-{world_size}-{index}"),
                bucket_bytes=asked.bucket_bytes,
                rounds=asked.rounds,
                patience_s=asked.timeout_s / 2,
            )
            for rank in range(world_size)
        ]
        found = ranks.run(tasks, asked.timeout_s)
        if isinstance(found, Failure):
            return replace(row, status=found.status, reason=found.reason)
        sets.append(found)
    return replace(
        row,
        replicates=tuple(slowest([rank.turns_s for rank in found]) for found in sets),
        buckets=sets[0][0].buckets,
        difference=max(rank.difference for found in sets for rank in found),
    )


def cannot_run(case: Case, world_size: int) -> str:
    """Return why a case cannot run with so many ranks; empty where it can."""
    kind = torch.device(case.device).type
    if kind not in BACKENDS:
        return f"ranks exchange gradients on the CPU and on NVIDIA's GPUs, not on {kind}"
    if not dist.is_available() or not dist.is_backend_available(BACKENDS[kind]):
        return f"this torch was built without {BACKENDS[kind]}"
    if kind == "cuda" and (devices := torch.cuda.device_count()) < world_size:
        return f"{world_size} ranks need a GPU each; this machine has {devices}"
    return ""
