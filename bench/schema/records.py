"""The one schema: what a run asks for and what it finds, as frozen data. Standard library only.

A `Case` (`bench.schema.case`) is one point of the grid. Its `Replicate`s hold the raw rounds of
every arm, one fresh process each. A `CaseResult` is a case with its status, facts and replicates.
Nothing here computes a statistic: `bench.stats` does, from the rounds, at any later time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from bench.schema.case import Case
from bench.schema.stored import RecordError, Stored

SCHEMA = 8
SCHEMA_HISTORY = {
    1: "first: cases, replicates with raw rounds, facts per arm, cost per case",
    2: "load: pressure and clock throttling, unknown in older files; cost: both turns of FPN",
    3: "facts: graphs and graph breaks of a compiled arm, operators; unknown in older files",
    4: "launches timed by themselves, state of the GPU; unknown in older files",
    5: "status too_wide, in older files undecided; a user's network has a field of its own",
    6: "spans: seconds of every stage of every round; rounds that waited for a CPU are left out",
    7: "runtimes: seconds until a file is built, loaded and called, its size, settings read back",
    8: "differences of compiled and exported arms from eager float32, level by level",
}

MUST_MATCH = (
    *("cpu", "cores", "affinity", "cpu_flags", "governor", "accelerator", "machine"),
    *("python", "libraries", "cpu_capability", "allocator"),
)
"""Of their environments, what two runs must share before their times are compared. The kernel
(``system``) and the size of the memory are reported beside them; threads and precision are axes of
the case."""


def lasting(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an environment what two runs must share before their times are compared."""
    return {name: environment.get(name) for name in MUST_MATCH}


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the fields of two environments that must match and do not.

    A field that one of them does not have yet (an older file) cannot be judged and is left out.
    """
    return [n for n in MUST_MATCH if n in stored and n in now and stored[n] != now[n]]


class Status(StrEnum):
    """Outcome of a case; every one but `OK` comes with a reason."""

    OK = "ok"
    TOO_WIDE = "too_wide"
    """The interval is right, but wider than asked."""
    CONTENDED = "contended"
    OOM = "oom"
    TIMEOUT = "timeout"
    COMPILE_ERROR = "compile_error"
    MISMATCH = "mismatch"
    CRASHED = "crashed"
    SKIPPED = "skipped"

    @classmethod
    def _missing_(cls, value: object) -> "Status | None":
        """Read the word of schema 4 and older."""
        return cls.TOO_WIDE if value == "undecided" else None


MEASURED = frozenset({Status.OK, Status.TOO_WIDE, Status.CONTENDED})
"""Statuses that come with rounds."""

NOT_POSSIBLE = frozenset({Status.SKIPPED, Status.OOM, Status.TIMEOUT})
"""Findings about this machine; the others of the unmeasured are failures."""


@dataclass(frozen=True)
class ArmFacts(Stored):
    """What is true of an arm of a case whatever the clock says; `None` where it is not known."""

    params: int
    macs: int
    """Multiply-accumulates of one call's forward pass; ``flops`` is twice that."""
    peak_bytes: int | None
    """Peak tensor memory of one call on top of parameters and inputs."""
    compile_s: float | None
    """Until the first call is back, from empty caches or no file. `None` in eager mode."""
    graphs: int | None = None
    """That the compiler made; one is the whole network. `None` in eager mode."""
    graph_breaks: int | None = None
    """Where it gave up and left Python to run. `None` in eager mode."""
    operators: int | None = None
    """That one eager call executes."""
    build_s: float | None = None
    """Until the file was written that a runtime reads; `None` where torch itself runs it."""
    load_s: float | None = None
    """From that file to what can be called."""
    first_s: float | None = None
    """The first call of it. Build, load and first call are together `compile_s`."""
    file_bytes: int | None = None
    """Of that file."""
    read_back: dict[str, str] = field(default_factory=dict)
    """What the runtime says of itself: version, threads, precision, nodes that it executes."""
    quantised: bool = False
    """Whether it computes in integers, and so something else than the others."""
    level_differences: dict[str, float] = field(default_factory=dict)
    """Of an arm that is compiled or exported: level, such as ``n3`` -> the largest difference from
    eager float32, relative to the largest value of the level."""
    level_sqnr_db: dict[str, float | None] = field(default_factory=dict)
    """The same as a ratio of signal to noise, in decibels; `None` without any difference."""

    @property
    def flops(self) -> int:
        """Floating-point operations of one call's forward pass."""
        return 2 * self.macs


NOT_COUNTED = ("read_back", "quantised", "level_differences", "level_sqnr_db")

FACTS = (*(fact.name for fact in fields(ArmFacts) if fact.name not in NOT_COUNTED), "flops")
"""What is counted of an arm, by the names under which it is stored, shown and compared."""


@dataclass(frozen=True)
class Load(Stored):
    """What the machine did during the rounds of a replicate; `None` where it cannot be read."""

    wall_s: float
    own_cpu_s: float
    foreign_cpu_s: float | None
    """CPU time of everybody else, all cores together."""
    stolen_s: float | None
    """Time that the hypervisor gave to others, averaged over the cores."""
    waited_s: float | None
    """Time in which the worker's own threads were runnable and waited for a CPU, all together."""
    throttled_s: float | None
    """Time in which the cgroup's quota was used up."""
    involuntary_switches: int | None
    pressure_s: float | None = None
    """Time in which some thread of the machine waited for a CPU (pressure-stall information)."""
    clock_throttles: int | None = None
    """How often the cores lowered their clock because of heat."""
    gpu_clock_hz: float | None = None
    """Of the multiprocessors, right after the last round."""
    gpu_power_w: float | None = None
    gpu_power_limit_w: float | None = None
    gpu_temperature_c: float | None = None
    gpu_throttles: str | None = None
    """Why the GPU's clocks were below what they could be: of `bench.machine.gpu.REASONS`, with
    spaces."""
    gpu_foreign_processes: int | None = None
    """Others that had work on the GPU."""


OTHER = "other"
"""The stage of what is in no stage: what holds the parts together, and in training the loss."""


@dataclass(frozen=True)
class Replicate(Stored):
    """The rounds of one fresh process."""

    index: int
    server: int
    """The fork server that the process came from; children of one server share address layout."""
    first_round: int
    """Position of the first round in the balanced sequence of orders of the case."""
    rounds_s: dict[str, list[float]]
    """Wall seconds per arm, aligned round by round."""
    device_rounds_s: dict[str, list[float]] | None
    """The same by device events; `None` where the device has none."""
    compile_s: dict[str, float] | None
    """Per arm until the first call was back, with full caches, or from the file that a runtime
    reads. `None` in eager mode, unless a task asked for it."""
    elapsed_s: float
    """The whole process, from fork to result."""
    load: Load
    contended: bool
    """The machine was busy with something else; judged from it alone, and never from the times."""
    launch_rounds_s: dict[str, list[float]] | None = None
    """Seconds until each call came back, the device perhaps still working; `None` as above."""
    spans_s: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Arm -> stage -> seconds of it in each round, of the arms whose calls were split by marks. The
    spans of a call add up to it. By device events where the device has them."""
    disturbed: tuple[int, ...] = ()
    """Rounds whose calls had to wait for a CPU; they do not count."""
    more_spans_s: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """The same of calls behind the rounds, which were not disturbed: arm -> stage -> seconds. They
    need no partner, because the cost is read inside of each."""
    resident_bytes: dict[str, int] = field(default_factory=dict)
    """Of arms in processes of their own: by how much memory each had grown behind its rounds."""
    waiting_cpu: dict[str, float] = field(default_factory=dict)
    """Of the same: the share of a core that each used while it waited for its turns."""

    def __post_init__(self) -> None:
        """Refuse rounds that are not aligned, or are no durations."""
        if isinstance(self.load, Mapping):
            object.__setattr__(self, "load", Load.from_json(self.load))
        object.__setattr__(self, "disturbed", tuple(self.disturbed))
        if len({len(rounds) for rounds in self.rounds_s.values()}) != 1 or not self.call_count:
            raise RecordError(f"replicate {self.index}: the arms have no equal number of rounds")
        if not all(math.isfinite(x) and x > 0 for rounds in self.rounds_s.values() for x in rounds):
            raise RecordError(f"replicate {self.index}: a round has no positive duration")
        spans = [span for by_stage in self.spans_s.values() for span in by_stage.values()]
        if not all(self.spans_s.values()):
            raise RecordError(f"replicate {self.index}: the calls of an arm are split into nothing")
        if any(len(span) != self.round_count for span in spans):
            raise RecordError(f"replicate {self.index}: a span has another number of rounds")
        if not all(
            _alike(self.spans_s.get(arm, {}), more) for arm, more in self.more_spans_s.items()
        ):
            raise RecordError(f"replicate {self.index}: calls behind the rounds have other stages")
        if not set(self.disturbed) <= set(range(self.round_count)):
            raise RecordError(f"replicate {self.index}: a round was disturbed that it has not")
        if not self.contended and len(set(self.disturbed)) == self.call_count:
            raise RecordError(f"replicate {self.index}: every call was disturbed, and it counts")

    @property
    def round_count(self) -> int:
        """Rounds of this replicate."""
        return len(next(iter(self.rounds_s.values()), ()))

    @property
    def call_count(self) -> int:
        """Rounds, and calls behind them."""
        return self.round_count + sum(map(calls_in, self.more_spans_s.values()))

    @property
    def undisturbed(self) -> "Replicate":
        """The replicate without its disturbed rounds: perhaps only the calls behind them."""
        if not self.disturbed:
            return self
        out = self.disturbed
        return replace(
            self,
            rounds_s=without(out, self.rounds_s),
            device_rounds_s=self.device_rounds_s and without(out, self.device_rounds_s),
            launch_rounds_s=self.launch_rounds_s and without(out, self.launch_rounds_s),
            spans_s={arm: without(out, spans_s) for arm, spans_s in self.spans_s.items()},
            disturbed=(),
        )


def without(calls: Iterable[int], seconds: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Return what is known of calls, by arm or by stage, without some of them."""
    out = set(calls)
    return {name: [x for i, x in enumerate(of) if i not in out] for name, of in seconds.items()}


def _alike(spans_s: Mapping[str, Sequence[float]], more: Mapping[str, Sequence[float]]) -> bool:
    """Whether calls behind the rounds have the stages of the rounds, and all equally many calls."""
    return set(more) == set(spans_s) and len({len(span) for span in more.values()}) <= 1


def calls_in(spans_s: Mapping[str, Sequence[float]]) -> int:
    """Return of how many calls these are the spans: stage -> seconds in each."""
    return len(next(iter(spans_s.values()), ()))


def undisturbed(replicates: Iterable[Replicate]) -> tuple[Replicate, ...]:
    """Return the replicates, and of them the rounds, that nothing else on the machine disturbed."""
    return tuple(replicate.undisturbed for replicate in replicates if not replicate.contended)


@dataclass(frozen=True)
class LeftOut(Stored):
    """Why an arm in a process of its own takes no turns, or no more, while the others do."""

    status: str
    reason: str


@dataclass(frozen=True)
class Finding(Stored):
    """What the check of a case found before any timing."""

    status: str
    reason: str
    images: str
    """Which pictures the inputs come from."""
    facts: dict[str, ArmFacts] = field(default_factory=dict)
    round_s: float | None = None
    """About how long one round of all arms takes; for planning only."""
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    """Arms that failed their check or a replicate, without which the others go on."""

    def __post_init__(self) -> None:
        """Build what is known of the arms from mappings."""
        for name, kind in (("facts", ArmFacts), ("left_out", LeftOut)):
            known = getattr(self, name)
            if not all(isinstance(of_arm, kind) for of_arm in known.values()):
                built = {arm: kind.from_json(of_arm) for arm, of_arm in known.items()}
                object.__setattr__(self, name, built)


@dataclass(frozen=True)
class CaseResult:
    """A case with everything found about it."""

    case: Case
    status: Status
    reason: str
    finding: Finding | None
    replicates: tuple[Replicate, ...]

    @property
    def used(self) -> tuple[Replicate, ...]:
        """The replicates that count: the undisturbed ones, or all where the case is contended."""
        return self.replicates if self.status is Status.CONTENDED else undisturbed(self.replicates)
