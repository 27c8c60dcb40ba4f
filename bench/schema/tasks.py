"""What the engine asks of a worker process, and how it is written down. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from bench.schema.case import Case
from bench.schema.records import COST_ARMS

Kind = Literal["check", "replicate", "trace", "ceilings", "fit"]

Order = Literal["balanced", "fixed", "blocks"]
"""``balanced`` is how we measure. ``fixed``, the same order in every round, and ``blocks``, one arm
after the other, are how others do: for `bench.lab.other_tools`."""


@dataclass(frozen=True)
class Task:
    """One worker process's work."""

    kind: Kind
    case: Case
    seed: int
    scratch_dir: str
    """Private to the run: inputs made once, and the compiler's caches."""
    images_dir: str | None
    arms: Mapping[str, str] = field(default_factory=lambda: dict(COST_ARMS))
    """What takes turns, and which network each arm runs (recipes of `bench.workload.arms`)."""
    sides: Mapping[str, str] = field(default_factory=dict)
    """Side of a comparison -> folder of its code; recipes name sides behind an ``@``."""
    package: str = "panet"
    """What is loaded from these folders."""
    own: tuple[str, ...] = ()
    """Of `arms`, those that this process runs; none named: all of them."""
    inboxes: Mapping[str, str] = field(default_factory=dict)
    """Arm -> FIFO of its process, where the arms are in processes of their own
    (`bench.engine.turn_token`)."""
    index: int = 0
    """Of the replicate within its case."""
    server: int = 0
    """The fork server that a replicate comes from."""
    first_round: int = 0
    rounds: int = 0
    order: Order = "balanced"
    arm: str = ""
    """The one that is traced; checks and replicates run all of `arms`."""
    trace_dir: str = ""
    limit_bytes: int | None = None
    """Of memory; otherwise most of what is free."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from what `asdict` made of it."""
        case = Case.from_json(data["case"])
        return cls(**{**data, "case": case, "own": tuple(data.get("own", ()))})
