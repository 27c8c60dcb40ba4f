"""Nothing is lost and nothing is measured twice: nodes and drivers die at every line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.fleet import stored
from bench.fleet.asked import Asked
from bench.fleet.copies import Log
from bench.fleet.node import LEAVE_S, SILENCE_S
from bench.fleet.probes import TRIES, kind_name
from bench.fleet.progress import TELL_S
from bench.fleet.run import Order, lasting, measure
from bench.fleet.scheduling import ATTEMPTS, BUDGET_SPENT, NODES, WAITS_S
from bench.fleet.sitting import Nodes
from bench.machine.environment import code_digest
from bench.schema import journal
from bench.schema.errors import BenchError
from tests.support.factories import case
from tests.support.fleets import (
    CASES,
    VALUES,
    Killed,
    Place,
    Sitting,
    environment,
    sit,
)
from tests.support.journals import REPLICATES

IDS = {each.case_id for each in CASES}


def every_case_once(sitting: Sitting) -> bool:
    return sitting.counted == dict.fromkeys(IDS, 1)


def test_cases_are_shared_and_each_is_measured_once(tmp_path: Path) -> None:
    sitting = sit(tmp_path, {"a": Place(), "b": Place()})
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES)
    assert len({node for node, _ in sitting.executor.runs}) == 2
    assert sitting.said == []
    (kind,) = sitting.kinds()
    assert kind.missing == {}
    results = [found for part in kind.parts for found in stored.results(part)]
    assert {found.status for found in results} == {"ok"}


@pytest.mark.parametrize("line", [0, 1, 3, 4, 9, 30])
def test_broken_shard_goes_on_where_it_was(line: int, tmp_path: Path) -> None:
    sitting = sit(tmp_path, {"a": Place(breaks=[line])})
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES)
    assert sitting.executor.runs == [("a", "00000")] * 2
    (said,) = sitting.said
    assert said == "a: connection lost; shard 00000 goes on there in 90 s"


def test_cases_of_a_lost_node_that_were_complete_are_not_measured_again(tmp_path: Path) -> None:
    lost = Place(breaks=[1 + 2 + REPLICATES * 2 - 3, *[0] * (ATTEMPTS - 1)])
    sitting = sit(tmp_path, {"a": lost, "b": Place()})
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES) | {
        each: sitting.executor.written[each] for each in lost.written
    }
    assert "begun anew elsewhere; it takes no part any more" in sitting.said[-1]
    kept = [p for p in sitting.kept.parts[next(iter(sitting.kept.parts))] if p.document is None]
    for part in kept:
        known = journal.read(part.folder).replicates
        assert all(len(known[each.case_id]) >= 5 for each in part.cases)


def test_what_is_begun_anew_is_another_series(tmp_path: Path) -> None:
    """Of no case do replicates of two nodes count."""
    sitting = sit(tmp_path, {"a": Place(breaks=[12, 0, 0]), "b": Place()})
    assert every_case_once(sitting)
    for part in sitting.kept.parts[next(iter(sitting.kept.parts))]:
        known = journal.read(part.folder).replicates
        for each in part.cases:
            indices = [r.index for r in known[each.case_id]]
            assert indices == list(range(len(indices)))
            assert len(indices) >= (5 if part.document is None else REPLICATES)


def test_of_a_shard_that_does_more_than_timing_nothing_is_taken_from_a_lost_node(
    tmp_path: Path,
) -> None:
    lost = Place(breaks=[1 + 2 + REPLICATES * 2 - 3, 0, 0])
    sitting = sit(tmp_path, {"a": lost, "b": Place()}, beside_timing=True)
    assert every_case_once(sitting)
    for each in lost.written:
        assert sitting.executor.places["b"].written[each] == REPLICATES


def test_measurement_that_still_goes_on_is_waited_for(tmp_path: Path) -> None:
    """Its node has not heard yet that the connection is lost: that is no fault of the shard."""
    sitting = sit(tmp_path, {"a": Place(breaks=[9], busy=2 * ATTEMPTS)})
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES)
    assert WAITS_S[0] > SILENCE_S + LEAVE_S


def test_after_the_budget_nothing_is_begun_and_the_rest_is_open(tmp_path: Path) -> None:
    many = tuple(case(batch_size=batch) for batch in range(1, 21))
    places = {"a": Place(cases=many)}
    sitting = sit(tmp_path, places, budget_s=1.0)
    assert len(sitting.executor.runs) == 1  # of the shard that was begun before
    begun = len(sitting.counted)
    assert 0 < begun < len(many)
    (kind,) = sitting.kinds()
    assert len(kind.missing) == len(many) - begun
    assert {why for _, why in kind.missing.values()} == {BUDGET_SPENT}
    again = sit(tmp_path, places)
    assert again.counted == dict.fromkeys((each.case_id for each in many), 1)


def test_shard_that_waits_when_the_budget_ends_is_not_begun_again(tmp_path: Path) -> None:
    places = {"a": Place(breaks=[9])}
    sitting = sit(tmp_path, places, budget_s=60.0)
    assert len(sitting.executor.runs) == 1
    (kind,) = sitting.kinds()
    assert {why for _, why in kind.missing.values()} == {BUDGET_SPENT}
    assert every_case_once(sit(tmp_path, places))


def test_progress_is_drawn_rarely(tmp_path: Path) -> None:
    """A node may be this machine."""
    sitting = sit(tmp_path, {"a": Place(), "b": Place()})
    clock = sitting.executor.clock
    assert sitting.seen[-1] == "6 of 6 cases"
    assert 3 < len(sitting.seen) <= clock() / TELL_S + 2


def test_node_whose_disk_was_wiped_begins_anew_and_stays(tmp_path: Path) -> None:
    sitting = sit(tmp_path, {"a": Place(breaks=[9], wiped=True)})
    assert every_case_once(sitting)
    assert "no journal of it; 6 cases of shard 00000 begun anew" in sitting.said[-1]


def test_node_that_never_works_ends_with_its_cases_given_up(tmp_path: Path) -> None:
    """Retries are bounded, and told."""
    sitting = sit(tmp_path, {"a": Place(breaks=[0] * 100)})
    assert len(sitting.executor.runs) == ATTEMPTS
    assert len(sitting.said) == ATTEMPTS
    (kind,) = sitting.kinds()
    assert kind.missing.keys() == IDS
    assert {why for _, why in kind.missing.values()} == {"its kind has no node left"}


def test_broken_node_is_the_fastest_and_its_crashes_are_tried_elsewhere(tmp_path: Path) -> None:
    broken = Place(line_s=0.1, crashes=frozenset(IDS))
    sitting = sit(tmp_path, {"a": broken, "b": Place(), "c": Place()})
    assert every_case_once(sitting)
    (kind,) = sitting.kinds()
    results = [found for part in kind.parts for found in stored.results(part)]
    assert {found.status for found in results} == {"ok"}
    assert any(said.startswith("a: ") and "tried elsewhere" in said for said in sitting.said)


def test_case_that_crashes_everywhere_is_tried_by_some_and_crashed(tmp_path: Path) -> None:
    case_id = CASES[2].case_id
    places = {name: Place(crashes=frozenset({case_id})) for name in "abcde"}
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    (kind,) = sitting.kinds()
    found = {r.case.case_id: r for part in kind.parts for r in stored.results(part)}
    assert (found[case_id].status, found[case_id].reason) == ("crashed", "no such device")
    assert {r.status for i, r in found.items() if i != case_id} == {"ok"}
    tried = [r for _, r in sitting.executor.started if case_id in str(r.get("arguments"))]
    assert len(tried) == NODES


def test_nothing_works_anywhere(tmp_path: Path) -> None:
    places = {name: Place(breaks=[0] * 100) for name in map(str, range(20))}
    sitting = sit(tmp_path, places)
    assert len(sitting.executor.runs) <= ATTEMPTS * len(places)
    (kind,) = sitting.kinds()
    assert kind.missing.keys() == IDS
    assert any(why.endswith("connection lost") for _, why in kind.missing.values())
    assert len(places) > NODES


@pytest.mark.parametrize("killed_s", [0.2, 1.0, 5.0, 11.0, 23.0, 47.0])
def test_driver_that_is_killed_comes_back_and_repeats_nothing(
    killed_s: float, tmp_path: Path
) -> None:
    places = {"a": Place(), "b": Place(), "c": Place()}
    with pytest.raises(Killed):
        sit(tmp_path, places, killed_s=killed_s)
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES)
    again = sit(tmp_path, places)
    assert every_case_once(again)
    assert again.executor.runs == []


def test_driver_is_killed_and_a_node_does_not_come_back(tmp_path: Path) -> None:
    places = {"a": Place(), "b": Place()}
    with pytest.raises(Killed):
        sit(tmp_path, places, killed_s=50.0)
    places["a"].away = True
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    assert set(sitting.said) == {"a: no route to host; it takes no part yet"}
    assert len(sitting.said) < TRIES


def test_node_that_comes_later_takes_part_and_one_that_does_not_is_asked_some_times(
    tmp_path: Path,
) -> None:
    many = tuple(case(batch_size=batch) for batch in range(1, 21))
    places = {
        "a": Place(line_s=5.0, cases=many),
        "b": Place(back_s=100.0, cases=many),
        "c": Place(away=True),
    }
    sitting = sit(tmp_path, places)
    assert sitting.counted == dict.fromkeys((each.case_id for each in many), 1)
    assert {node for node, _ in sitting.executor.runs} == {"a", "b"}
    asked = [node for node, request in sitting.executor.started if request["do"] == "probe"]
    assert asked.count("b") == 3
    assert asked.count("c") == TRIES
    assert sitting.said[-1] == "c: no route to host; it takes no part"


def test_kind_that_comes_back_late_goes_on_where_it_was(tmp_path: Path) -> None:
    other = environment(cpu="another CPU")
    places = {"a": Place(line_s=20.0), "b": Place(environment=other)}
    with pytest.raises(Killed):
        sit(tmp_path, places, killed_s=20.0)
    places["b"].back_s = 100.0
    sitting = sit(tmp_path, places)
    assert sitting.counted == dict.fromkeys(IDS, 2)
    assert places["b"].written == dict.fromkeys(IDS, REPLICATES)
    assert sit(tmp_path, places).counted == dict.fromkeys(IDS, 2)


def test_line_that_was_cut_by_a_kill_is_told_again(tmp_path: Path) -> None:
    places = {"a": Place()}
    with pytest.raises(Killed):
        sit(tmp_path, places, killed_s=40.0)
    (copy,) = tmp_path.glob("fleet/shards/*/journal.jsonl")
    copy.write_bytes(copy.read_bytes()[:-7])
    with (tmp_path / "fleet" / "fleet.jsonl").open("a") as log:
        log.write('{"kind": "cut')
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    assert sitting.executor.written == dict.fromkeys(IDS, REPLICATES)


def test_every_kind_of_machine_measures_every_case_of_its_own(tmp_path: Path) -> None:
    other = environment(cpu="another CPU", cores=4)
    of_four = tuple(replace(each, threads=4) for each in CASES)
    places = {"a": Place(), "b": Place(environment=other, cases=of_four)}
    sitting = sit(tmp_path, places)
    kinds = {kind.name: kind for kind in sitting.kinds()}
    assert set(kinds) == {kind_name(environment(), "the code"), kind_name(other, "the code")}
    assert sum(sitting.counted.values()) == 2 * len(CASES)
    assert [kind for kind in kinds if kind.startswith("another-cpu-4-cores-")]


def test_machine_that_is_not_what_it_said_is_not_mixed_with_others(tmp_path: Path) -> None:
    """As in a partition of SLURM whose nodes are not equal."""
    changed = Place(begins_as=environment(cpu="another CPU"))
    sitting = sit(tmp_path, {"a": changed, "b": Place()})
    assert every_case_once(sitting)
    assert {node for _, node in sitting.kept.measured} == {"b"}
    assert "a: this time it is another machine: another-cpu-2-cores-" in sitting.said[0]


def test_kind_whose_nodes_are_away_keeps_what_it_has(tmp_path: Path) -> None:
    other = environment(cpu="another CPU")
    places = {"a": Place(), "b": Place(environment=other)}
    first = sit(tmp_path, places)
    places["b"].away = True
    sitting = sit(tmp_path, places)
    assert sitting.executor.runs == []
    assert sitting.counted == first.counted == dict.fromkeys(IDS, 2)
    assert {kind.name for kind in sitting.kinds()} == set(first.kept.parts)


def test_what_a_kind_that_is_away_has_not_measured_is_missing(tmp_path: Path) -> None:
    other = environment(cpu="another CPU")
    places = {"a": Place(), "b": Place(environment=other)}
    with pytest.raises(Killed):
        sit(tmp_path, places, killed_s=20.0)
    places["b"].away = True
    sitting = sit(tmp_path, places)
    missing = [kind.missing.keys() for kind in sitting.kinds()]
    assert missing == [set(), IDS]
    places["b"].away = False
    assert sit(tmp_path, places).counted == dict.fromkeys(IDS, 2)


def test_case_that_lacked_time_is_open_again_and_not_lost(tmp_path: Path) -> None:
    case_id = CASES[3].case_id
    places = {"a": Place(lacks_time=frozenset({case_id}))}
    assert every_case_once(sit(tmp_path, places))
    places["a"].lacks_time = frozenset()
    none = sit(tmp_path, places, budget_s=0.0)
    assert none.executor.runs == []
    assert every_case_once(none)
    (kind,) = none.kinds()
    assert kind.missing == {}
    again = sit(tmp_path, places)
    assert every_case_once(again)
    assert again.executor.written[case_id] == 2 * REPLICATES
    assert sum(again.executor.written.values()) == (len(IDS) + 1) * REPLICATES
    assert sit(tmp_path, places).executor.runs == []


def test_fleet_goes_on_with_more_time_but_with_no_other_seed() -> None:
    heads = [
        {"asked": {"values": {"budget": b, "timeout": t, "seed": None}}} for b, t in ("ab", "cd")
    ]
    assert lasting(heads[0]) == lasting(heads[1])
    assert lasting(heads[0]) != lasting({"asked": {"values": {"seed": "9"}}})


def test_fleet_of_other_options_is_refused(tmp_path: Path) -> None:
    Log.create(tmp_path, {"asked": Asked(VALUES).to_json(), "code": code_digest()}).close()
    asked = Asked(VALUES | {"seed": "9"})
    order = Order(replace(asked.request(), run_dir=tmp_path), asked, Nodes("local", ()))
    with pytest.raises(BenchError, match="the options"):
        measure(order, Console())


@pytest.mark.parametrize(
    "answer",
    [
        {"file": "x", "data": "%"},
        {"file": "x" * 300, "data": "e30="},
        {"file": "journal.jsonl", "data": "e30="},
        {"line": "{"},
        {"line": 5},
    ],
)
def test_damaged_answer_fails_one_shard_and_nothing_else(
    answer: dict[str, Any], tmp_path: Path
) -> None:
    places = {"a": Place(damaged=[answer]), "b": Place()}
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    assert every_case_once(sit(tmp_path, places))


def test_cases_of_a_damaged_copy_are_open_again(tmp_path: Path) -> None:
    places = {"a": Place(), "b": Place()}
    sit(tmp_path, places)
    copy = min(tmp_path.glob("fleet/shards/*/journal.jsonl"))
    copy.write_bytes(copy.read_bytes().replace(b"finding", b"found", 1))
    sitting = sit(tmp_path, places)
    assert every_case_once(sitting)
    assert sitting.executor.runs


def test_node_with_other_code_takes_no_part(tmp_path: Path) -> None:
    sitting = sit(tmp_path, {"a": Place(), "b": Place(code="older")})
    assert {node for node, _ in sitting.executor.runs} == {"a"}
    assert sitting.said == [
        "b: it has other code than this machine; bring both to one commit; it takes no part"
    ]


def test_second_name_of_a_machine_takes_no_part_but_in_a_rehearsal(tmp_path: Path) -> None:
    places = {"a": Place(machine="m"), "b": Place(machine="m"), "c": Place(machine="n")}
    sitting = sit(tmp_path / "x", places, apart=True)
    assert {node for node, _ in sitting.executor.runs} == {"a", "c"}
    assert sitting.said == ["b: it is the machine that a is; give one name; it takes no part"]
    assert sit(tmp_path / "y", places).said == []


def test_node_with_other_pictures_takes_no_part(tmp_path: Path) -> None:
    sitting = sit(tmp_path, {"a": Place(), "b": Place(files="others")})
    assert {node for node, _ in sitting.executor.runs} == {"a"}
    assert "b: it has other pictures in --images than this machine" in sitting.said[0]
    (tmp_path / "one.png").write_bytes(b"1")
    asked = Asked(VALUES | {"images": str(tmp_path)})
    before = asked.pictures()
    (tmp_path / "one.png").write_bytes(b"12")
    assert before != asked.pictures()


def test_without_any_node_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no node can measure: a: no route to host; it takes no"):
        sit(tmp_path / "x", {"a": Place(away=True)})
    with pytest.raises(BenchError, match="no node can measure: there is none"):
        sit(tmp_path / "y", {})


def test_file_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    from bench.fleet.copies import Copy

    copy = Copy(tmp_path / "shard")
    copy.add_file("traces/a/profile.json", "e30=")
    assert (tmp_path / "shard" / "traces" / "a" / "profile.json").read_text() == "{}"
    for name in ("../x", "/etc/x", ""):
        with pytest.raises(BenchError, match="not to be trusted"):
            copy.add_file(name, "e30=")
    copy.close()
