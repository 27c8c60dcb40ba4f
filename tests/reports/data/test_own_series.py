"""The numbers of a run of `panet-bench cost` are those that the command told."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.schema.files import COST
from bench.schema.records import Status
from reports.data import run_series
from reports.data.series import RunSeries, is_control
from tests.support.own_files import KINDS, own_document, own_run

OTHER = "neck=mynet:bifpn"


def read(folder: Path, kind: str = "parts", **options: Any) -> RunSeries:
    return run_series.read(own_run(folder, kind, kind, **options))


EXPECTED: dict[str, dict[tuple[str, str], Sequence[str]]] = {
    "parts": {
        ("latency", "the network"): ("insides", "network", "call_s"),
        ("time", "neck"): ("insides", "network", "parts", "neck", "time_s"),
        ("inside", "neck"): ("insides", "network", "parts", "neck", "ratio"),
        ("time", "head"): ("insides", "network", "parts", "head", "time_s"),
        ("inside", "head"): ("insides", "network", "parts", "head", "ratio"),
    },
    "exchange": {
        ("latency", f"the network with {OTHER}"): ("insides", "exchanged", "call_s"),
        ("time", "neck"): ("insides", "network", "parts", "neck", "time_s"),
        ("inside", "neck"): ("insides", "network", "parts", "neck", "ratio"),
        ("time", OTHER): ("insides", "exchanged", "parts", "neck", "time_s"),
        ("inside", OTHER): ("insides", "exchanged", "parts", "neck", "ratio"),
        ("cost", f"the network with {OTHER}"): ("besides", "exchanged", "ratio"),
        ("residual", OTHER): ("exchange", "residual"),
    },
    "networks": {("cost", "panet=mynet:panet"): ("besides", "panet", "ratio")},
}
"""Series -> where the answer of the command has its estimate."""


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_are_those_of_the_answer(kind: str, tmp_path: Path) -> None:
    (case,) = read(tmp_path, kind).cases.values()
    (answered,) = (case["answer"] for case in own_document(kind)["cases"])
    networks = {key for key in EXPECTED[kind] if key[0] == "latency"}
    assert {key for key in case.series if key[0] != "latency"} == set(EXPECTED[kind]) - networks
    for key, path in EXPECTED[kind].items():
        told: Any = answered
        for name in path:
            told = told[name]
        found = case.series[key].estimate
        assert found is not None
        assert vars(found) == pytest.approx(told), key
        assert len(case.series[key].logs) == 5


@pytest.mark.parametrize(
    ("kind", "networks"),
    [
        ("parts", {"the network": 10 + 2, "network_again": 10 + 2}),
        (
            "exchange",
            {"the network": 8 + 2, "network_again": 8 + 2, f"the network with {OTHER}": 8 + 3},
        ),
        ("networks", {"fpn=mynet:fpn": 8, "panet=mynet:panet": 8 + 3, "fpn_again": 8}),
    ],
)
def test_networks_have_the_latency_of_their_calls(
    kind: str, networks: dict[str, float], tmp_path: Path
) -> None:
    (case,) = read(tmp_path, kind).cases.values()
    found = {arm: of.estimate for (metric, arm), of in case.series.items() if metric == "latency"}
    assert {arm: of and of.value * 1e3 for arm, of in found.items()} == pytest.approx(
        networks, rel=0.01
    )
    assert [arm for arm in networks if is_control(arm)] == [
        arm for arm in networks if arm.endswith("_again")
    ]


def test_what_is_counted_is_known_of_networks_and_of_parts(tmp_path: Path) -> None:
    (case,) = read(tmp_path, "exchange", macs=30).cases.values()
    assert case.counted["neck"] == {"macs": 30, "params": 5, "peak_bytes": 500}
    assert case.counted["the network"]["macs"] == 100
    assert case.counted[OTHER]["macs"] == 30
    assert case.counted[f"the network with {OTHER}"]["params"] == 10


def test_part_that_a_case_does_not_call_has_no_series_there(tmp_path: Path) -> None:
    (case,) = read(tmp_path, "parts", part_s={"neck": 0.002, "head": 0.0}).cases.values()
    assert case.asked == ["neck"]


def test_calls_behind_disturbed_rounds_are_known_of_network_and_part(tmp_path: Path) -> None:
    """But not of the network beside the base, which took its turn in the rounds alone."""
    folder = own_run(tmp_path, "busy", "exchange")
    content = json.loads((folder / COST).read_text())
    for one in content["cases"][0]["replicates"]:
        one["more_spans_s"] = {arm: one["spans_s"][arm] for arm in ("network", "exchanged")}
        one["disturbed"] = list(range(6))
    (folder / COST).write_text(json.dumps(content))
    (case,) = run_series.read(folder).cases.values()
    known = {key for key, of in case.series.items() if of.estimate is not None}
    assert known == {
        *(("latency", "the network"), ("latency", f"the network with {OTHER}")),
        *((metric, part) for metric in ("time", "inside") for part in ("neck", OTHER)),
    }
    assert {len(case.series[key].logs) for key in known} == {5}
    beside = case.series["cost", f"the network with {OTHER}"]
    assert (beside.logs, beside.estimate) == ([], None)


def test_case_that_does_not_run_keeps_its_status(tmp_path: Path) -> None:
    (case,) = read(tmp_path, "parts", status=Status.OOM).cases.values()
    assert (case.status, case.reason, dict(case.series)) == ("oom", "because", {})


def test_path_of_a_file_is_no_part_of_a_name(tmp_path: Path) -> None:
    """The same network, typed from another folder, goes on as the same series."""
    file = tmp_path / "mynet.py"
    file.touch()
    (case,) = read(tmp_path, "exchange", instead=f"{file}:bifpn").cases.values()
    assert "neck=mynet.py:bifpn" in case.asked
