"""Many runs: stored, read, and searched for changes."""

import datetime as dt
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.schema.files import COST
from bench.schema.records import CaseResult
from reports.__main__ import main
from reports.data import history
from reports.data.errors import ReportError
from tests.reports.analysis.test_compare_files import busy
from tests.reports.pages.test_cost_page import grid
from tests.support.factories import case, facts, finding
from tests.support.own_files import own_document, own_run
from tests.support.result_files import document, measured

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def run(
    folder: Path,
    number: int,
    ratio: float = 1.5,
    cases: Sequence[CaseResult] = (),
    **environment: Any,
) -> Path:
    measured_cases = [*cases] or [measured(ratio)]
    made = document(measured_cases, run_id=f"run-{number:03d}", commit=f"{number:040x}")
    made["panet"]["environment"] |= environment
    made = {"machine_info": {}, **made}  # as pytest-benchmark orders its files
    made["datetime"] = (START + dt.timedelta(days=number)).isoformat()
    made["commit_info"] = {"message": f"Change {number} <b>"}
    path = folder / f"run-{number:03d}" / "results.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(made))
    return path


def test_runs_become_rows_with_date_commit_and_interval(tmp_path: Path) -> None:
    run(tmp_path, 1)
    table = history.collect([tmp_path])
    assert list(table.columns) == list(history.COLUMNS)
    cost = table[table["metric"] == "cost"].iloc[0]
    assert cost["value"] == pytest.approx(1.5)
    assert cost["replicates"] == 5
    assert cost["message"] == "Change 1 <b>"
    assert set(table[table["metric"] == "latency"]["arm"]) == {"fpn", "panet", "fpn_again"}


def test_latency_of_one_undisturbed_replicate_has_no_interval(tmp_path: Path) -> None:
    run(tmp_path, 1, cases=[busy(1.0), *grid()])
    latency = history.collect([tmp_path]).query("metric == 'latency'").iloc[0]
    assert latency["value"] > 0
    assert pd.isna(latency["low"])
    assert latency["replicates"] == 1


def test_machines_are_told_apart_by_what_must_match(tmp_path: Path) -> None:
    run(tmp_path, 1)
    run(tmp_path, 2, cpu="another")
    run(tmp_path, 3, system="another kernel")
    table = history.collect([tmp_path])
    assert table["fingerprint"].nunique() == 2


def test_versions_of_a_runtime_are_series_of_their_own(tmp_path: Path) -> None:
    """And what torch runs beside it goes on."""
    for number, version in enumerate(("1.1", "1.1", "1.2")):
        exported = measured(1.5, runtime="openvino")
        known = dict.fromkeys(("fpn", "panet", "fpn_again"), facts(read_back={"version": version}))
        exported = replace(exported, finding=finding(facts=known))
        run(tmp_path, number, cases=[measured(1.5), exported])
    table = history.collect([tmp_path])
    series = table.groupby("case_id")["fingerprint"].nunique()
    assert dict(series) == {case().case_id: 1, case(runtime="openvino").case_id: 2}


def test_a_store_keeps_every_run_once(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    for number in (1, 40):
        run(tmp_path / "runs", number)
        table = history.collect([tmp_path / "runs"])
        assert history.add(table, store) == 1
    assert history.add(table, store) == 0
    kept = history.read(store)
    assert set(kept["run_id"]) == {"run-001", "run-040"}
    assert set(kept["month"]) == {"2026-01", "2026-02"}
    folders = {p.parent.name for p in Path(store).rglob("*.parquet")}
    assert folders == {"month=2026-01", "month=2026-02"}


def test_two_writers_at_once_store_each_row_once(tmp_path: Path) -> None:
    run(tmp_path / "runs", 1)
    table, store = history.collect([tmp_path / "runs"]), str(tmp_path / "store")
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: history.add(table, store), range(4)))
    assert sorted(added) == [0, 0, 0, 1]
    assert len(history.read(store)) == len(table)


def test_what_was_stored_twice_is_read_once(tmp_path: Path) -> None:
    run(tmp_path / "runs", 1)
    table, store = history.collect([tmp_path / "runs"]), tmp_path / "store"
    history.add(table, str(store))
    (part,) = store.rglob("*.parquet")
    part.with_name("twin.parquet").write_bytes(part.read_bytes())
    assert len(history.read(str(store))) == len(table)


def test_store_of_an_earlier_version_has_no_statuses(tmp_path: Path) -> None:
    run(tmp_path / "runs", 1)
    table = history.collect([tmp_path / "runs"])
    assert set(table["status"]) == {"ok"}
    table.drop(columns="status").to_parquet(tmp_path / "old.parquet")
    assert set(history.read(str(tmp_path / "old.parquet"))["status"]) == {""}


def test_store_of_an_earlier_version_has_no_names(tmp_path: Path) -> None:
    run(tmp_path / "runs", 1)
    table = history.collect([tmp_path / "runs"])
    table.drop(columns="name").to_parquet(tmp_path / "old.parquet")
    stored = history.read(str(tmp_path / "old.parquet"))
    assert list(stored["name"]) == list(stored["case_id"])


def test_cases_are_told_by_name_and_by_id_where_names_are_alike(tmp_path: Path) -> None:
    compiled = replace(measured(1.5), case=case(compile_mode="reduce-overhead"))
    run(tmp_path / "runs", 1, cases=[measured(1.5), compiled])
    table = history.collect([tmp_path / "runs"])
    first, second = case().case_id, compiled.case.case_id
    names = {first: "neck cnn b1 224 nchw", second: "neck cnn b1 224 nchw reduce-overhead"}
    assert history.names(table) == names
    store = str(tmp_path / "store")
    history.add(table, store)
    assert history.names(history.read(store)) == names
    unnamed = table.assign(run_id="run-0", name=table["case_id"])  # stored by an earlier version
    assert history.names(pd.concat([table, unnamed])) == names
    assert history.names(pd.concat([unnamed, table])) == names
    assert history.names(table.assign(name="alike")) == {first: first, second: second}


def test_page_calls_cases_by_name_and_the_id_is_there_to_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(10):
        run(tmp_path / "runs", number, ratio=1.5 if number < 5 else 1.6)
    assert main(["history", str(tmp_path / "runs"), "--out", str(tmp_path)]) == 0
    name, case_id = "neck cnn b1 224 nchw", case().case_id
    said = capsys.readouterr().out
    assert f"{name}, cost: +6.7 %" in said
    assert case_id not in said
    page = (tmp_path / "history.html").read_text()
    assert f'<h2 title="{case_id}">{name}</h2>' in page
    assert set(pd.read_csv(tmp_path / "changes.csv")["case_id"]) == {case_id}


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (2, "Nothing is judged yet: a series needs 8 runs."),
        (8, "Nothing changed in 4 of 4 series."),
    ],
)
def test_history_without_a_change_says_why(
    runs: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(runs):
        run(tmp_path / "runs", number)
    assert main(["history", str(tmp_path / "runs"), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(said)
    page = (tmp_path / "history.html").read_text()
    assert f'<p class="answer">{said}</p>' in page
    assert "What else changed" not in page


def test_storage_of_pytest_benchmark_is_imported(tmp_path: Path) -> None:
    stored = {
        "machine_info": {"node": "n", "cpu": {"brand_raw": "a CPU", "count": 2}},
        "commit_info": {"id": "abc", "message": "m"},
        "datetime": "2026-03-01T10:00:00+00:00",
        "benchmarks": [{"fullname": "test_a.py::test_b", "stats": {"mean": 0.25}}],
    }
    (tmp_path / "0001_abc.json").write_text(json.dumps(stored))
    table = history.collect([tmp_path])
    row = table.iloc[0]
    assert (row["case_id"], row["metric"], row["value"]) == ("test_a.py::test_b", "mean", 0.25)


def test_a_folder_of_both_kinds_of_runs_has_the_series_of_both(tmp_path: Path) -> None:
    run(tmp_path, 1)
    own_run(tmp_path, "cost-1", run={"commit": "c" * 40})
    (tmp_path / "cost-1" / "profile.json").write_text('{"schema": 1}')
    table = history.collect([tmp_path])
    assert set(table["run_id"]) == {"run-001", "cost-1"}
    own = table[table["run_id"] == "cost-1"]
    assert set(own["commit"]) == {"c" * 40}
    assert set(own["fingerprint"]) == set(table["fingerprint"]), "the machine is the same"
    assert set(own.groupby(["metric", "arm"]).groups) == {
        *(("latency", arm) for arm in ("the network", "network_again")),
        *((metric, part) for metric in ("time", "inside") for part in ("neck", "head")),
    }
    assert set(own["replicates"]) == {5}
    assert history.add(table, str(tmp_path / "store")) == 2


def test_file_of_the_fixture_has_what_it_measured_and_its_folder_adds_nothing(
    tmp_path: Path,
) -> None:
    own_run(tmp_path, "cost-1")
    measured = history.collect([tmp_path])
    document = json.loads((tmp_path / "cost-1" / COST).read_text())
    entry = {"fullname": "test_a.py::test_b", "stats": {"mean": 0.25}}
    stored = {
        "machine_info": {},
        "commit_info": {},
        "benchmarks": [entry | {"extra_info": {"costs": [document]}}],
        "datetime": "2026-11-01T00:00:00",
    }
    (tmp_path / "0001_abc.json").write_text(json.dumps(stored))
    pd.testing.assert_frame_equal(history.collect([tmp_path]), measured)
    document["schema"] = 99
    (tmp_path / "0001_abc.json").write_text(json.dumps(stored))
    with pytest.raises(ReportError, match="schema 99"):
        history.collect([tmp_path])


def test_runs_whose_networks_got_other_inputs_are_series_of_their_own(tmp_path: Path) -> None:
    for name, shape in (("a", "1x3x64x64"), ("b", "1x3x64x64"), ("c", "1x9x64x64")):
        own_run(tmp_path, name, shapes=[shape], given={"devices": "cpu"})
    table = history.collect([tmp_path])
    assert len(set(table["case_id"])) == 1
    fingerprints = table.groupby("run_id")["fingerprint"].first()
    assert fingerprints["a"] == fingerprints["b"] != fingerprints["c"]


def test_renamed_file_without_the_name_of_its_run_is_called_as_it_is(tmp_path: Path) -> None:
    for name in ("monday.json", "tuesday.json"):
        content = own_document()
        content["run"].pop("run_id")
        (tmp_path / name).write_text(json.dumps(content))
    assert set(history.collect([tmp_path])["run_id"]) == {"monday", "tuesday"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"benchmarks": [{}]}'])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(ReportError, match=r"bad\.json"):
        history.collect([path])


def test_a_folder_without_runs_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="name result files"):
        history.collect([tmp_path])


@pytest.mark.parametrize("damage", ["lists", "unknown machine"])
def test_store_with_a_damaged_part_is_one_line(damage: str, tmp_path: Path) -> None:
    run(tmp_path / "runs", 1)
    store = tmp_path / "store"
    history.add(history.collect([tmp_path / "runs"]), str(store))
    (part,) = store.rglob("*.parquet")
    table = pd.read_parquet(part, partitioning=None)
    if damage == "lists":
        part = part.with_name("part-b.parquet")
        table["value"] = [[1.0]] * len(table)
    else:
        table["machine"] = None
    table.to_parquet(part, index=False)
    with pytest.raises(ReportError, match="cannot be read"):
        history.read(str(store))
