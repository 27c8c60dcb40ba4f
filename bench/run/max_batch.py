"""``python -m bench fit``: the largest batch that fits into memory, with FPN and with PANet.

Every try is a worker with a limit of its own, so running out of memory is an answer and not a dead
machine. A prediction from the tensors of one and two images says where to begin; what it misses
(the scratch space of the libraries, fragments) is what the tries are for.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from tabulate import tabulate

from bench.engine.launcher import Launcher
from bench.engine.opened import launched
from bench.machine.peak_memory import peak_bytes
from bench.schema.case import Case, names_of
from bench.schema.errors import BenchError
from bench.schema.recipe import COST_ARMS, TRACED_ARMS
from bench.schema.records import Status
from bench.schema.tasks import Task
from bench.workload.arms import build_arms
from bench.workload.inputs import placeholder_inputs

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


@dataclass(frozen=True, kw_only=True)
class MemoryTask(Task[Memory]):
    """Call an arm once, on inputs without a meaning, and see what memory it takes."""

    handler: ClassVar[str] = "bench.run.max_batch:measure_memory"

    def result(self, data: Any) -> Memory:  # noqa: ANN401
        """Return what the worker saw."""
        return Memory(**data)


def measure_memory(task: MemoryTask) -> dict[str, int]:
    """Build the only arm of the task, call it, and return the fields of `Memory`."""
    device = torch.device(task.case.device)
    base_bytes = _data_bytes() if device.type == "cpu" else 0
    inputs = placeholder_inputs(task)
    (arm,) = build_arms(task, inputs, compiled=False).values()
    arm.prepare()
    peak = peak_bytes(arm.call, device)
    weights = [*arm.network.parameters(), *arm.network.buffers()]
    return asdict(
        Memory(
            base_bytes=base_bytes,
            fixed_bytes=sum(x.nbytes for x in weights),
            input_bytes=sum(x.nbytes for x in inputs),
            peak_bytes=peak or 0,
        )
    )


def _data_bytes() -> int:
    """Return what counts towards the limit: the private memory of this process (proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


class Search:
    """Finds the largest batches.

    Args:
        launcher: starts the workers.
        scratch_dir: for the workers.
        say: hears of every try.
    """

    def __init__(self, launcher: Launcher, scratch_dir: str, say: Callable[[str], object]) -> None:
        self._launcher, self._scratch_dir, self._say = launcher, scratch_dir, say

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
        task = MemoryTask(
            case=replace(case, batch_size=batch),
            seed=0,
            scratch_dir=self._scratch_dir,
            arms={arm: COST_ARMS[arm]},
            limit_bytes=limit_bytes,
        )
        outcome = self._launcher.run(task, TIMEOUT_S)
        if isinstance(outcome, Memory):
            return outcome
        if outcome.status == Status.OOM or (batch > 1 and NO_SCRATCH in outcome.reason):
            return outcome.reason
        raise BenchError(f"{task.case.case_id}: {outcome.reason}")


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
    with (
        tempfile.TemporaryDirectory() as scratch,
        # The allocator that keeps its pages takes memory in advance.
        launched(Path(scratch), cases, allocator=False) as launcher,
    ):
        search_for = Search(launcher, scratch, say)
        searches = list(itertools.product(cases, TRACED_ARMS))
        start_s = time.monotonic()
        for number, (case, arm) in enumerate(searches):
            if number:
                left_s = (time.monotonic() - start_s) / number * (len(searches) - number)
                say(f"{number} of {len(searches)} found; about {left_s / 60:.1f} min left")
            fits.append(search_for.find(case, arm, limit_bytes))
            (folder / FILE).write_text(json.dumps([fit.to_json() for fit in fits], indent=1))
    return fits


def table(found: Sequence[Fit]) -> str:
    """Return the answers as text, a row per case."""
    headers = ["case", "FPN: images", "predicted", "+PANet: images", "predicted"]
    rows = [[name, *_cells(arms)] for name, arms in _by_case(found).items()]
    return tabulate(rows, headers, tablefmt="github")


def sentences(found: Sequence[Fit]) -> Iterator[str]:
    """Yield what PANet costs in images of a batch, a line per case."""
    for name, arms in _by_case(found).items():
        fpn, panet = (arms[arm] for arm in TRACED_ARMS)
        if panet.largest == MOST_IMAGES:
            yield f"{name}: {MOST_IMAGES} images fit with either; no search goes beyond"
        elif not fpn.largest:
            yield f"{name}: not even one image fits: {fpn.reason}"
        else:
            yield f"{name}: PANet costs {fpn.largest - panet.largest} of {fpn.largest} images"


def _by_case(found: Sequence[Fit]) -> dict[str, dict[str, Fit]]:
    """Return the name of a case, whose batch says nothing -> arm -> its answer."""
    names = names_of((fit.case for fit in found), {"batch_size"})
    by_case: dict[str, dict[str, Fit]] = {}
    for fit in found:
        by_case.setdefault(names[fit.case.case_id], {})[fit.arm] = fit
    return by_case


def _cells(arms: Mapping[str, Fit]) -> Iterator[str]:
    for arm in TRACED_ARMS:
        fit = arms[arm]
        yield f"{fit.largest}{'+' if fit.largest == MOST_IMAGES else ''}"
        yield "-" if fit.predicted is None else f"{fit.predicted}"
