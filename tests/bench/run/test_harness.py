"""``pytest bench`` as its users call it, in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.machine.environment import ROOT
from bench.run import extra_arms
from bench.schema import files, journal, run_folders
from bench.schema.recipe import ARMS
from bench.schema.records import SCHEMA

pytestmark = pytest.mark.process

TINY: list[str | Path] = [
    *("--preset", "smoke", "--scopes", "neck", "--channels-last", "off", "--passes", "inference"),
    *("--resolutions", "32", "--threads", "1", "--devices", "cpu"),
    # Ends with the first stage; the budget is for a machine that is slow or busy.
    *("--half-width", "90%", "--budget", "4m"),
]


def bench(*arguments: str | Path, timeout_s: float = 500) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _command(*arguments: str | Path) -> list[str]:
    short = ("-p", "tests.support.short")
    return [sys.executable, "-m", "pytest", *short, "bench", *map(str, arguments)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small real run: the folder of its runs, and its result file."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = folder / "wanted.json"
    passes = ["--passes", "inference,training", "--dtypes", "float32,tf32"]
    done = bench(
        *TINY, *passes, "--run-dir", folder, f"--benchmark-json={wanted}", "--traces", "--parts"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, json.loads(wanted.read_text())


def test_every_arm_of_every_case_is_an_entry(measured: tuple[Path, dict[str, Any]]) -> None:
    _, document = measured
    entries = document["benchmarks"]
    assert len(entries) == 2 * len(ARMS)
    for entry in entries:
        info = entry["extra_info"]
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


def test_collecting_measures_nothing(tmp_path: Path) -> None:
    done = bench(*TINY, "--collect-only", "-q", "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 tests collected" in done.stdout or done.stdout.count("::") >= 3
    assert list(tmp_path.iterdir()) == []


def test_disabled_benchmarks_measure_nothing(tmp_path: Path) -> None:
    done = bench("--preset", "smoke", "--benchmark-disable", "-q", "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_selection_restricts_what_is_measured(tmp_path: Path) -> None:
    done = bench(*TINY, "--batch-sizes", "1,2", "-k", "b2", "--run-dir", tmp_path, "--budget", "5s")
    assert done.returncode == 0, done.stdout + done.stderr
    header = journal.read(tmp_path / run_folders.LATEST).header
    assert header["cases"] == ["cnn-neck-b2-32x32-cpu-float32-nchw-eager-inference-t1"]


def test_run_in_which_nothing_can_run_is_a_result(tmp_path: Path) -> None:
    done = bench(*TINY, "--dtypes", "tf32", "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 skipped" in done.stdout
    document = json.loads((tmp_path / run_folders.LATEST / files.RESULTS).read_text())
    assert document["benchmarks"] == []
    assert [case["status"] for case in document["panet"]["outcomes"]] == ["skipped"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--batch-sizes", "zero"], "--batch-sizes 'zero': give a whole number of 1 or more"),
        (["--resume", "no-such-run"], "--resume no-such-run: no such run in"),
        (["--benchmark-json=/no/such/folder/x.json"], "no such folder; make it first"),
    ],
)
def test_wrong_use_is_pytests_usage_error_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    done = bench(*arguments, "--run-dir", tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_run_is_resumed_and_repeats_nothing(tmp_path: Path) -> None:
    """A real SIGKILL while a worker runs; the journal is then torn as by a kill in a write."""
    arguments = [*TINY, "--batch-sizes", "1,2", "--run-dir", tmp_path]
    with subprocess.Popen(
        _command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        path = _wait_for_lines(tmp_path, count=6, process=process)
        process.send_signal(signal.SIGKILL)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    before = journal.read(path.parent)
    assert sum(map(len, before.replicates.values())) > 0

    done = bench(*arguments, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    after = journal.read(path.parent)
    assert path.read_bytes().startswith(whole[: before.intact_bytes])
    for case_id, replicates in after.replicates.items():
        assert [r.index for r in replicates] == list(range(len(replicates))), case_id
        kept = before.replicates.get(case_id, [])
        assert replicates[: len(kept)] == kept

    refused = bench(*arguments, "--resume", path.parent.name, "--seed", "9")
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--seed differ from those of that run" in refused.stderr


def _wait_for_lines(folder: Path, count: int, process: subprocess.Popen[bytes]) -> Path:
    """Wait until the journal of the only run has so many lines."""
    end_s = time.monotonic() + 200
    while time.monotonic() < end_s:
        assert process.poll() is None, "the run ended before it could be killed"
        for path in folder.glob(f"*-*/{files.JOURNAL}"):
            if path.read_bytes().count(b"\n") >= count:
                return path
        os.sched_yield()
    raise AssertionError(f"no journal of {count} lines came in {folder}")


def test_xdist_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Xdist need not be installed: a plugin that adds its option is enough to be refused."""
    (tmp_path / "fake_xdist.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--numprocesses', type=int, dest='numprocesses')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        _command("-p", "no:xdist", "-p", "fake_xdist", "--numprocesses", "2"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "benchmarks beside each other disturb each other" in done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler, as the case does")
def test_compiled_case_equals_eager_and_has_three_times(tmp_path: Path) -> None:
    compiled = ["--compile", "default", "--channels-last", "on", "--budget", "4m"]
    done = bench(*TINY, *compiled, "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / run_folders.LATEST / files.RESULTS).read_text())
    by_arm = {e["extra_info"]["arm"]: e for e in document["benchmarks"]}
    assert set(by_arm) == set(ARMS), document["panet"]["outcomes"]
    panet = by_arm["panet"]
    cold_s, warm_s = panet["extra_info"]["compile_s"], panet["extra_info"]["warm_compile_s"]
    assert len(warm_s) == len(panet["extra_info"]["replicates"])
    assert cold_s > 0
    assert by_arm["fpn_again"]["extra_info"]["compile_s"] is None
