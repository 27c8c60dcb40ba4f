"""The processes of all ranks: started together, and ended together when one of them fails."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import replace
from pathlib import Path

from bench.engine.launcher import Launcher, ServerLauncher
from bench.engine.preloading import EXPORTING, Modules, needed_by
from bench.engine.separate_processes import end_until_back
from bench.run.ddp.rank import RankResult, RankTask
from bench.schema.case import Case
from bench.schema.records import Status
from bench.schema.tasks import Failure
from bench.schema.text import listed

GRACE_S = 2.0
"""In which the others say what they know when one has failed: it may only have lost them."""

WAITED = (
    *("third_party/gloo", "Wait timeout", "Timeout waiting for key"),
    *("remote process exited", "collective operation timeout"),
)
"""What gloo, NCCL and torch's store say to a rank whose partner is gone, or does not come."""


class Ranks:
    """Runs tasks that need each other.

    Args:
        launchers: one per rank, for so many ranks at most.
    """

    def __init__(self, launchers: Sequence[Launcher]) -> None:
        self._launchers = launchers
        # As long as this object: Linux kills a server when the thread that started it ends.
        self._pool = ThreadPoolExecutor(len(launchers))

    def run(self, tasks: Sequence[RankTask], timeout_s: float) -> list[RankResult] | Failure:
        """Run all ranks at once; return what each has seen, or why there is nothing.

        Raises:
            BenchError: a server does not start.
        """
        calls = {
            self._pool.submit(self._launchers[task.rank].run, task, timeout_s): task.rank
            for task in tasks
        }
        try:
            for call in as_completed(calls):
                if isinstance(call.result(), Failure):
                    back = wait(calls, timeout=GRACE_S).done
                    return blamed({calls[one]: one.result() for one in back}, len(tasks))
        finally:
            if not all(call.done() for call in calls):
                end_until_back(calls, self._end)
        return [found for call in calls if isinstance(found := call.result(), RankResult)]

    def close(self) -> None:
        """End all processes."""
        self._end()
        self._pool.shutdown()

    def _end(self) -> None:
        for launcher in self._launchers:
            launcher.close()


@contextlib.contextmanager
def ranks_in(scratch: Path, cases: Sequence[Case], most: int) -> Iterator[Ranks]:
    """Provide the processes of so many ranks at most, and end them."""
    needed = needed_by(cases)
    modules = Modules((*needed.timing, EXPORTING), needed.helping)  # DDP asks the compiler
    folders = [scratch / f"rank{rank}" for rank in range(most)]
    for folder in folders:
        folder.mkdir()
    with contextlib.closing(Ranks([ServerLauncher(f, modules, 1) for f in folders])) as ranks:
        yield ranks


def blamed(outcomes: Mapping[int, RankResult | Failure], world_size: int) -> Failure:
    """Return the failure of the rank that it began with.

    Args:
        outcomes: rank -> what came of it, of those that are back; one has failed.
        world_size: how many there are.
    """
    failures = {rank: of for rank, of in sorted(outcomes.items()) if isinstance(of, Failure)}
    for rank, failure in failures.items():
        if not any(mark in failure.reason for mark in WAITED):
            return replace(failure, reason=f"rank {rank}: {failure.reason}")
    silent = [str(rank) for rank in range(world_size) if rank not in outcomes]
    rank, failure = next(iter(failures.items()))
    who = f"no answer of rank {listed(silent)}; " if silent else ""
    return Failure(Status.TIMEOUT, f"{who}rank {rank} has waited: {failure.reason}")
