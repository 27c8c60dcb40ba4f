"""Small builders of records with neutral defaults."""

from pathlib import Path
from typing import Any

from bench.schema.case import Case
from bench.schema.recipe import Recipe
from bench.schema.records import ArmFacts, CaseResult, Finding, Load, Replicate, Status
from bench.schema.tasks import CheckTask, ReplicateTask

CALM = Load(
    wall_s=1.0,
    own_cpu_s=2.0,
    foreign_cpu_s=0.0,
    stolen_s=0.0,
    waited_s=0.0,
    throttled_s=None,
    involuntary_switches=3,
)


def case(**axes: Any) -> Case:
    defaults: dict[str, Any] = {
        "backbone": "cnn",
        "scope": "neck",
        "batch_size": 1,
        "height_px": 224,
        "width_px": 224,
        "device": "cpu",
        "dtype": "float32",
        "channels_last": False,
        "compile_mode": "off",
        "pass_name": "inference",
        "threads": 2,
    }
    return Case(**(defaults | axes))


def recipes(**texts: str) -> dict[str, Recipe]:
    """Return arms by the texts of what they run."""
    return {arm: Recipe.parse(text) for arm, text in texts.items()}


def check_task(folder: Path, of: Case | None = None, **values: Any) -> CheckTask:
    return CheckTask(case=of or case(), seed=0, scratch_dir=str(folder), **values)


def replicate_task(folder: Path, of: Case | None = None, **values: Any) -> ReplicateTask:
    defaults: dict[str, Any] = {"index": 0, "server": 0, "first_round": 0, "rounds": 6}
    return ReplicateTask(case=of or case(), seed=0, scratch_dir=str(folder), **(defaults | values))


def rounds(ratio: float = 1.5, aa_ratio: float = 1.0, count: int = 6) -> dict[str, list[float]]:
    fpn = [0.01 + 0.001 * i for i in range(count)]
    return {
        "fpn": fpn,
        "panet": [x * ratio for x in fpn],
        "fpn_again": [x * aa_ratio for x in fpn],
    }


def replicate(index: int = 0, **values: Any) -> Replicate:
    defaults: dict[str, Any] = {
        "index": index,
        "server": index,
        "first_round": 6 * index,
        "rounds_s": rounds(),
        "device_rounds_s": None,
        "compile_s": None,
        "elapsed_s": 1.5,
        "load": CALM,
        "contended": False,
    }
    return Replicate(**(defaults | values))


def split_replicate(
    index: int = 0, ratio: float = 1.5, residual: float = 1.0, more: int = 2, **values: Any
) -> Replicate:
    """Return a replicate whose calls of ``panet`` are split, and called more often.

    Args:
        index: of the replicate.
        ratio: what the cost is inside the calls.
        residual: what FPN takes beside the path over what it takes alone.
        more: calls behind the rounds.
        values: of other fields.
    """
    fpn = rounds()["fpn"]
    beside = [x * residual for x in fpn]

    def spans(rest_s: list[float]) -> dict[str, list[float]]:
        halves = {f"fpn p{level} smooth": [x / 2 for x in rest_s] for level in (3, 2)}
        return halves | {"panet n3 fuse": [x * (ratio - 1) for x in rest_s]}

    rounds_s = {"fpn": fpn, "panet": [x * ratio for x in beside], "fpn_again": fpn}
    fields: dict[str, Any] = {
        "rounds_s": rounds_s,
        "spans_s": {"panet": spans(beside), "fpn": {"fpn p2 smooth": fpn}},
        "more_spans_s": {"panet": spans([0.02] * more)},
    }
    return replicate(index, **(fields | values))


def facts(**values: Any) -> ArmFacts:
    defaults: dict[str, Any] = {"params": 10, "macs": 100, "peak_bytes": 1000, "compile_s": None}
    return ArmFacts(**(defaults | values))


def finding(status: Status = Status.OK, reason: str = "", **values: Any) -> Finding:
    arms = {"fpn": facts(), "panet": facts(params=20, macs=143, peak_bytes=1500)}
    defaults: dict[str, Any] = {
        "images": "scikit-image: astronaut",
        "facts": {**arms, "fpn_again": facts()},
        "round_s": 0.1,
    }
    return Finding(status, reason, **(defaults | values))


def result(status: Status = Status.OK, reason: str = "", **values: Any) -> CaseResult:
    defaults: dict[str, Any] = {
        "case": case(),
        "finding": finding(),
        "replicates": tuple(replicate(i, rounds_s=rounds(1.5 + 0.01 * (i % 3))) for i in range(6)),
    }
    return CaseResult(status=status, reason=reason, **(defaults | values))
