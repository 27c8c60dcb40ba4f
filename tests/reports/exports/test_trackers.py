"""Formats of other trackers: what they ask for is in the files."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from reports import __main__ as command
from reports.data import history
from reports.data.errors import ReportError
from reports.exports import trackers
from tests.reports.data.test_history import run


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return history.collect([run(tmp_path, 1)])


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
    name = next(name for name in found if name.endswith("latency fpn"))
    latency = table[(table["metric"] == "latency") & (table["arm"] == "fpn")].iloc[0]
    measured = found[name]["latency"]
    assert measured["value"] == pytest.approx(latency["value"] * 1e9)
    assert measured["lower_value"] <= measured["value"] <= measured["upper_value"]


def test_otava_gets_a_row_per_run(tmp_path: Path) -> None:
    table = history.collect([run(tmp_path, 1), run(tmp_path, 2, ratio=1.6)])
    (path,) = trackers.export(table, "otava", tmp_path / "out.csv")
    rows = pd.read_csv(io.StringIO(path.read_text()))
    assert list(rows["run"]) == ["run-001", "run-002"]
    cost = next(name for name in rows.columns if name.endswith(" cost"))
    assert list(rows[cost]) == pytest.approx([1.5, 1.6])
    assert pd.to_datetime(rows["time"]).is_monotonic_increasing


def test_asv_gets_a_folder_by_machine_and_commit(table: pd.DataFrame, tmp_path: Path) -> None:
    trackers.export(table, "asv", tmp_path / "results")
    benchmarks = json.loads((tmp_path / "results" / "benchmarks.json").read_text())
    (stored,) = (tmp_path / "results").glob("*/*-panet-bench.json")
    document = json.loads(stored.read_text())
    assert stored.name.startswith(document["commit_hash"][:8])
    assert set(document["results"]) == set(benchmarks) - {"version"}
    assert (stored.parent / "machine.json").exists()


def test_formats_for_one_run_refuse_several(tmp_path: Path) -> None:
    table = history.collect([run(tmp_path, 1), run(tmp_path, 2)])
    with pytest.raises(ReportError, match="github takes one run at a time"):
        trackers.export(table, "github", tmp_path / "out.json")


def test_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, out = run(tmp_path, 1), tmp_path / "out.json"
    assert command.main(["export", "github", str(result), "--out", str(out)]) == 0
    assert json.loads(out.read_text())
    assert f"wrote {out}" in capsys.readouterr().out.replace("\n", "")
