"""Scheduling is simulated: on a clock of its own, with nodes that are late, break and die."""

import pytest

from bench.fleet.queues import MAX_CASES, MIN_SHARD_S, Shard
from bench.fleet.scheduling import ATTEMPTS, NODES, START_S, Scheduler
from bench.lab.fleet_scheduling import simulate

KIND = "kind"


def scheduler(seconds: dict[str, float], nodes: int = 1) -> Scheduler:
    made = Scheduler()
    made.add_kind(KIND, seconds)
    for number in range(nodes):
        made.join(f"n{number}", KIND)
    return made


@pytest.mark.parametrize(("nodes", "cases"), [(1, 60), (10, 600), (100, 6_000)])
@pytest.mark.parametrize(("late", "dying"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2)])
def test_makespan_is_near_what_is_possible_and_every_case_is_measured_once(
    nodes: int, cases: int, late: float, dying: float
) -> None:
    found = simulate(nodes, cases, late, dying)
    assert found.done == found.measured == cases
    assert found.given_up == 0
    # Of dead nodes neither work nor speed is there: up to three tenths here.
    assert found.makespan_s < found.bound_s * (1.7 if dying else 1.3)


def test_long_cases_go_first_and_shards_become_shorter() -> None:
    seconds = {f"c{i:03d}": 10.0 + i for i in range(200)}
    fleet = scheduler(seconds, nodes=4)
    shards: list[Shard] = []
    while not fleet.finished:
        shards += [given.shard for given in fleet.assign(0.0)]
        for name, node in fleet.nodes.items():
            if node.shard is not None:
                fleet.ended(name, 1.0)
    dealt = [case for shard in shards for case in shard.cases]
    assert dealt == sorted(seconds, reverse=True)
    assert shards[0].forecast_s > 4 * shards[-1].forecast_s
    assert all(shard.forecast_s <= 2.5 * MIN_SHARD_S for shard in shards[-4:])


def test_shard_has_not_more_cases_than_a_command_line_takes() -> None:
    fleet = scheduler({f"c{i}": 0.001 for i in range(3 * MAX_CASES)})
    (given,) = fleet.assign(0.0)
    assert len(given.shard.cases) == MAX_CASES


def test_few_cases_are_dealt_to_all_nodes() -> None:
    fleet = scheduler({f"c{i}": 8.0 for i in range(6)}, nodes=3)
    assert [len(given.shard.cases) for given in fleet.assign(0.0)] == [2, 2, 2]


def test_late_node_is_dealt_less() -> None:
    """Nothing is bound to it: while it is at its first shard, the other takes the rest."""
    fleet = scheduler({f"c{i}": 30.0 for i in range(40)}, nodes=2)
    late, other = list(fleet.assign(0.0))
    while any(node.shard is not None for name, node in fleet.nodes.items() if name != late.node):
        fleet.ended(other.node, 1.0)
        list(fleet.assign(0.0))
    assert fleet.done[KIND] == {f"c{i}" for i in range(40)} - set(late.shard.cases)
    assert not fleet.finished


def test_broken_shard_goes_on_there_and_then_elsewhere_one_case_at_a_time() -> None:
    fleet = scheduler(dict.fromkeys("abcd", 25.0), nodes=2)
    first, second = list(fleet.assign(0.0))
    assert len(first.shard.cases) == 2
    fleet.ended(second.node, 1.0)
    now_s = 0.0
    for _ in range(ATTEMPTS - 1):
        assert fleet.broke(first.node, now_s)
        assert [given.node for given in fleet.assign(now_s)] == []
        now_s = fleet.nodes[first.node].since_s
        (again,) = fleet.assign(now_s)
        assert again.shard is first.shard
    assert not fleet.broke(first.node, now_s)
    measured, begun_anew = first.shard.cases
    fleet.give_back(first.node, {measured}, "it died", gone=True)
    (given,) = fleet.assign(now_s)
    assert (given.node, given.shard.cases) == (second.node, (begun_anew,))
    fleet.ended(given.node, now_s)
    assert fleet.finished
    assert fleet.done[KIND] == {"a", "b", "c", "d"}


def test_case_that_breaks_every_node_is_given_up_and_no_other() -> None:
    fleet = scheduler({f"c{i}": 5.0 for i in range(12)}, nodes=6)
    now_s = 0.0
    while not fleet.finished:
        now_s += 1000.0
        for given in list(fleet.assign(now_s)):
            if "c3" not in given.shard.cases:
                fleet.ended(given.node, now_s)
            elif not fleet.broke(given.node, now_s):
                fleet.give_back(given.node, (), f"{given.node}: killed", gone=True)
        fleet.give_up_where_nobody_is("nobody is left")
    assert fleet.given_up[KIND].keys() == {"c3"}
    assert fleet.done[KIND] == {f"c{i}" for i in range(12)} - {"c3"}
    assert sum(node.gone for node in fleet.nodes.values()) == NODES


def test_node_that_crashes_a_whole_shard_is_left_alone_but_not_the_last() -> None:
    fleet = scheduler(dict.fromkeys("abcdefgh", 25.0), nodes=2)
    first, second = list(fleet.assign(0.0))
    again = fleet.crashed(first.node, dict.fromkeys(first.shard.cases, "no device"))
    assert again == set(first.shard.cases)
    fleet.ended(first.node, 1.0, again, gone=True)
    assert fleet.nodes[first.node].pace.done_s == 0
    while fleet.nodes[second.node].shard is not None:
        fleet.ended(second.node, 2.0)
        assert {given.node for given in fleet.assign(2.0)} <= {second.node}
    assert fleet.finished
    assert fleet.done[KIND] == set("abcdefgh")
    assert fleet.crashed(second.node, {"a": "no device"}) == set()


def test_case_that_crashes_on_all_who_are_left_is_given_up() -> None:
    fleet = scheduler({"a": 25.0}, nodes=2)
    (given,) = fleet.assign(0.0)
    fleet.ended(given.node, 1.0, fleet.crashed(given.node, {"a": "no device"}))
    (other,) = fleet.assign(1.0)
    assert other.node != given.node
    fleet.give_back(other.node, (), "lost", gone=True)
    assert list(fleet.assign(2.0)) == []
    fleet.give_up_where_nobody_is("nobody is left")
    assert fleet.given_up[KIND] == {"a": f"{given.node}: no device"}
    assert fleet.finished


def test_kind_without_nodes_gives_up_what_it_has() -> None:
    fleet = scheduler({"a": 5.0, "b": 5.0})
    (given,) = fleet.assign(0.0)
    fleet.give_back(given.node, {"a"}, "gone", gone=True)
    fleet.give_up_where_nobody_is("nobody is left")
    assert fleet.given_up[KIND] == {"b": "nobody is left"}
    assert fleet.finished


def test_time_left_and_budgets_are_shared_by_forecast() -> None:
    fleet = scheduler({f"c{i}": 100.0 for i in range(8)}, nodes=2)
    assert fleet.left_s(0.0) == pytest.approx(400.0)
    first, second = list(fleet.assign(0.0))
    assert fleet.left_s(50.0) == pytest.approx((800.0 + 2 * (START_S - 50.0)) / 2)
    assert first.shard.forecast_s == second.shard.forecast_s == 100.0
    # Two nodes have 2 x 1000 s for the 600 s that nobody has begun, and for this shard.
    assert fleet.budget_s(first.shard, KIND, 1000.0) == pytest.approx(2000.0 * 100 / 700)
    assert fleet.budget_s(first.shard, KIND, 1e5) <= 1e5
    assert fleet.budget_s(first.shard, KIND, 0.0) > 0
