"""Formats of other trackers: what they ask for is in the files."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench.schema.records import Status
from reports import __main__ as command
from reports.data import history
from reports.data.errors import ReportError
from reports.exports import trackers
from tests.reports.data.test_history import run
from tests.support.own_files import own_run
from tests.support.result_files import measured

EVERY = tuple(trackers.METRICS)


def export(paths: list[Path], name: str, out: Path, metrics: Sequence[str] = EVERY) -> list[Path]:
    table, _ = trackers.chosen(history.collect(paths), metrics)
    return trackers.export(table, name, out)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return trackers.chosen(history.collect([run(tmp_path, 1)]), EVERY)[0]


def test_github_action_benchmark_gets_names_units_and_ranges(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    (path,) = trackers.export(table, "github", tmp_path / "out.json")
    entries = {entry["name"].partition(" ")[2]: entry for entry in json.loads(path.read_text())}
    assert set(entries) == {"latency fpn", "latency panet", "latency fpn_again", "cost"}
    latency = table[(table["metric"] == "latency") & (table["arm"] == "fpn")].iloc[0]
    assert entries["latency fpn"]["value"] == pytest.approx(latency["value"] * 1e3)
    assert entries["latency fpn"]["unit"] == "ms"
    assert entries["latency fpn"]["range"].startswith("± ")
    assert entries["cost"]["value"] == pytest.approx(1.5)


def test_bencher_gets_nanoseconds_with_bounds(table: pd.DataFrame, tmp_path: Path) -> None:
    (path,) = trackers.export(table, "bencher", tmp_path / "out.json")
    found = json.loads(path.read_text())
    name = next(name for name in found if name.endswith(" fpn"))
    latency = table[(table["metric"] == "latency") & (table["arm"] == "fpn")].iloc[0]
    measured = found[name]["latency"]
    assert measured["value"] == pytest.approx(latency["value"] * 1e9)
    assert measured["lower_value"] <= measured["value"] <= measured["upper_value"]


def test_otava_gets_a_row_per_run_and_a_series_per_machine(tmp_path: Path) -> None:
    runs = [run(tmp_path, 1), run(tmp_path, 2, ratio=1.6), run(tmp_path, 3, cpu="another")]
    *files, configuration = export(runs, "otava", tmp_path / "otava")
    first, second = (pd.read_csv(path) for path in files)
    assert (list(first["run"]), list(second["run"])) == (["run-001", "run-002"], ["run-003"])
    cost = next(name for name in first.columns if name.endswith(" cost"))
    assert list(first[cost]) == pytest.approx([1.5, 1.6])
    assert pd.to_datetime(first["time"]).is_monotonic_increasing
    tests = yaml.safe_load(configuration.read_text())["tests"]
    assert [test["file"] for test in tests.values()] == [path.name for path in files]
    assert tests[files[0].stem]["metrics"][cost] == {"column": cost, "direction": -1}


def test_asv_gets_a_folder_by_machine_and_commit(table: pd.DataFrame, tmp_path: Path) -> None:
    trackers.export(table, "asv", tmp_path / "results")
    benchmarks = json.loads((tmp_path / "results" / "benchmarks.json").read_text())
    (stored,) = (tmp_path / "results").glob("*/*-panet-bench.json")
    document = json.loads(stored.read_text())
    assert stored.name.startswith(document["commit_hash"][:8])
    assert set(document["results"]) == set(benchmarks) - {"version"}
    assert (stored.parent / "machine.json").exists()


def test_asv_keeps_every_run_of_a_commit_and_its_interval(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(i), i, ratio) for i, ratio in enumerate((1.5, 1.6, 1.7), start=1)]
    for path in runs:
        made = json.loads(path.read_text())
        made["panet"]["commit"] = "f" * 40
        path.write_text(json.dumps(made))
    export([*runs, run(tmp_path, 9)], "asv", tmp_path / "results", ["cost"])
    assert len([*(tmp_path / "results").glob("*/*-panet-bench.json")]) == 2
    (stored,) = (tmp_path / "results").glob("*/ffffffff-panet-bench.json")
    document = json.loads(stored.read_text())
    (values,) = document["results"].values()
    result = dict(zip(document["result_columns"], values, strict=True))
    assert result["result"] == pytest.approx([1.6])
    assert result["samples"] == [pytest.approx([1.5, 1.6, 1.7])]
    assert result["stats_ci_99_a"][0] < 1.6 < result["stats_ci_99_b"][0]


def test_runs_without_a_commit_are_left_out_for_asv(tmp_path: Path) -> None:
    paths = [run(tmp_path, 1), run(tmp_path, 2)]
    made = json.loads(paths[0].read_text())
    made["panet"]["commit"] = None
    paths[0].write_text(json.dumps(made))
    export(paths, "asv", tmp_path / "results")
    (stored,) = (tmp_path / "results").glob("*/*-panet-bench.json")
    assert stored.name.startswith(f"{2:040x}"[:8])
    with pytest.raises(ReportError, match="no run has a commit"):
        export(paths[:1], "asv", tmp_path / "none")


@pytest.mark.parametrize("name", trackers.FORMATS)
def test_contended_values_stay_behind_and_are_counted(name: str, tmp_path: Path) -> None:
    good, contended = measured(1.5), measured(2.5, Status.CONTENDED, batch_size=2)
    path = run(tmp_path, 1, cases=[good, contended])
    _, said = trackers.chosen(history.collect([path]), EVERY)
    assert said == ["left out: 4 values of 1 contended cases"]
    text = "".join(file.read_text() for file in export([path], name, tmp_path / "out"))
    assert good.case.case_id in text
    assert contended.case.case_id not in text


def test_only_the_cost_is_exported_unless_more_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, out = run(tmp_path, 1), tmp_path / "out.json"
    counts = {"cost": 1, "cost,latency": 3, "latency,control": 3}
    for metrics, count in counts.items():
        arguments = ["export", "github", str(result), "--out", str(out), "--metrics", metrics]
        assert command.main(arguments) == 0
        assert len(json.loads(out.read_text())) == count
    assert command.main(["export", "github", str(result), "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())) == 1
    wrong = ["export", "github", str(result), "--out", str(out), "--metrics", "speed"]
    assert command.main(wrong) == 2
    assert "--metrics 'speed': choose from cost" in capsys.readouterr().err


def test_parts_of_anyones_network_are_exported_by_their_names(tmp_path: Path) -> None:
    path = own_run(tmp_path, "cost-1", "exchange")
    (written,) = export([path], "bencher", tmp_path / "out.json")
    found = json.loads(written.read_text())
    case_id = history.collect([path])["case_id"].iloc[0]
    by_name = {name.removeprefix(case_id).strip(): set(of) for name, of in found.items()}
    other = "neck=mynet:bifpn"
    assert by_name == {
        "neck": {"time", "inside"},
        other: {"time", "inside", "residual"},
        "the network": {"latency"},
        f"the network with {other}": {"latency", "cost"},
        "network_again": {"latency"},
    }
    assert found[f"{case_id} neck"]["time"]["value"] == pytest.approx(2e6, rel=0.01)
    counts = {"cost": 4, "latency": 4, "control": 1}
    for metric, count in counts.items():
        (written,) = export([path], "github", tmp_path / "out.json", [metric])
        assert len(json.loads(written.read_text())) == count
    csv, _ = export([path], "otava", tmp_path / "otava")
    assert f"{case_id} inside neck" in pd.read_csv(csv).columns
    busy = own_run(tmp_path, "cost-2", status=Status.CONTENDED)
    with pytest.raises(ReportError, match="left out: 2 values of 1 contended cases"):
        export([busy], "github", tmp_path / "out.json", ["cost"])


def test_formats_for_one_run_refuse_several(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="github takes one run at a time"):
        export([run(tmp_path, 1), run(tmp_path, 2)], "github", tmp_path / "out.json")


def test_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, out = run(tmp_path, 1), tmp_path / "out.json"
    assert command.main(["export", "github", str(result), "--out", str(out)]) == 0
    assert json.loads(out.read_text())
    assert f"wrote {out}" in capsys.readouterr().out.replace("\n", "")
