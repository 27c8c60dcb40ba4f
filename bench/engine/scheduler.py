"""The engine: checks every case, then lets the cases take turns until each is sure enough.

One turn is one replicate of every case that needs more, all from one fork server, and the next turn
has a server of its own. So no two replicates of a case share one: they are independent, and the
servers' part of the spread is inside the interval. (Where equal code is compared it is nothing,
and a comparison of few cases takes several from each.)
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bench import stats
from bench.engine.launcher import Launcher
from bench.engine.plan import MIN_ROUNDS, REPLICATE_S, CaseState, Need, Plan, Rule, Watch
from bench.schema.case import names_of
from bench.schema.journal import Entries, Journal
from bench.schema.records import CaseResult, Finding, LeftOut
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Result, Task
from bench.workload.splitting import can_split

BLOCK_ROUNDS = 6
"""All orders of three arms: a multiple keeps each replicate balanced by itself."""

SPLIT_REPLICATE_S = 1.0
"""Of a replicate whose cost is read inside the calls: what is left there is slow, and common to the
calls of a process, so many short processes spread over the run say more than few long ones."""

ROUNDS_SHARE = 0.4
"""Of a replicate whose cost is read inside the calls of one arm: that takes turns with the others,
for the residual and the A/A ratio. The rest are more calls of that arm: what its calls spread
within a process is as much again as what the process brings along."""

MIN_SPLIT_ROUNDS, MIN_MORE_CALLS = 2, 2
"""Of a replicate of a slow case whose calls are split."""

UNKNOWN_ROUND_S = REPLICATE_S / MIN_ROUNDS
"""Where a case was checked by a version that did not time a round."""


class Engine:
    """One run of a plan.

    Args:
        plan: the cases, and when to stop.
        launcher: starts the processes.
        journal: gets a line for everything found.
        clock: seconds, for the budget.
        watch: hears about the progress.
        entries: what an earlier, killed run of the same plan left; nothing of it is done again.
    """

    def __init__(
        self,
        plan: Plan,
        launcher: Launcher,
        journal: Journal,
        clock: Callable[[], float],
        watch: Watch,
        entries: Entries | None = None,
    ) -> None:
        self._plan = plan
        self._common: dict[str, Any] = {
            "seed": plan.seed,
            "scratch_dir": plan.scratch_dir,
            "images_dir": plan.images_dir,
            "sides": dict(plan.sides),
            "package": plan.package,
            "marked": plan.marked,
            "shapes": plan.shapes,
        }
        self._launcher = launcher
        self._journal = journal
        self._clock = clock
        self._watch = watch
        self._end_s = clock() + plan.budget_s
        self._names = names_of(plan.cases)
        # Of all replicates, with and without the starts of their servers.
        self._wall_s = self._worked_s = 0.0
        known = entries or Entries({})
        self._next_server = first_server(known)
        self.states = [CaseState(case, known.findings.get(case.case_id)) for case in plan.cases]
        for state in self.states:
            for replicate in known.replicates.get(state.case.case_id, ()):
                state.add(replicate)
        self._wanted: Need = lambda state: max(0, stats.FIRST_STAGE - len(state.undisturbed))
        self._estimate: Callable[[CaseState], str] | None = None

    def run(self, rule: Rule) -> list[CaseResult]:
        """Check, take turns until the rule has enough, and return every case with its status."""
        self._wanted, self._estimate = rule.missing, rule.estimate
        eager = [state for state in self.states if state.case.eager]
        if len(eager) < len(self.states):
            self._check_all(eager)
            self._turn()  # the first numbers are there before anything is compiled
        self.check()
        self.take_turns(rule.missing, rule.estimate)
        return [rule.result(state) for state in self.states]

    def check(self) -> None:
        """Check every case that was not checked yet."""
        self._check_all(self.states)

    def _check_all(self, states: Sequence[CaseState]) -> None:
        for state in states:
            self._check(state)

    def take_turns(self, need: Need, estimate: Callable[[CaseState], str] | None = None) -> None:
        """Measure replicates, turn by turn, until no case needs more or the budget is spent.

        Args:
            need: how many more a case needs.
            estimate: what is known of a case, for the progress.
        """
        self._wanted = need
        self._estimate = estimate or self._estimate
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Measure a replicate of every case that needs one; return whether there was any."""
        turn = self._affordable()
        repeats = math.ceil(self._plan.per_turn / len(turn)) if turn else 0
        for state in itertools.chain.from_iterable([turn] * repeats):
            # Servers took time to start, and not every case needs all that they could give.
            if self._forecast_s(state) <= self._left_s() and self._need(state) > 0:
                self._tell(state, "measuring")
                self._replicate(state, self._next_server)
        if turn and not self._plan.design.one_server:
            self._next_server += 1
        return bool(turn)

    def _check(self, state: CaseState) -> None:
        if state.finding is not None or self._left_s() <= 0:
            return
        self._tell(state, "checking")
        task = CheckTask(case=state.case, arms=self._plan.arms_of(state.case), **self._common)
        outcome = self._run(task)
        if isinstance(outcome, Failure):
            self._failed(state, outcome, Finding(outcome.status, outcome.reason, images=""))
            return
        state.finding = outcome
        self._journal.add_finding(state.case.case_id, outcome)

    def _run(self, task: Task[Result]) -> Result | Failure:
        """Run a task, once more where somebody has killed it."""
        outcome = self._launcher.run(task, self._plan.timeout_s)
        if isinstance(outcome, Failure) and outcome.from_outside:
            outcome = self._launcher.run(task, self._plan.timeout_s)
        return outcome

    def _failed(self, state: CaseState, failure: Failure, finding: Finding) -> None:
        """Keep why a case, or an arm, does not run: a resumed run does not try again what cannot.

        It does where somebody has killed it.
        """
        state.finding = finding
        if not failure.from_outside:
            self._journal.add_finding(state.case.case_id, finding)

    def _affordable(self) -> list[CaseState]:
        """Return the cases of the next turn: the widest first, as many as fit into the budget."""
        left_s = self._left_s()
        turn = []
        for state in self.states:  # what is known of one may widen those that were asked before
            self._need(state)
        lacking = [state for state in self.states if self._need(state) > 0]
        for state in sorted(lacking, key=self._urgency, reverse=True):
            forecast_s = self._forecast_s(state)
            if forecast_s <= left_s:
                left_s -= forecast_s
                turn.append(state)
        return turn

    def _need(self, state: CaseState) -> int:
        return self._wanted(state) if state.runs else 0

    def _urgency(self, state: CaseState) -> tuple[bool, int, float]:
        """First the cases without a complete first stage, then by what they lack.

        Of equals the short ones, so that where the budget ends most of them are complete.
        """
        incomplete = len(state.undisturbed) < stats.MODERATED_STAGE
        return incomplete, self._need(state), -self._forecast_s(state)

    def _replicate(self, state: CaseState, server: int) -> None:
        assert state.finding is not None  # noqa: S101 - only checked cases are measured
        left_out = state.finding.left_out
        arms = {arm: r for arm, r in self._plan.arms_of(state.case).items() if arm not in left_out}
        task = ReplicateTask(
            case=state.case,
            arms=arms,
            index=len(state.replicates),
            server=server,
            first_round=sum(replicate.round_count for replicate in state.replicates),
            rounds=self._rounds(state),
            more=self._more(state),
            order=self._plan.design.order,
            start_up=self._plan.start_up,
            **self._common,
        )
        start_s = self._clock()
        outcome = self._run(task)
        if isinstance(outcome, Failure):
            self._failed(state, outcome, _with_failure(state.finding, outcome))
            return
        state.add(outcome)
        self._wall_s += self._clock() - start_s
        self._worked_s += outcome.elapsed_s
        self._journal.add_replicate(state.case.case_id, outcome)

    def _rounds(self, state: CaseState) -> int:
        round_s, design = _round_s(state), self._plan.design
        if self._splits(state):
            return max(MIN_SPLIT_ROUNDS, round(SPLIT_REPLICATE_S * ROUNDS_SHARE / round_s))
        return rounds_per_replicate(round_s, self._plan.min_rounds, design.replicate_s)

    def _more(self, state: CaseState) -> dict[str, int]:
        """Return how many calls follow the rounds."""
        if not self._splits(state):
            return {}
        round_s = _round_s(state)
        call_s = round_s / len(self._plan.arms_of(state.case))
        left_s = SPLIT_REPLICATE_S - self._rounds(state) * round_s
        return {self._plan.split_arm: max(MIN_MORE_CALLS, round(left_s / call_s))}

    def _splits(self, state: CaseState) -> bool:
        """Return whether the cost is read inside the calls of an arm."""
        return bool(self._plan.split_arm) and can_split(state.case)

    def _forecast_s(self, state: CaseState) -> float:
        """Return about how long the next replicate takes."""
        if state.replicates:
            return state.replicates[-1].elapsed_s
        return (self._rounds(state) + 1) * _round_s(state)

    def _left_s(self) -> float:
        return self._end_s - self._clock()

    def _tell(self, state: CaseState, doing: str) -> None:
        missing = [self._need(s) if s.finding else stats.FIRST_STAGE for s in self.states]
        done = sum(len(s.replicates) for s in self.states)
        forecast_s = sum(
            count * (s.replicates[-1].elapsed_s if s.replicates else REPLICATE_S)
            for count, s in zip(missing, self.states, strict=True)
        )
        if self._worked_s:
            forecast_s *= self._wall_s / self._worked_s
        left_s = max(0.0, min(self._left_s(), forecast_s))
        share = done / max(1, done + sum(missing))
        known = {}
        if self._estimate is not None:
            known = {
                self._names[s.case.case_id]: self._said_of(s, self._estimate) for s in self.states
            }
        self._watch.update(f"{doing} {self._names[state.case.case_id]}", left_s, share, known)

    @staticmethod
    def _said_of(state: CaseState, estimate: Callable[[CaseState], str]) -> str:
        if state.finding is None:
            return "not checked yet"
        return estimate(state) if state.runs else str(state.finding.status)


def first_server(entries: Entries) -> int:
    """Return the number of the first server of a sitting; an earlier sitting's are gone."""
    used = (r.server for replicates in entries.replicates.values() for r in replicates)
    return 1 + max(used, default=-1)


def _with_failure(finding: Finding, failure: Failure) -> Finding:
    """Return what is known of a case when a replicate has failed, with the arms that go on."""
    if not failure.of:
        return replace(finding, status=failure.status, reason=failure.reason)
    out = dict.fromkeys(failure.of, LeftOut(failure.status, failure.reason))
    return replace(finding, left_out={**finding.left_out, **out})


def _round_s(state: CaseState) -> float:
    """Return about how long a round takes."""
    assert state.finding is not None  # noqa: S101 - only checked cases are measured
    return state.finding.round_s or UNKNOWN_ROUND_S


def rounds_per_replicate(
    round_s: float, min_rounds: int = MIN_ROUNDS, replicate_s: float = REPLICATE_S
) -> int:
    """Return how many rounds fill a replicate, in whole blocks of orders where several fit."""
    count = round(replicate_s / round_s)
    if count < BLOCK_ROUNDS:
        return max(min_rounds, count)
    return round(count / BLOCK_ROUNDS) * BLOCK_ROUNDS
