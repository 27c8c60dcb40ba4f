"""What a small real run of ``pytest bench`` leaves; one worker of xdist has all of these tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.machine.environment import ROOT
from bench.run import extra_arms
from bench.schema import files, journal, run_folders
from bench.schema.energy import CaseEnergy
from bench.schema.recipe import ARMS
from bench.schema.records import SCHEMA
from tests.support.harness import TINY, bench

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small real run of some of the cases: the folder of its runs, and its result file."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = folder / "wanted.json"
    axes = ["--passes", "inference,training", "--dtypes", "float32,tf32", "--batch-sizes", "1,2"]
    files_of = [
        "--traces",
        "--parts",
        "--energy",
        f"--benchmark-json={wanted}",
        f"--run-dir={folder}",
    ]
    done = bench(*TINY, *axes, "-k", "b1", *files_of)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, json.loads(wanted.read_text())


def test_every_arm_of_every_case_is_an_entry(measured: tuple[Path, dict[str, Any]]) -> None:
    _, document = measured
    entries = document["benchmarks"]
    assert len(entries) == 2 * len(ARMS)
    for entry in entries:
        info = entry["extra_info"]
        assert "-b1-" in info["case_id"]  # as -k selects
        assert entry["group"] == info["case_id"]
        assert sum(info["replicates"]) == len(entry["stats"]["data"])
        assert info["flops"] == 2 * info["macs"] > 0
        assert info["peak_bytes"] > 0
        assert info["params"] > 0


def test_arms_of_a_case_are_aligned_round_by_round(measured: tuple[Path, dict[str, Any]]) -> None:
    _, document = measured
    counts: dict[str, set[int]] = {}
    for entry in document["benchmarks"]:
        counts.setdefault(entry["group"], set()).add(len(entry["stats"]["data"]))
    assert all(len(found) == 1 for found in counts.values())


def test_replayed_rounds_are_the_journals_to_the_last_bit(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    folder, document = measured
    entries = journal.read(folder / run_folders.LATEST)
    for entry in document["benchmarks"]:
        info = entry["extra_info"]
        rounds = [
            x
            for r in entries.replicates[info["case_id"]]
            if not r.contended or info["status"] == "contended"
            for x in r.rounds_s[info["arm"]]
        ]
        assert entry["stats"]["data"] == rounds


def test_cases_without_an_answer_are_in_the_file_with_their_reason(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    _, document = measured
    skipped = [case for case in document["panet"]["outcomes"] if case["status"] == "skipped"]
    assert len(skipped) == 2
    assert all("tf32" in case["reason"] for case in skipped)


def test_file_says_what_ran_where(measured: tuple[Path, dict[str, Any]]) -> None:
    _, document = measured
    panet = document["panet"]
    assert panet["schema"] == SCHEMA
    assert panet["environment"]["libraries"]["torch"]
    assert "hz_actual" not in document["machine_info"]["cpu"]
    assert set(panet["loads"]) == {entry["group"] for entry in document["benchmarks"]}


def test_run_folder_holds_results_journal_and_traces(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    folder, document = measured
    latest = folder / run_folders.LATEST
    assert json.loads((latest / files.RESULTS).read_text()) == document
    case_ids = {entry["group"] for entry in document["benchmarks"]}
    traces = {path.parent.relative_to(latest) for path in latest.rglob("*.pt.trace.json.gz")}
    assert traces == {
        Path("traces") / case_id / arm for case_id in case_ids for arm in ("fpn", "panet")
    }


def test_parts_take_turns_as_arms(measured: tuple[Path, dict[str, Any]]) -> None:
    folder, document = measured
    found = json.loads((folder / run_folders.LATEST / "parts.json").read_text())["cases"]
    assert {entry["case_id"] for entry in found} == {e["group"] for e in document["benchmarks"]}
    for entry in found:
        assert entry["replicates"] or entry["contended"] >= extra_arms.REPLICATES
        for rounds_s in entry["replicates"]:
            assert set(rounds_s) == {"panet_alone", "fpn", "panet"}
            assert len({len(durations) for durations in rounds_s.values()}) == 1


def test_energy_of_every_case_is_measured_or_has_its_reason(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    _, document = measured
    found = [CaseEnergy.from_json(of) for of in document["panet"]["energy"]]
    assert {of.case_id for of in found} == {e["group"] for e in document["benchmarks"]}
    counted = any(Path("/sys/class/powercap").glob("intel-rapl:*"))
    assert {of.status for of in found} <= ({"ok", "contended"} if counted else {"skipped"})


def test_profile_of_the_run_is_a_page(measured: tuple[Path, dict[str, Any]]) -> None:
    latest = measured[0] / run_folders.LATEST
    command = [sys.executable, "-m", "reports", "profile", str(latest)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PANet takes" in done.stdout
    page = (latest / "profile.html").read_text()
    assert "panet n3 fuse" in page
    assert "Distance from the machine" in page


def test_pytest_benchmark_compares_and_draws_the_file(
    measured: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = measured
    histogram = tmp_path / "histogram"
    command = [Path(sys.executable).parent / "pytest-benchmark", "compare", folder / "wanted.json"]
    done = subprocess.run(
        [*map(str, command), f"--histogram={histogram}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "test_inference[cnn-neck-b1-32x32-cpu-float32-nchw-eager-inference-t1-panet" in (
        done.stdout
    )
    assert len(list(tmp_path.glob("histogram*.svg"))) == 2
