"""The executor `slurm`: a job for each request, submitted by submitit, alone on its node.

A "node" here is a place in a partition's queue: SLURM chooses the machine. Driver and jobs share
the folder that one stands in, through which messages come: a job writes them into a file, and goes
on as long as the driver says that it is still there.
"""

import contextlib
import itertools
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import submitit

from bench.fleet.node import Message, serve
from bench.schema.errors import BenchError
from bench.workload.units import positive

MESSAGES = "messages.jsonl"
ALIVE = "alive"
"""Touched by the driver; empty, it may go on."""

BEAT_S = 20.0
LEASE_S = 120.0
"""A job whose driver has not been there for so long stops."""

LIMIT_MIN = 24 * 60
"""Of a job. A shard ends long before, by its budget."""

GONE = frozenset({"FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"})


def work(request: Message, folder: Path) -> None:
    """Serve a request; runs in the job."""
    lease = _Lease(folder / ALIVE)
    with (folder / MESSAGES).open("a", encoding="utf-8") as out:
        for message in serve(request, lease.wait):
            out.write(json.dumps(message, separators=(",", ":")) + "\n")
            out.flush()


class _Lease:
    """Whether the driver is still there; two machines' clocks are not compared.

    Args:
        path: that it touches.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None
        self._since_s = time.monotonic()

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        try:
            seen = self._path.stat().st_mtime_ns
        except OSError:
            return False  # it says that nobody wants this any more
        if seen != self._seen:
            self._seen, self._since_s = seen, time.monotonic()
        return time.monotonic() - self._since_s < LEASE_S


class Job:
    """A request in a job.

    Args:
        job: of submitit.
        folder: of its messages.
    """

    def __init__(self, job: "submitit.Job[None]", folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._offset = 0
        self._beat_s = 0.0

    def messages(self) -> list[Message]:
        """Return what came since the last call."""
        if time.monotonic() - self._beat_s > BEAT_S and (self._folder / ALIVE).exists():
            (self._folder / ALIVE).touch()
            self._beat_s = time.monotonic()
        path = self._folder / MESSAGES
        if not path.exists():
            return []
        with path.open("rb") as stream:
            stream.seek(self._offset)
            fresh = stream.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [dict(json.loads(line)) for line in whole.splitlines()]

    def over(self) -> str | None:
        """Return how the job ended; what it has said is there by then."""
        state = str(self._job.state).partition(" ")[0]
        if not self._job.done() and state not in GONE:
            return None
        return None if self._unread() else f"job {self._job.job_id}: {state}"

    def stop(self) -> None:
        """Let it stop in order; one that waits in the queue is taken out of it."""
        (self._folder / ALIVE).unlink(missing_ok=True)
        if str(self._job.state) == "PENDING":
            with contextlib.suppress(Exception):  # it has begun meanwhile, and stops by itself
                self._job.cancel()

    def _unread(self) -> bool:
        path = self._folder / MESSAGES
        return path.exists() and path.stat().st_size > self._offset


class Partitions:
    """Places in the queues of partitions.

    Args:
        places: name -> partition.
        folder: that driver and jobs share.
        cluster: as submitit names it; `None` is SLURM.
    """

    def __init__(self, places: dict[str, str], folder: Path, cluster: str | None = None) -> None:
        self._places = places
        self._folder = folder.resolve()
        self._cluster = cluster
        self._numbers = itertools.count()
        for alive in self._folder.glob(f"*/{ALIVE}"):  # of a driver that was killed
            alive.unlink(missing_ok=True)

    patience_s = math.inf

    def nodes(self) -> tuple[str, ...]:
        """Return the names of all places."""
        return tuple(self._places)

    def start(self, node: str, request: Message) -> Job:
        """Submit a job; raise `BenchError` where SLURM refuses it."""
        kind = f"{time.time_ns():x}-{next(self._numbers)}"
        folder = self._folder / kind
        folder.mkdir(parents=True)
        (folder / ALIVE).touch()
        try:
            executor = submitit.AutoExecutor(folder / "submitit", cluster=self._cluster)
            executor.update_parameters(
                name="panet-bench",
                nodes=1,
                tasks_per_node=1,
                timeout_min=LIMIT_MIN,
                slurm_partition=self._places[node],
                slurm_exclusive=True,
                slurm_additional_parameters={"mem": "0"},  # all of the node's
                slurm_srun_args=["--cpu-bind=none"],  # the task has all cores of the node
            )
            return Job(executor.submit(work, request, folder), folder)
        except (RuntimeError, OSError, submitit.core.utils.FailedJobError) as error:
            said = " ".join(str(error).split())[:300]
            raise BenchError(f"SLURM: {said}") from error

    def close(self) -> None:
        """Nothing is held."""


def slurm(hosts: Sequence[str], folder: Path) -> Partitions:
    """Return places of partitions, ``partition:jobs``.

    Raises:
        BenchError: one is not said like this.
    """
    places: dict[str, str] = {}
    for host in hosts:
        partition, _, jobs = host.partition(":")
        if not partition:
            raise BenchError(f"--hosts {host!r}: give partition:jobs, such as gpu:4")
        count = positive("--hosts")(jobs or "1")
        places |= {f"{partition}-{number}": partition for number in range(1, count + 1)}
    return Partitions(places, folder / "jobs")
