"""Anyone's network on a simulated machine: the look into it is real, the rounds are not."""

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.engine.worker import _status_of
from bench.machine import advice
from bench.run import header
from bench.run.own import measuring
from bench.schema.records import OTHER, Finding, Replicate, Status
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Task
from bench.workload.looking import LookTask, look
from tests.support.factories import facts, replicate

NETWORK = """
    import torch
    from torch import nn

    class Neck(nn.Module):
        def __init__(self, out=4):
            super().__init__()
            self.lateral, self.unused = nn.Conv2d(4, out, 1), nn.Identity()
            self.bottom_up = nn.Conv2d(out, out, 3, padding=1)

        def forward(self, x):
            return self.bottom_up(self.bottom_up(self.lateral(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.neck = nn.Conv2d(3, 4, 3, padding=1), Neck()

        def forward(self, x):
            return [self.neck(self.body(x))]

    def make(batch, height, width): return Net(), torch.zeros(batch, 3, height, width)
    def wider(): return Neck(8)
    def small(batch, height, width):
        assert batch < 2, "can't allocate memory"
        return make(batch, height, width)
    def fails(batch, height, width): return Net(), torch.zeros(batch, 5, height, width)
"""

PART_S, REST_S = 0.002, 0.008
"""Of a call; another module in the place of a part takes half as long again."""


class Machine:
    """A launcher without processes: it looks itself, and makes the rounds up."""

    def __init__(self, *, busy: bool = False, status: Status = Status.OK) -> None:
        self.busy, self.status = busy, status
        self.tasks: list[Task[Any]] = []
        self.refused: dict[int, Failure] = {}
        """What becomes of the check of a case, by its images."""

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        self.tasks.append(task)
        if isinstance(task, LookTask):
            try:
                return task.result(look(task).to_json())
            except Exception as error:  # noqa: BLE001 - as a worker's
                return Failure(*_status_of(error))
        if isinstance(task, CheckTask) and task.case.batch_size in self.refused:
            return self.refused[task.case.batch_size]
        if isinstance(task, CheckTask):
            counted = {arm: facts() for arm in task.arms}
            return Finding(self.status, "no room", "", counted, round_s=0.05)
        assert isinstance(task, ReplicateTask)
        return self._replicate(task)

    def close(self) -> None: ...

    def _replicate(self, task: ReplicateTask) -> Replicate:
        speed = 1 + 0.1 * (task.index % 3)

        def spans_s(arm: str, count: int) -> dict[str, list[float]]:
            scale = 1.5 if task.arms[arm].exchange or task.arms[arm].factory else 1.0
            parts = dict.fromkeys(task.marked, PART_S * scale * speed)
            return {name: [s] * count for name, s in {**parts, OTHER: REST_S * speed}.items()}

        by_arm = {arm: spans_s(arm, task.rounds) for arm in task.arms}
        rounds_s = {
            arm: [sum(call) for call in zip(*of.values(), strict=True)]
            for arm, of in by_arm.items()
        }
        return replicate(
            task.index,
            server=task.server,
            first_round=task.first_round,
            rounds_s=rounds_s,
            spans_s=by_arm if task.marked else {},
            more_spans_s={arm: spans_s(arm, count) for arm, count in task.more.items()},
            contended=self.busy,
        )


def simulated(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Machine:
    """Put a machine in the place of this one, and the network into a folder as ``mynet.py``."""
    made = Machine()

    @contextlib.contextmanager
    def launched(scratch_dir: Path, *_: object, **__: object) -> Iterator[Machine]:
        scratch_dir.mkdir(parents=True, exist_ok=True)
        yield made

    monkeypatch.setattr(measuring, "launched", launched)
    monkeypatch.setattr(advice, "give", lambda *_: [])
    for module in (header, measuring):
        monkeypatch.setattr(module, "git_commit", lambda *_: None)
    (folder / "mynet.py").write_text(textwrap.dedent(NETWORK))
    return made
