"""What a worker process is to do, a type per kind of work, each with the type of its result.

A task names the function that does it, so that the engine knows none of the rooms behind it.
"""

import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import COST_ARMS, Arms, Recipe, texts
from bench.schema.records import Finding, Replicate, Status
from bench.schema.ways import in_way

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Result_co]):
    """One worker process's work."""

    handler: ClassVar[str]
    """``module:function`` that takes the task and returns the result as plain values."""

    case: Case
    seed: int
    scratch_dir: str
    """Private to the run: inputs made once, and the compiler's caches."""
    images_dir: str | None = None
    arms: Arms = field(default_factory=lambda: COST_ARMS)
    sides: Mapping[str, str] = field(default_factory=dict)
    """Side of a comparison -> folder of its code."""
    package: str = "panet"
    """What is loaded from these folders."""
    limit_bytes: int | None = None
    """Of memory; otherwise most of what is free."""
    marked: tuple[str, ...] = ()
    """Modules that split calls are split around, by their paths; none: what
    `bench.workload.stages` says."""
    shapes: tuple[str, ...] = ()
    """Of a user's inputs, such as ``1x3x800x1344``; none: the factory gives the inputs."""

    def result(self, data: Any) -> Result_co:  # noqa: ANN401 - what the handler returned
        """Return the result, rebuilt from plain values."""
        raise NotImplementedError

    def in_way_of(self, arms: Collection[str]) -> Self:
        """Return the task with the case as some of its arms run it, and no other arms.

        Raises:
            BenchError: they are to be run in several ways, which one process cannot do.
        """
        ways = {self.arms[arm].way for arm in arms}
        if len(ways) > 1:
            raise BenchError(f"one process runs its arms in one way, not as {sorted(ways)}")
        case = in_way(self.case, ways.pop())
        return replace(self, case=case, arms={arm: self.arms[arm] for arm in arms})

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the type by its name."""
        kind = f"{type(self).__module__}:{type(self).__qualname__}"
        return {**asdict(self), "type": kind, "arms": texts(self.arms)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping, whose lists may have been tuples."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "type"
        }
        values["case"] = Case.from_json(data["case"])
        values["arms"] = {arm: Recipe.parse(text) for arm, text in data["arms"].items()}
        return cls(**values)


def task_from_json(data: Mapping[str, Any]) -> Task[Any]:
    """Rebuild a task of any type from `Task.to_json`'s mapping."""
    kind: type[Task[Any]] = pkgutil.resolve_name(data["type"])
    return kind.from_json(data)


@dataclass(frozen=True)
class Failure:
    """A worker that gave no result."""

    status: Status
    reason: str
    from_outside: bool = False
    """Whether somebody else has killed it: that says nothing of the case."""
    of: tuple[str, ...] = ()
    """Arms in processes of their own that it is the failure of, and without which the others can go
    on; none: it is the case's."""


@dataclass(frozen=True, kw_only=True)
class CheckTask(Task[Finding]):
    """Do the arms do the same work, and what is true of them whatever the clock says?"""

    handler: ClassVar[str] = "bench.workload.check:check_task"

    def result(self, data: Any) -> Finding:  # noqa: ANN401
        """Return the finding."""
        return Finding.from_json(data)


Order = Literal["balanced", "fixed", "blocks"]
"""``balanced`` is how we measure. ``fixed``, the same order in every round, and ``blocks``, one arm
after the other, are how others do: for `bench.lab.other_tools`."""


@dataclass(frozen=True, kw_only=True)
class ReplicateTask(Task[Replicate]):
    """Rounds in a fresh process."""

    handler: ClassVar[str] = "bench.engine.replicate:replicate"

    index: int
    """Of the replicate within its case."""
    server: int
    """The fork server that it comes from."""
    first_round: int
    rounds: int
    more: Mapping[str, int] = field(default_factory=dict)
    """Arm whose calls are split -> how many more of its calls follow the rounds."""
    order: Order = "balanced"
    own: tuple[str, ...] = ()
    """Of `arms`, those that this process runs; none named: all of them."""
    start_up: bool = False
    """Whether seconds until the first answer and memory are read, of eager arms as well."""
    inboxes: Mapping[str, str] = field(default_factory=dict)
    """Arm -> FIFO of its process, where the arms are in processes of their own
    (`bench.engine.turn_token`)."""
    board: str = ""
    """The file in which these processes see who is at work (`bench.engine.turn_board`)."""

    def result(self, data: Any) -> Replicate:  # noqa: ANN401
        """Return the replicate."""
        return Replicate.from_json(data)
