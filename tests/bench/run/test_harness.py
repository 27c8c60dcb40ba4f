"""``pytest bench`` as its users call it: what it measures, refuses, stores and goes on with."""

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.machine.environment import ROOT
from bench.schema import files, journal, run_folders
from bench.schema.recipe import ARMS
from tests.support.harness import NOTHING, TINY, bench, bench_here, command

pytestmark = pytest.mark.process


def test_collecting_measures_nothing(tmp_path: Path) -> None:
    done = bench_here(*TINY, "--collect-only", "-q", "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 tests collected" in done.stdout or done.stdout.count("::") >= 3
    assert list(tmp_path.iterdir()) == []


def test_disabled_benchmarks_measure_nothing(tmp_path: Path) -> None:
    done = bench_here("--preset", "smoke", "--benchmark-disable", "-q", "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_selection_restricts_what_is_measured(tmp_path: Path) -> None:
    """And where it had no time for any of that, `latest` stays with the run that measured."""
    (tmp_path / "earlier").mkdir()
    (tmp_path / run_folders.LATEST).symlink_to("earlier")
    arguments = [*TINY, "--batch-sizes", "1,2", "-k", "b2", "--run-dir", tmp_path]
    done = bench_here(*arguments, "--budget", "0.000001s")
    assert done.returncode == NOTHING, done.stdout + done.stderr
    assert (tmp_path / run_folders.LATEST).resolve() == (tmp_path / "earlier").resolve()
    (folder,) = tmp_path.glob("*-*")
    header = journal.read(folder).header
    assert header["cases"] == ["cnn-neck-b2-32x32-cpu-float32-nchw-eager-inference-t1"]


def test_run_in_which_nothing_can_run_is_stored_and_no_success(tmp_path: Path) -> None:
    done = bench_here(*TINY, "--dtypes", "tf32", "--run-dir", tmp_path)
    assert done.returncode == NOTHING, done.stdout + done.stderr
    assert "3 skipped" in done.stdout
    assert "nothing was measured" in done.stdout
    document = json.loads((tmp_path / run_folders.LATEST / files.RESULTS).read_text())
    assert document["benchmarks"] == []
    assert [case["status"] for case in document["panet"]["outcomes"]] == ["skipped"]


@pytest.mark.parametrize(
    ("call", "arguments", "sentence"),
    [
        (bench, ["--batch-sizes", "zero"], "--batch-sizes 'zero': give a whole number of 1 or"),
        (bench_here, ["--resume", "no-such-run"], "--resume no-such-run: no such run in"),
        (bench_here, ["--benchmark-json=/no/such/folder/x.json"], "no such folder; make it first"),
    ],
)
def test_wrong_use_is_pytests_usage_error_in_one_sentence(
    call: Any, arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    done = call(*arguments, "--run-dir", tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_run_is_resumed_and_repeats_nothing(tmp_path: Path) -> None:
    """A real SIGKILL while a worker runs; the journal is then torn as by a kill in a write."""
    arguments = [*TINY, "--batch-sizes", "1,2", "--run-dir", tmp_path]
    with subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("50 %") for line in process.stderr), "it ended by itself"
        process.send_signal(signal.SIGKILL)
    (path,) = tmp_path.glob(f"*-*/{files.JOURNAL}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    before = journal.read(path.parent)
    assert sum(map(len, before.replicates.values())) > 0

    done = bench_here(*arguments, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    after = journal.read(path.parent)
    assert path.read_bytes().startswith(whole[: before.intact_bytes])
    for case_id, replicates in after.replicates.items():
        assert [r.index for r in replicates] == list(range(len(replicates))), case_id
        kept = before.replicates.get(case_id, [])
        assert replicates[: len(kept)] == kept

    refused = bench_here(*arguments, "--resume", path.parent.name, "--seed", "9")
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--seed differ from those of that run" in refused.stderr


def test_xdist_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Xdist need not be installed: a plugin that adds its option is enough to be refused."""
    (tmp_path / "fake_xdist.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--numprocesses', type=int, dest='numprocesses')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = bench_here("-p", "fake_xdist", "--numprocesses", "2")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "benchmarks beside each other disturb each other" in done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler, as the case does")
def test_compiled_case_equals_eager_and_has_three_times(tmp_path: Path) -> None:
    compiled = ["--compile", "default", "--channels-last", "on", "--budget", "4m"]
    done = bench_here(*TINY, *compiled, "--run-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / run_folders.LATEST / files.RESULTS).read_text())
    by_arm = {e["extra_info"]["arm"]: e for e in document["benchmarks"]}
    assert set(by_arm) == set(ARMS), document["panet"]["outcomes"]
    panet = by_arm["panet"]
    cold_s, warm_s = panet["extra_info"]["compile_s"], panet["extra_info"]["warm_compile_s"]
    assert len(warm_s) == len(panet["extra_info"]["replicates"])
    assert cold_s > 0
    assert by_arm["fpn_again"]["extra_info"]["compile_s"] is None


def test_stopped_run_says_in_a_line_how_to_go_on(tmp_path: Path) -> None:
    """Started as a shell starts what is in the background: with Ctrl-C ignored."""
    arguments = [*TINY, "--batch-sizes", "1,2", "--run-dir", tmp_path]
    with subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert any(line.startswith("50 %") for line in process.stderr), "it ended by itself"
        process.send_signal(signal.SIGINT)
        said = process.stdout.read() + process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    (folder,) = tmp_path.glob("*-*")
    assert sum(f"stopped; add --resume {folder.name} to go on" in x for x in said.splitlines()) == 1
    assert sum(map(len, journal.read(folder).replicates.values())) > 0
