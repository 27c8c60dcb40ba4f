"""A machine without processes: its replicates take no time, and its clock is what a fault says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.engine.plan import Plan
from bench.schema.case import Case
from bench.schema.records import ArmFacts, Finding, Load, Replicate
from bench.schema.tasks import CheckTask, ReplicateTask

CALM = Load(1.0, 1.0, 0.0, 0.0, 0.0, None, 0)

ARMS = {"fpn": 0.010, "panet": 0.015, "fpn_again": 0.010}
"""What is measured -> seconds of a call."""


def case(batch_size: int = 1) -> Case:
    """Return a case."""
    return Case(
        backbone="cnn", scope="neck", batch_size=batch_size, height_px=32, width_px=32,
        device="cpu", dtype="float32", channels_last=False, compile_mode="off",
        pass_name="inference", threads=1,  # noqa: S106 - no password
    )  # fmt: skip


def finding() -> Finding:
    """Return what a check finds."""
    facts = ArmFacts(params=1, macs=1, peak_bytes=1, compile_s=None)
    return Finding("ok", "", "noise", dict.fromkeys(ARMS, facts), round_s=0.035)


def replicate(index: int, server: int = 0, times: float = 1.0, load: Load = CALM) -> Replicate:
    """Return a replicate of six rounds; equal indices give equal rounds."""
    rounds_s = {
        arm: [s * times * (1 + (7 * index + turn) % 11 / 1000) for turn in range(6)]
        for arm, s in ARMS.items()
    }
    return Replicate(
        index=index, server=server, first_round=6 * index, rounds_s=rounds_s, device_rounds_s=None,
        compile_s=None, elapsed_s=1.0, load=load, contended=False,
    )  # fmt: skip


class Simulated:
    """Runs tasks without a process.

    Args:
        after: is called when a task is done.
    """

    def __init__(self, after: Callable[[], object] = lambda: None) -> None:
        self._after = after

    def run(self, task: Any, _timeout_s: float) -> Any:  # noqa: ANN401 - a task's own result
        """Return what a task finds."""
        self._after()
        if isinstance(task, CheckTask):
            return finding()
        assert isinstance(task, ReplicateTask)  # noqa: S101 - there are no others
        return replicate(task.index, task.server)

    def close(self) -> None:
        """End nothing."""


def plan(cases: int, budget_s: float, scratch: Path) -> Plan:
    """Return a plan of so many cases."""
    return Plan(
        cases=tuple(case(size) for size in range(1, cases + 1)), budget_s=budget_s, timeout_s=60.0,
        seed=0, images_dir=None, scratch_dir=str(scratch),
    )  # fmt: skip
