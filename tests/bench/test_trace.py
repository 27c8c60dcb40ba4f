"""Traces as TensorBoard shows them: through the plugin's own routes, without a browser."""

import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bench.records import TRACED_ARMS
from bench.task import Task
from bench.trace import ACTIVE_STEPS, write_trace
from tests.bench.factories import case

pytest.importorskip("torch_tb_profiler", reason="an extra; make test installs it")

CASE = case(height_px=64, width_px=64, threads=1)
START_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("run")
    folder = run_dir / "traces" / CASE.case_id
    scratch = tmp_path_factory.mktemp("scratch")
    for arm in TRACED_ARMS:
        where = str(folder / arm)
        write_trace(Task("trace", CASE, 0, str(scratch), None, arm=arm, trace_dir=where))
    return run_dir


@pytest.fixture(scope="module")
def routes(log_dir: Path) -> Iterator[str]:
    """The plugin's address in a TensorBoard on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--load_fast=false"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # The installed pkg_resources warns about itself; TensorBoard would pass it on.
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    try:
        yield f"http://127.0.0.1:{port}/data/plugin/pytorch_profiler"
    finally:
        process.kill()
        process.wait()


def get(url: str, loaded: Callable[[Any], bool] = bool) -> Any:
    """Ask until the server is up and has loaded what is asked for."""
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(url, timeout=30) as response,  # noqa: S310 - loopback
        ):
            answer = json.loads(response.read())
            if loaded(answer):
                return answer
    raise AssertionError(f"{url} did not answer")


def test_arms_stand_side_by_side_as_runs(routes: str) -> None:
    runs = get(f"{routes}/runs", lambda answer: len(answer["runs"]) == 2)["runs"]
    assert {Path(run).name for run in runs} == {"fpn", "panet"}
    assert all(CASE.case_id in run for run in runs)


@pytest.mark.parametrize("arm", ["fpn", "panet"])
def test_steps_and_operators_have_time(routes: str, arm: str) -> None:
    runs = get(f"{routes}/runs", lambda answer: len(answer["runs"]) == 2)["runs"]
    (run,) = [run for run in runs if Path(run).name == arm]
    at = f"run={quote(run)}"
    assert "Overview" in get(f"{routes}/views?{at}")
    (worker,) = get(f"{routes}/workers?{at}&view=Overview")
    spans = get(f"{routes}/spans?{at}&worker={quote(worker)}", lambda _: True) or [""]
    view = f"{at}&worker={quote(worker)}&span={quote(str(spans[0]))}"
    overview = get(f"{routes}/overview?{view}&view=Overview")
    assert len(overview["steps"]["rows"]) == ACTIVE_STEPS
    operators = get(f"{routes}/operation/table?{view}&view=Operator&group_by=Operation")["data"]
    times = {row["name"]: row["host_self_duration"] for row in operators}
    assert times["aten::mkldnn_convolution"] > 0


def test_panet_runs_more_convolutions_than_fpn(log_dir: Path) -> None:
    counts = {}
    for path in log_dir.rglob("*.gz"):
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        counts[path.parent.name] = sum(e.get("name") == "aten::conv2d" for e in events)
    assert counts == {"fpn": 7 * ACTIVE_STEPS, "panet": 13 * ACTIVE_STEPS}
