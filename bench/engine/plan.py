"""What an engine is told: what is to be measured, how, until when, and who hears of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bench.schema.case import Case
from bench.schema.recipe import COST_ARMS, Arms
from bench.schema.records import CaseResult, Finding, Replicate, Status, undisturbed
from bench.schema.tasks import Order

REPLICATE_S = 1.8
"""Of timed rounds per replicate: long enough for its start (0.5 s, and its part of the server's) to
be cheap, short enough for many processes, which is what the interval lives on."""

MIN_ROUNDS = 3
"""Of a replicate of a slow case: the median passes over one disturbed round. The orders are
balanced over the case then."""


class Watch(Protocol):
    """Who wants to know how far the run is."""

    def update(
        self, now: str, left_s: float, share_done: float, known: Mapping[str, str] | None = None
    ) -> None:
        """Hear how far it is.

        Args:
            now: what is being done.
            left_s: at most.
            share_done: of the whole.
            known: name of every case -> what is known of it so far.
        """


@dataclass(frozen=True)
class Design:
    """How rounds are taken: the defaults are how we measure.

    `bench.lab.other_tools` switches one off at a time, to see what it is good for.
    """

    order: Order = "balanced"
    allocator: bool = True
    """Whether malloc is to keep its pages."""
    replicate_s: float = REPLICATE_S
    one_server: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and within what time."""

    cases: tuple[Case, ...]
    budget_s: float
    timeout_s: float
    seed: int
    images_dir: str | None
    scratch_dir: str
    arms: Arms = field(default_factory=lambda: COST_ARMS)
    """What takes turns in every case."""
    split_arm: str = ""
    """The arm whose calls are split, and that is called more often than the others for that."""
    marked: tuple[str, ...] = ()
    """Modules that calls are split around; none: the stages of our networks."""
    shapes: tuple[str, ...] = ()
    """Of the inputs of a user's network; none: its factory gives them."""
    extra_arms: Mapping[str, Arms] = field(default_factory=dict)
    """Case id -> further arms of that case alone."""
    min_rounds: int = MIN_ROUNDS
    design: Design = Design()
    sides: Mapping[str, str] = field(default_factory=dict)
    """Side of a comparison -> folder of its code."""
    package: str = "panet"
    """What is compared, where there are sides."""
    start_up: bool = False
    """Whether what a process takes until its first answer, and the memory that it grows by, are
    read as well."""
    per_turn: int = 1
    """Replicates from one fork server, if they are needed: with fewer cases, several of each.
    Otherwise the start of a server takes as long as they do; but what they share by it is no part
    of their spread then."""

    def arms_of(self, case: Case) -> Arms:
        """Return the arms of a case and what each runs."""
        return {**self.arms, **self.extra_arms.get(case.case_id, {})}


@dataclass
class CaseState:
    """What is known of a case so far."""

    case: Case
    finding: Finding | None = None
    replicates: list[Replicate] = field(default_factory=list)
    undisturbed: list[Replicate] = field(default_factory=list)
    """What counts: the rounds beside which nobody else used the machine."""

    @property
    def runs(self) -> bool:
        """Whether the case was checked, and nothing that was found speaks against measuring it."""
        return self.finding is not None and self.finding.status == Status.OK

    def add(self, replicate: Replicate) -> None:
        """Take in a replicate."""
        self.replicates.append(replicate)
        self.undisturbed += undisturbed([replicate])


Need = Callable[[CaseState], int]
"""How many undisturbed replicates a case still needs, as far as one can tell by now."""


class Rule(Protocol):
    """When a case has been measured enough."""

    def missing(self, state: CaseState) -> int:
        """Return how many undisturbed replicates are still needed, as far as one can tell."""

    def estimate(self, state: CaseState) -> str:
        """Return what is known so far, for the progress."""

    def result(self, state: CaseState) -> CaseResult:
        """Return the case with its status, and the reason wherever that is not `ok`."""
