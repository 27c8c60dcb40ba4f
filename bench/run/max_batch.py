"""``python -m bench fit``: the largest batch that fits into memory, with FPN and with PANet.

Every try is a worker with a limit of its own, so running out of memory is an answer and not a dead
machine. A prediction from the tensors of one and two images says where to begin; what it misses
(the scratch space of the libraries, fragments) is what the tries are for.
"""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.engine.launcher import Failure, Launcher, ServerLauncher
from bench.engine.scheduler import preload
from bench.machine.environment import usable_cores
from bench.schema.errors import BenchError
from bench.schema.records import TRACED_ARMS, Case, Status
from bench.schema.tasks import Task

FILE = "fit.json"

MOST_IMAGES = 4096
"""No search goes beyond: such a batch is not what limits anybody."""

TIMEOUT_S = 900.0

NO_SCRATCH = "could not create a primitive"
"""oneDNN's words where its scratch space does not fit under the limit. With one image they would
mean that the case cannot run at all."""


@dataclass(frozen=True)
class Memory:
    """What a worker saw of its memory."""

    base_bytes: int
    """Of the process before it built anything: code and libraries. 0 on an accelerator."""
    fixed_bytes: int
    """Weights and buffers."""
    input_bytes: int
    peak_bytes: int
    """Tensors of one call, on top of weights and inputs."""


@dataclass(frozen=True)
class Fit:
    """The answer for an arm of a case."""

    case: Case
    arm: str
    limit_bytes: int
    predicted: int | None
    """From the tensors of one and two images; `None` if not even these fit."""
    largest: int
    """0: not even one image fits."""
    tries: tuple[tuple[int, bool], ...]
    reason: str
    """Why the next larger batch does not fit."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "case": self.case.to_json()}


class Search:
    """Finds the largest batches.

    Args:
        launcher: starts the workers.
        task: with seed, folders and pictures; case, arm and limit are filled in.
        say: hears of every try.
    """

    def __init__(self, launcher: Launcher, task: Task, say: Callable[[str], object]) -> None:
        self._launcher, self._task, self._say = launcher, task, say

    def find(self, case: Case, arm: str, limit_bytes: int) -> Fit:
        """Return the largest batch of an arm within a limit.

        Raises:
            BenchError: the case cannot run at all, for another reason than memory.
        """
        found: dict[int, Memory | str] = {}

        def fits(batch: int) -> bool:
            if batch not in found:
                found[batch] = self._try(case, arm, batch, limit_bytes)
                says = "fits" if isinstance(found[batch], Memory) else "does not fit"
                self._say(f"{arm}, batch {batch}: {says}")
            return isinstance(found[batch], Memory)

        predicted = None
        if fits(1) and fits(2):
            one, two = found[1], found[2]
            assert isinstance(one, Memory) and isinstance(two, Memory)  # noqa: S101, PT018 - they fit
            predicted = predict(one, two, limit_bytes)
        largest = search(fits, predicted or 1, MOST_IMAGES)
        reason = found.get(largest + 1, "")
        tries = tuple((batch, isinstance(m, Memory)) for batch, m in sorted(found.items()))
        return Fit(case, arm, limit_bytes, predicted, largest, tries, str(reason))

    def _try(self, case: Case, arm: str, batch: int, limit_bytes: int) -> Memory | str:
        task = replace(
            self._task,
            kind="fit",
            case=replace(case, batch_size=batch),
            arm=arm,
            limit_bytes=limit_bytes,
        )
        outcome = self._launcher.run(task, TIMEOUT_S)
        if isinstance(outcome, dict):
            return Memory(**outcome)
        if isinstance(outcome, Failure) and (
            outcome.status == Status.OOM or (batch > 1 and NO_SCRATCH in outcome.reason)
        ):
            return outcome.reason
        reason = outcome.reason if isinstance(outcome, Failure) else str(outcome)
        raise BenchError(f"{task.case.case_id}: {reason}")


def predict(one: Memory, two: Memory, limit_bytes: int) -> int:
    """Return the batch that should just fit, from what one and two images need."""
    per_image = (two.peak_bytes - one.peak_bytes) + (two.input_bytes - one.input_bytes)
    once = one.base_bytes + one.fixed_bytes + one.peak_bytes + one.input_bytes - per_image
    return max(1, int((limit_bytes - once) // max(1, per_image)))


def search(fits: Callable[[int], bool], guess: int, most: int) -> int:
    """Return the largest number up to ``most`` that fits, or 0; by bisection around a guess."""
    low, high = 0, most + 1
    step = max(1, guess // 16)
    probe = min(max(1, guess), most)
    while high - low > 1:
        if fits(probe):
            low = probe
        else:
            high = probe
        if low and high <= most:
            probe = (low + high) // 2
        elif low:
            probe = min(low + step, most)
        else:
            probe = max(high - step, 1)
        step *= 2
    return low


def find_all(
    cases: Sequence[Case], limit_bytes: int, folder: Path, say: Callable[[str], object]
) -> list[Fit]:
    """Return the answers for all cases, stored after each: what was found is never lost.

    Args:
        cases: whose batch is not looked at.
        limit_bytes: of one worker.
        folder: that exists.
        say: hears of every try.

    Raises:
        BenchError: a case cannot run at all, for another reason than memory.
    """
    fits: list[Fit] = []
    with tempfile.TemporaryDirectory() as scratch:
        # The allocator that keeps its pages takes memory in advance.
        launcher = ServerLauncher(Path(scratch), preload(cases), usable_cores(), allocator=False)
        search_for = Search(launcher, Task("fit", cases[0], 0, scratch, None), say)
        try:
            for case, arm in itertools.product(cases, TRACED_ARMS):
                fits.append(search_for.find(case, arm, limit_bytes))
                (folder / FILE).write_text(json.dumps([fit.to_json() for fit in fits], indent=1))
        finally:
            launcher.close()
    return fits


def table(found: Sequence[Fit]) -> str:
    """Return the answers as text, a row per case."""
    by_case: dict[str, dict[str, Fit]] = {}
    for fit in found:
        by_case.setdefault(fit.case.case_id, {})[fit.arm] = fit
    headers = ["case", "FPN: images", "predicted", "+PANet: images", "predicted"]
    rows = [[case_id, *_cells(arms)] for case_id, arms in by_case.items()]
    return tabulate(rows, headers, tablefmt="github")


def _cells(arms: Mapping[str, Fit]) -> Iterator[str]:
    for arm in TRACED_ARMS:
        fit = arms[arm]
        yield f"{fit.largest}{'+' if fit.largest == MOST_IMAGES else ''}"
        yield "-" if fit.predicted is None else f"{fit.predicted}"
