"""Kinds of machine beside each other, read from the files that their commands wrote."""

from bench.fleet.side_by_side import costs, false_alarms, table, verdicts
from bench.schema.records import Status
from tests.support.own_files import own_document


def test_parts_add_to_a_call_and_take_milliseconds() -> None:
    found = costs(own_document("parts"))
    assert list(found) == ["neck", "head", "call"]
    assert found["neck"].startswith("+20.0 % ±")
    assert found["neck"].endswith(" %")
    assert "; 2 ms ±" in found["neck"]
    assert " ms ±" in found["call"]
    networks = costs(own_document("networks"))
    assert list(networks) == ["fpn call", "panet call", "fpn_again call"]
    assert networks["panet call"].startswith("+")
    failed = costs(own_document("parts", status=Status.OOM))
    assert failed == {"call": "oom: because"}


def test_verdicts_and_false_alarms_are_short() -> None:
    ratio = {"value": 1.05, "low": 1.04, "high": 1.06}
    case = {"verdict": "within_noise", "ratio": None}
    document = {
        "cases": {"a": case, "b": {"verdict": "regressed", "ratio": ratio}},
        "overall": {"verdict": "regressed", "ratio": ratio},
        "failed": {"c": "why"},
        "verdict": "regressed",
    }
    assert verdicts(document) == {
        "a": "within noise, -",
        "b": "regressed, +5.0 % ±1.0 %",
        "all together": "regressed, +5.0 % ±1.0 %",
        "c": "missing",
        "verdict": "regressed",
    }
    rates = [{"count": 9, "total": 9, "high": 1.0}, {"count": 0, "total": 12, "high": 0.243}]
    setups = {"none-t2": {"gates": [{"false_alarms": rate} for rate in rates]}}
    assert false_alarms({"setups": setups}) == {"none-t2": "0 of 12 (95 %: at most 24 %)"}


def test_table_has_a_column_for_each_kind() -> None:
    lines = table("cost", {"k1": {"neck": "1"}, "k2": {"neck": "2", "head": "3"}}).splitlines()
    assert [line.split() for line in lines if "-" not in line[:3]] == [
        ["cost", "k1", "k2"],
        ["neck", "1", "2"],
        ["head", "-", "3"],
    ]
