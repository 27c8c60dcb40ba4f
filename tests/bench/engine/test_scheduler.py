"""The engine on simulated machines: no process, no clock, no torch."""

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench import stats
from bench.engine.plan import CaseState
from bench.engine.scheduler import Engine, rounds_per_replicate
from bench.engine.stopping import All, HalfWidth
from bench.schema import journal
from bench.schema.journal import Entries
from bench.schema.records import CaseResult, LeftOut, Status
from bench.schema.tasks import CheckTask, Failure, ReplicateTask, Task
from tests.support.factories import case, finding, replicate
from tests.support.machines import (
    TWO,
    Forgetful,
    Machine,
    Noise,
    engine,
    journal_in,
    measured,
    plan,
)


def run(
    machine: Machine, folder: Path, entries: Entries | None = None, **plan: Any
) -> list[CaseResult]:
    log = journal_in(folder, entries)
    try:
        return measured(machine, log, entries, **plan)
    finally:
        log.close()


def test_calm_cases_end_after_the_first_stage(tmp_path: Path) -> None:
    machine = Machine()
    results = run(machine, tmp_path / "run")
    assert [result.status for result in results] == [Status.OK, Status.OK]
    assert [len(result.replicates) for result in results] == [stats.FIRST_STAGE] * 2


def test_cases_take_turns(tmp_path: Path) -> None:
    machine = Machine()
    run(machine, tmp_path / "run")
    case_ids = [task.case.case_id for task in machine.replicate_tasks]
    for turn in range(0, len(case_ids), 2):
        assert set(case_ids[turn : turn + 2]) == {case.case_id for case in TWO}


def test_no_two_replicates_of_a_case_come_from_one_server(tmp_path: Path) -> None:
    machine = Machine(spread=0.02, busy=lambda number: number % 3 == 0)
    run(machine, tmp_path / "run")
    for one in TWO:
        servers = [t.server for t in machine.replicate_tasks if t.case == one]
        assert len(servers) > stats.FIRST_STAGE
        assert len(set(servers)) == len(servers)


def test_server_gives_as_many_replicates_as_are_asked_and_needed(tmp_path: Path) -> None:
    machine = Machine()
    run(machine, tmp_path / "run", per_turn=6)
    for one in TWO:
        servers = [t.server for t in machine.replicate_tasks if t.case == one]
        assert len(servers) == stats.FIRST_STAGE
        assert servers == [0, 0, 0, 1, 1]


def test_case_that_no_longer_fits_leaves_the_budget_to_the_others(tmp_path: Path) -> None:
    slow = TWO[0].case_id
    machine = Machine(spread=0.2, seconds=lambda task: 30.0 if task.case.case_id == slow else 2.0)
    results = run(machine, tmp_path / "run", budget_s=100.0)
    assert len(results[0].replicates) < len(results[1].replicates)
    assert 97.0 < machine.now_s <= 100.0


def test_noisy_case_gets_as_many_replicates_as_it_needs(tmp_path: Path) -> None:
    machine = Machine(spread=0.03)
    results = run(machine, tmp_path / "run")
    for result in results:
        found = stats.cost(result.used, 0.02)
        assert found is not None
        assert len(result.replicates) == found.replicates_needed
        assert len(result.replicates) > stats.FIRST_STAGE
        assert found.half_width_ratio is not None
        assert found.half_width_ratio <= 0.0201


def test_budget_ends_the_run_with_undecided_and_says_what_was_missing(tmp_path: Path) -> None:
    machine = Machine(spread=0.2)
    results = run(machine, tmp_path / "run", budget_s=40.0)
    assert machine.now_s <= 40.0
    for result in results:
        assert result.status is Status.TOO_WIDE
        assert "are needed for" in result.reason
        assert re.search(r", about [\d.]+ s each; raise --budget or", result.reason)


def test_what_no_run_can_tell_costs_no_time(tmp_path: Path) -> None:
    results = run(Machine(), tmp_path / "run", half_width=0.001)
    for result in results:
        assert result.status is Status.TOO_WIDE
        assert "runs of one machine differ by more than ±0.001 of the ratio" in result.reason
        assert len(result.replicates) == stats.FIRST_STAGE


@pytest.mark.parametrize("names", [("small", "large"), ("large", "small")])
def test_part_of_which_no_run_is_sure_decides_wherever_it_stands(names: tuple[str, str]) -> None:
    adds = {"small": 0.01, "large": 1.5}
    state = CaseState(case(), finding())
    for index in range(stats.FIRST_STAGE):
        state.add(replicate(index))

    def read(name: str) -> HalfWidth:
        return HalfWidth(0.01, lambda used: [math.log1p(adds[name])] * len(used))

    result = All({name: read(name) for name in names}).result(state)
    assert result.status is Status.TOO_WIDE
    assert "runs of one machine differ by more" in result.reason


def test_budget_of_no_replicate_says_how_long_a_round_takes() -> None:
    state = CaseState(case(), finding(round_s=17.0))
    reason = HalfWidth(0.01).result(state).reason
    assert "±0.01 of the ratio; one round of all takes 17 s; raise --budget" in reason


def test_budget_that_is_spent_before_any_check_is_an_answer_for_every_case(tmp_path: Path) -> None:
    results = run(Machine(), tmp_path / "run", budget_s=0.0)
    assert results
    for result in results:
        assert result.status is Status.TOO_WIDE
        assert "spent before this case" in result.reason


def test_budget_is_shared_when_it_is_short(tmp_path: Path) -> None:
    machine = Machine(spread=0.2)
    results = run(machine, tmp_path / "run", budget_s=15.0)
    counts = [len(result.replicates) for result in results]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) > 1


def test_contended_replicates_are_repeated(tmp_path: Path) -> None:
    machine = Machine(busy=lambda number: number < 4)
    results = run(machine, tmp_path / "run")
    for result in results:
        assert result.status is Status.OK
        assert len(result.used) == stats.FIRST_STAGE
        assert len(result.replicates) == stats.FIRST_STAGE + 2


def test_case_that_stays_contended_says_so(tmp_path: Path) -> None:
    results = run(Machine(busy=lambda _: True), tmp_path / "run", budget_s=60.0)
    for result in results:
        assert result.status is Status.CONTENDED
        assert "busy with something else" in result.reason


def test_orders_go_on_where_the_last_replicate_stopped(tmp_path: Path) -> None:
    machine = Machine()
    run(machine, tmp_path / "run", cases=TWO[:1])
    replicates = machine.replicate_tasks
    assert [task.first_round for task in replicates] == [
        sum(t.rounds for t in replicates[:i]) for i in range(len(replicates))
    ]


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.OOM, Status.COMPILE_ERROR])
def test_failed_check_ends_the_case_and_the_sweep_goes_on(status: Status, tmp_path: Path) -> None:
    def fails(task: Task[Any]) -> Failure | None:
        return Failure(status, "because") if task.case == TWO[0] else None

    machine = Machine(fails=fails)
    first, second = run(machine, tmp_path / "run")
    assert (first.status, first.reason) == (status, "because")
    assert machine.indices(first.case.case_id) == []
    assert second.status is Status.OK


def test_crash_of_a_replicate_keeps_what_was_measured(tmp_path: Path) -> None:
    def fails(task: Task[Any]) -> Failure | None:
        crashes = isinstance(task, ReplicateTask) and task.case == TWO[0] and task.index == 3
        return Failure(Status.CRASHED, "signal 11") if crashes else None

    first, second = run(Machine(fails=fails), tmp_path / "run")
    assert (first.status, first.reason) == (Status.CRASHED, "signal 11")
    assert len(first.replicates) == 3
    assert second.status is Status.OK


@pytest.mark.parametrize("kind", [CheckTask, ReplicateTask])
def test_what_somebody_has_killed_is_tried_again(kind: type[Task[Any]], tmp_path: Path) -> None:
    killed: list[Task[Any]] = []

    def fails(task: Task[Any]) -> Failure | None:
        if isinstance(task, kind) and task.case == TWO[0] and not killed:
            killed.append(task)
            return Failure(Status.CRASHED, "signal 9", from_outside=True)
        return None

    results = run(Machine(fails=fails), tmp_path / "run")
    assert len(killed) == 1
    assert [result.status for result in results] == [Status.OK, Status.OK]


@pytest.mark.parametrize("kind", [CheckTask, ReplicateTask])
def test_a_resumed_run_tries_again_what_was_killed_twice(
    kind: type[Task[Any]], tmp_path: Path
) -> None:
    def fails(task: Task[Any]) -> Failure | None:
        killed = isinstance(task, kind) and task.case == TWO[0]
        return Failure(Status.CRASHED, "signal 9", from_outside=True) if killed else None

    first, _ = run(Machine(fails=fails), tmp_path / "run")
    assert (first.status, first.reason) == (Status.CRASHED, "signal 9")
    results = run(Machine(), tmp_path / "run", journal.read(tmp_path / "run"))
    assert [result.status for result in results] == [Status.OK, Status.OK]


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("killed_at", range(1, 13))
def test_killed_anywhere_and_resumed_measures_nothing_twice(killed_at: int, tmp_path: Path) -> None:
    def kill(_task: Task[Any]) -> Failure | None:
        if len(first.tasks) == killed_at:
            raise KilledError
        return None

    first = Machine(fails=kill)
    with pytest.raises(KilledError):
        run(first, tmp_path / "run")
    entries = journal.read(tmp_path / "run")
    second = Machine()
    results = run(second, tmp_path / "run", entries)
    assert [result.status for result in results] == [Status.OK, Status.OK]
    done = first.tasks[:-1] + second.tasks
    keys = Counter((type(t), t.case.case_id, getattr(t, "index", None)) for t in done)
    assert set(keys.values()) == {1}
    assert len(done) == 2 * (1 + stats.FIRST_STAGE)
    for result in results:
        assert [r.index for r in result.replicates] == list(range(stats.FIRST_STAGE))


def test_resumed_sitting_has_servers_of_its_own(tmp_path: Path) -> None:
    run(Machine(spread=0.2), tmp_path / "run", budget_s=20.0)
    entries = journal.read(tmp_path / "run")
    second = Machine()
    run(second, tmp_path / "run", entries, budget_s=20.0)
    earlier = {r.server for replicates in entries.replicates.values() for r in replicates}
    assert earlier.isdisjoint(task.server for task in second.replicate_tasks)


@pytest.mark.parametrize(
    ("round_s", "count"),
    [(0.01, 180), (0.1, 18), (0.14, 12), (0.3, 6), (0.6, 3), (2.0, 3)],
)
def test_rounds_fill_a_replicate_in_whole_blocks(round_s: float, count: int) -> None:
    assert rounds_per_replicate(round_s) == count


def test_arm_whose_calls_are_split_is_called_more_often(tmp_path: Path) -> None:
    """A round of 0.1 s: four of them, and the rest of the second is the split arm's."""
    machine = Machine()
    run(machine, tmp_path / "run", split_arm="panet")
    assert {task.rounds for task in machine.replicate_tasks} == {4}
    assert {task.more["panet"] for task in machine.replicate_tasks} == {18}


def test_arm_that_its_check_left_out_takes_no_turns() -> None:
    """Whether a task asks for what a start takes is the plan's to say."""
    known = {TWO[0].case_id: finding(left_out={"panet": LeftOut("crashed", "no luck")})}
    machine = Machine()
    run = engine(machine, entries=Entries({}, known), cases=TWO[:1], start_up=True)
    run.take_turns(lambda state: 1 - len(state.replicates))
    (task,) = machine.tasks
    assert (set(task.arms), task.start_up) == ({"fpn", "fpn_again"}, True)


NO_LUCK = Failure(Status.CRASHED, "no luck", of=("panet",))


def dies_at(index: int, failure: Failure = NO_LUCK) -> Any:
    """Return what becomes of the tasks of a machine: an arm fails in one replicate."""

    def fails(task: Any) -> Failure | None:
        dead = isinstance(task, ReplicateTask) and task.index >= index and "panet" in task.arms
        return failure if dead else None

    return fails


def test_arm_that_fails_in_a_replicate_is_left_out_and_what_was_measured_is_kept(
    tmp_path: Path,
) -> None:
    machine, log = Machine(noise=Noise(), fails=dies_at(2)), journal_in(tmp_path / "run", None)
    first = engine(machine, log, cases=TWO[:1])
    first.check()
    first.take_turns(lambda state: 5 - len(state.replicates))
    log.close()
    (state,) = first.states
    assert [set(one.rounds_s) for one in state.replicates] == [
        *([{"fpn", "panet", "fpn_again"}] * 2),
        *([{"fpn", "fpn_again"}] * 3),
    ]
    assert state.finding is not None
    assert state.finding.left_out == {"panet": LeftOut("crashed", "no luck")}
    assert len(machine.replicate_tasks) == 6

    entries = journal.read(tmp_path / "run")
    later = Machine(noise=Noise())
    second = engine(later, None, entries, cases=TWO[:1])
    second.take_turns(lambda state: 6 - len(state.replicates))
    (task,) = later.replicate_tasks
    assert set(task.arms) == {"fpn", "fpn_again"}


def test_arm_that_somebody_has_killed_twice_is_tried_again_when_the_run_goes_on(
    tmp_path: Path,
) -> None:
    killed = replace(NO_LUCK, from_outside=True)
    machine = Machine(noise=Noise(), fails=dies_at(0, killed))
    log = journal_in(tmp_path / "run", None)
    run = engine(machine, log, cases=TWO[:1])
    run.check()
    run.take_turns(lambda state: 1 - len(state.replicates))
    log.close()
    assert ["panet" in task.arms for task in machine.replicate_tasks] == [True, True, False]
    assert not journal.read(tmp_path / "run").findings[TWO[0].case_id].left_out


def test_compiled_network_of_somebody_else_s_is_not_split(tmp_path: Path) -> None:
    machine = Machine()
    cases = (case(compile_mode="default", scope="own"),)
    run(machine, tmp_path / "run", split_arm="panet", cases=cases)
    assert {(task.rounds, len(task.more)) for task in machine.replicate_tasks} == {(18, 0)}


def test_case_whose_rounds_nobody_timed_gets_the_fewest() -> None:
    machine = Machine()
    entries = Entries({}, {one.case_id: finding(round_s=None) for one in TWO})
    engine(machine, entries=entries).run(HalfWidth(0.02))
    assert {task.rounds for task in machine.replicate_tasks} == {3}


def test_case_that_cannot_run_gets_no_turn_whoever_asks() -> None:
    machine = Machine(fails=lambda _: Failure(Status.SKIPPED, "because"))
    asked = engine(machine)
    asked.check()
    asked.take_turns(lambda _: 5)
    assert {type(task) for task in machine.tasks} == {CheckTask}


def test_time_left_counts_the_starts_of_the_servers() -> None:
    """A replicate says 2 s of itself and takes 3 s: what is left takes half as long again."""

    class Starting(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            outcome = super().run(task, timeout_s)
            self.now_s += 1.0
            return outcome

    class Noting:
        left_s: ClassVar[list[float]] = []

        def update(self, now: str, left_s: float, share_done: float, known: object = None) -> None:
            self.left_s.append(left_s)

    machine = Starting()
    Engine(plan(cases=TWO[:1]), machine, Forgetful(), lambda: machine.now_s, Noting()).run(
        HalfWidth(0.02)
    )
    assert Noting.left_s[-1] == pytest.approx(3.0)  # before the last of the first stage
