"""Arms in processes of their own, perhaps of other Python environments, that take turns.

Where both sides cannot be loaded into one process (two versions of torch), each has a fork server
of its own, and the workers of a replicate take turns round by round (`bench.engine.turn_token`).
What a process brings along by chance is then in the ratio, so the set of processes is the
replicate.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.launcher import Launcher
from bench.engine.turn_board import WAIT_S, Board, make_board
from bench.engine.turn_token import make_inbox
from bench.machine.contention import contended
from bench.machine.environment import usable_cores
from bench.schema.records import Finding, LeftOut, Load, Replicate, Status
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Result, Task
from bench.schema.text import listed

AGAIN_S = 1.0
"""Until processes that still run are ended once more: of a server that is about to start there is
nothing to end."""


class ApartLauncher:
    """A launcher that splits every task among launchers, one per arm.

    Args:
        launchers: arm -> launcher of its process.
        scratch_dir: where the inboxes are; private to the run.
        leaves_out: whether the others can go on without an arm that fails. The first one, with
            which they are compared, must run in any case.
    """

    def __init__(
        self, launchers: Mapping[str, Launcher], scratch_dir: Path, *, leaves_out: bool = False
    ) -> None:
        self._launchers = launchers
        self._scratch_dir = scratch_dir
        self._leaves_out = leaves_out
        # As long as this launcher: Linux kills a server when the thread that started it ends.
        self._pool = ThreadPoolExecutor(len(launchers))

    def run(self, task: Task[Result], timeout_s: float) -> Result | Failure:
        """Run a check arm by arm, a replicate in all processes, and anything else in the first."""
        if isinstance(task, ReplicateTask):
            return self._replicate(task, timeout_s)  # type: ignore[return-value]  # its own result
        if isinstance(task, CheckTask):
            return self._check(task, timeout_s)  # type: ignore[return-value]  # its own result
        return self._launchers[next(iter(task.arms))].run(task, timeout_s)

    def _check(self, task: CheckTask, timeout_s: float) -> Finding | Failure:
        parts, left_out = [], {}
        for arm, recipe in task.arms.items():
            part = self._launchers[arm].run(replace(task, arms={arm: recipe}), timeout_s)
            if isinstance(part, Finding) and part.status == Status.OK:
                parts.append(part)
            elif self._go_on_without(task, (arm,)) and not _from_outside(part):
                left_out[arm] = LeftOut(part.status, part.reason)
            else:
                return part
        return replace(_one_finding(parts), left_out=left_out)

    def close(self) -> None:
        """End all processes."""
        self._end_processes()
        self._pool.shutdown()

    def _end_processes(self) -> None:
        for launcher in self._launchers.values():
            launcher.close()

    def _go_on_without(self, task: CheckTask | ReplicateTask, arms: Sequence[str]) -> bool:
        base = next(iter(task.arms.values()))
        return self._leaves_out and all(task.arms[arm] != base for arm in arms)

    def _replicate(self, task: ReplicateTask, timeout_s: float) -> Replicate | Failure:
        inboxes = {arm: make_inbox(self._scratch_dir / f"inbox-{arm}") for arm in task.arms}
        board = make_board(self._scratch_dir / "board", inboxes)
        parts = self._parts(replace(task, inboxes=inboxes, board=board), timeout_s)
        if isinstance(parts, Failure):
            return parts
        whole, load = _one_replicate(parts), _one_load([part.load for part in parts])
        undisturbed = whole.round_count - len(whole.disturbed)
        busy = contended(load, task.case.threads, usable_cores(), undisturbed)
        return replace(whole, load=load, contended=busy)

    def _parts(self, task: ReplicateTask, timeout_s: float) -> list[Replicate] | Failure:
        """Run all arms at once; when one fails, end the others, which would wait for it."""

        def run(arm: str) -> Replicate | Failure:
            return self._launchers[arm].run(replace(task, own=(arm,)), timeout_s)

        futures = {self._pool.submit(run, arm): arm for arm in task.arms}
        for future in as_completed(futures):
            outcome = future.result()
            if isinstance(outcome, Failure):
                failure = self._named(outcome, futures[future], task, timeout_s)
                end_until_back(futures, self._end_processes)
                return failure
        return [part for each in futures if isinstance(part := each.result(), Replicate)]

    def _named(self, failure: Failure, arm: str, task: ReplicateTask, timeout_s: float) -> Failure:
        """Return the first failure of a replicate as that of the arms that have failed.

        Who waited too long for its turn has not: that is who has had the turn all the time. Where
        nobody has had it for long, all of them together were too slow.
        """
        arms: tuple[str, ...] = (arm,)
        if failure.status is Status.TIMEOUT:
            board = Board(task.board, task.inboxes)
            arms = board.at_work(least_s=min(WAIT_S, timeout_s / 2))
            board.close()
        if arms and self._go_on_without(task, arms):
            return replace(failure, of=arms)
        return replace(failure, reason=f"{listed(arms or task.arms)}: {failure.reason}")


def end_until_back(futures: Iterable[Future[Any]], end: Callable[[], object]) -> None:
    """End processes until nobody waits for them any more: one may only have begun to start."""
    end()
    while wait(futures, timeout=AGAIN_S).not_done:
        end()


def _from_outside(part: Finding | Failure) -> bool:
    return isinstance(part, Failure) and part.from_outside


def _one_load(parts: Sequence[Load]) -> Load:
    """Return the load of a set of processes: what one did is not foreign to the others."""
    own_cpu_s = sum(part.own_cpu_s for part in parts)
    widest = max(parts, key=lambda part: part.wall_s)
    foreign_cpu_s = waited_s = switches = None
    if widest.foreign_cpu_s is not None:
        foreign_cpu_s = max(0.0, widest.foreign_cpu_s + widest.own_cpu_s - own_cpu_s)
    if all(part.waited_s is not None for part in parts):
        waited_s = sum(part.waited_s or 0.0 for part in parts)
    if all(part.involuntary_switches is not None for part in parts):
        switches = sum(part.involuntary_switches or 0 for part in parts)
    others = widest.gpu_foreign_processes
    return replace(
        widest,
        gpu_foreign_processes=others and max(0, others - (len(parts) - 1)),
        own_cpu_s=own_cpu_s,
        foreign_cpu_s=foreign_cpu_s,
        waited_s=waited_s,
        involuntary_switches=switches,
    )


def _one_replicate(parts: Sequence[Replicate]) -> Replicate:
    device = [part.device_rounds_s for part in parts if part.device_rounds_s is not None]
    launch = [part.launch_rounds_s for part in parts if part.launch_rounds_s is not None]
    compiled = [part.compile_s for part in parts if part.compile_s is not None]
    return replace(
        parts[0],
        rounds_s={arm: values for part in parts for arm, values in part.rounds_s.items()},
        device_rounds_s={a: v for each in device for a, v in each.items()} or None,
        launch_rounds_s={a: v for each in launch for a, v in each.items()} or None,
        compile_s={a: v for each in compiled for a, v in each.items()} or None,
        elapsed_s=max(part.elapsed_s for part in parts),
        spans_s={arm: spans_s for part in parts for arm, spans_s in part.spans_s.items()},
        resident_bytes={a: v for part in parts for a, v in part.resident_bytes.items()},
        waiting_cpu={a: v for part in parts for a, v in part.waiting_cpu.items()},
        disturbed=tuple(sorted({i for part in parts for i in part.disturbed})),
        contended=True,  # until it is judged: what disturbed one disturbed the round of all
    )


def _one_finding(parts: Sequence[Finding]) -> Finding:
    facts = {arm: found for part in parts for arm, found in part.facts.items()}
    seconds = [part.round_s for part in parts if part.round_s is not None]
    return replace(parts[0], facts=facts, round_s=sum(seconds) if seconds else None)
