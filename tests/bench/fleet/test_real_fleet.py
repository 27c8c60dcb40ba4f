"""A real fleet in small: a node, a shard of two cases, measured by real processes."""

import json
from pathlib import Path

import pytest

import reports
from bench.schema import files, journal, run_folders
from tests.support.harness import OURS_ALONE, TINY, bench_here


@pytest.mark.process
def test_local_fleet_measures_and_writes_what_a_run_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(["-p", "tests.support.short", *OURS_ALONE]))
    wanted = tmp_path / "wanted.json"
    arguments = [*TINY, "--batch-sizes", "1,2", "--only", "*-b2-*", "--run-dir", tmp_path / "runs"]
    done = bench_here(*arguments, "--executor", "local", f"--benchmark-json={wanted}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "local: 1 case" in done.stdout
    assert "100 %, at most 00:00 left: 1 of 1 cases" in done.stderr
    fleet = (tmp_path / "runs" / run_folders.LATEST).resolve()
    (name,) = json.loads((fleet / files.FLEET).read_text())["kinds"]
    document = json.loads(wanted.read_text())
    assert document == json.loads((fleet / name / files.RESULTS).read_text())
    assert document["machine_info"]["cpu"]
    assert {entry["extra_info"]["arm"] for entry in document["benchmarks"]} == {
        *("fpn", "panet", "fpn_again")
    }
    (copy,) = fleet.glob(f"shards/*/{files.JOURNAL}")
    (of_case,) = journal.read(copy.parent).replicates.values()
    rounds = [x for r in of_case if not r.contended for x in r.rounds_s["fpn"]]
    assert rounds == document["benchmarks"][0]["stats"]["data"]
    assert len(reports.load(fleet)) == 3

    two = [*TINY, "--batch-sizes", "1,2", "--run-dir", tmp_path / "none"]
    for line, sentence in (
        ((*arguments, "--executor", "local", "--deploy"), "its ways take turns on one machine"),
        ((*arguments, "--executor", "local", "--energy"), "measure each machine by itself"),
        ((*two, "--executor", "local", "-k", "b1"), "choose cases with --only, which every"),
        ((*two, "--hosts", "a"), "--hosts: say how they are reached with --executor (local, "),
    ):
        refused = bench_here(*line)
        assert refused.returncode == pytest.ExitCode.USAGE_ERROR
        assert sentence in refused.stderr
    assert not (tmp_path / "none").exists()
