"""What a sweep with a killed node or driver must be is seen where it is not so."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import copies
from bench.lab.faults import fleets
from bench.schema.files import RESULTS
from bench.schema.recipe import ARMS

IDS = [f"case-{number}" for number in range(fleets.CASES)]


def log(folder: Path, *events: Mapping[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    made = copies.Log.create(folder, {"asked": {}})
    for event in events:
        made.add(event)
    made.close()


def begun(shard: str, cases: list[str]) -> dict[str, Any]:
    return {"dealt": "a", "kind": "k", "shard": shard, "cases": cases, "forecast_s": 1.0}


def over(shard: str, cases: list[str]) -> dict[str, Any]:
    return {"node": "a", "kind": "k", "shard": shard, "complete": cases, "document": None}


def results(folder: Path, rounds: Mapping[str, list[float]]) -> None:
    entries = [
        {"group": case_id, "extra_info": {"arm": arm}, "stats": {"data": data}}
        for case_id, data in rounds.items()
        for arm in ARMS
    ]
    (folder / "k").mkdir(parents=True, exist_ok=True)
    (folder / "k" / RESULTS).write_text(json.dumps({"benchmarks": entries}))


def test_sweep_is_whole_where_what_broke_was_begun_anew(tmp_path: Path) -> None:
    first, rest = IDS[:2], IDS[1:]
    log(tmp_path, begun("0", first), over("0", first[:1]), begun("1", rest), over("1", rest))
    results(tmp_path, {case_id: [1.0] for case_id in IDS})
    assert fleets._not_once(tmp_path) == ""


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([begun("0", IDS), over("0", IDS), begun("1", IDS[:1])], "has case-0, which was measured"),
        ([begun("0", IDS), over("0", IDS[1:])], "59 cases, at most 1 times each"),
        ([begun("0", IDS), over("0", IDS), over("1", IDS[:1])], "60 cases, at most 2 times each"),
    ],
)
def test_case_that_is_lost_or_there_twice_is_told(
    events: list[dict[str, Any]], problem: str, tmp_path: Path
) -> None:
    log(tmp_path, *events)
    results(tmp_path, {case_id: [1.0] for case_id in IDS})
    assert problem in fleets._not_once(tmp_path)


def test_case_that_the_results_lack_or_that_has_other_rounds_is_told(tmp_path: Path) -> None:
    log(tmp_path, begun("0", IDS), over("0", IDS))
    results(tmp_path, {case_id: [1.0] for case_id in IDS[1:]})
    assert "the results have 177 arms" in fleets._not_once(tmp_path)
    results(tmp_path, {case_id: [1.0, 2.0] for case_id in IDS} | {IDS[3]: [1.0]})
    assert fleets._unlike(tmp_path) == ""
    results(tmp_path, {case_id: [1.0, 2.0] for case_id in IDS} | {IDS[3]: [2.0]})
    assert "case-3: other rounds of fpn" in fleets._unlike(tmp_path)
