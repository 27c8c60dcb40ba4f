"""Traces as TensorBoard shows them: through the plugin's own routes, without a browser."""

import contextlib
import gzip
import json
import os
import shutil
import signal
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

from bench.engine.launcher import ServerLauncher
from bench.engine.preloading import needed_by
from bench.profiling.trace import ACTIVE_STEPS, TraceTask, bounded, write_trace
from bench.schema.files import PROFILE
from bench.schema.recipe import TRACED_ARMS
from tests.support.factories import case

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
        write_trace(
            TraceTask(case=CASE, seed=0, scratch_dir=str(scratch), arm=arm, trace_dir=where)
        )
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
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}/data/plugin/pytorch_profiler"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the plugin starts processes of its own
        process.wait()


def get(url: str, loaded: Callable[[Any], bool] = bool) -> Any:
    """Ask until the server is up and has loaded what is asked for."""
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(url, timeout=30) as response,  # noqa: S310 - loopback
        ):
            content = response.read()
            packed = response.headers.get("Content-Encoding") == "gzip"
            answer = json.loads(gzip.decompress(content) if packed else content)
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


def view_of(routes: str, arm: str) -> str:
    """Return the arguments that name the run of an arm."""
    runs = get(f"{routes}/runs", lambda answer: len(answer["runs"]) == 2)["runs"]
    (run,) = [run for run in runs if Path(run).name == arm]
    (worker,) = get(f"{routes}/workers?run={quote(run)}&view=Overview")
    spans = get(f"{routes}/spans?run={quote(run)}&worker={quote(worker)}", lambda _: True) or [""]
    return f"run={quote(run)}&worker={quote(worker)}&span={quote(str(spans[0]))}"


@pytest.mark.parametrize("arm", ["fpn", "panet"])
def test_plugin_shows_the_times_that_torch_itself_tells(
    routes: str, log_dir: Path, arm: str
) -> None:
    view = view_of(routes, arm)
    shown = get(f"{routes}/operation/table?{view}&view=Operator&group_by=Operation")["data"]
    shown_us = {row["name"]: row["host_self_duration"] for row in shown}
    profile = json.loads((log_dir / "traces" / CASE.case_id / arm / PROFILE).read_text())
    told_us = {
        row["name"]: row["self_s"] * 1e6
        for row in profile["key_averages"]
        if row["name"] in profile["timeline"]["operators"]
    }
    read_us = {
        name: time["self_s"] * 1e6 * ACTIVE_STEPS
        for name, time in profile["timeline"]["operators"].items()
    }
    whole, seen = sum(told_us.values()), 0.0
    for name, told in sorted(told_us.items(), key=lambda item: -item[1]):
        assert shown_us[name] == pytest.approx(told, rel=0.01, abs=1), name
        assert read_us[name] == pytest.approx(told, rel=0.01, abs=1), name
        seen += told
        if seen > 0.99 * whole:
            break


def test_modules_have_the_names_of_state_dict(routes: str) -> None:
    modules = get(f"{routes}/module?{view_of(routes, 'panet')}&view=Module")["data"]
    by_name = {module["name"]: module for module in modules}
    assert set(by_name) == {"fpn", "panet"}
    names = {child["name"] for child in by_name["panet"]["children"]}
    assert {"panet.downsample_n2", "panet.conv_n4down_p5"} <= names
    assert by_name["fpn"]["occurences"] == ACTIVE_STEPS


def test_diff_view_compares_fpn_with_panet(routes: str) -> None:
    base, other = view_of(routes, "fpn"), view_of(routes, "panet")
    other = "&".join(f"exp_{part}" for part in other.split("&"))
    found = get(f"{routes}/diff?{base}&{other}")
    calls = [
        sum(agg["calls"] for agg in found[side]["aggs"] if agg["name"] == "aten::conv2d")
        for side in ("left", "right")
    ]
    assert calls == [ACTIVE_STEPS * count for count in (7, 13)]  # PANet adds six convolutions
    assert all(found[side]["total_duration"] > 0 for side in ("left", "right"))


@pytest.mark.slow
def test_a_trace_that_is_too_large_is_cut_and_says_so(log_dir: Path) -> None:
    path = next(log_dir.rglob("panet.pt.trace.json.gz"))
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    whole, nothing = bounded(events, len(events))
    assert (whole, nothing) == (events, "")
    some, message = bounded(events, len(events) * 3 // 4)
    assert message.startswith("the trace was cut to 3 of 5 steps")
    assert len(some) <= len(events) * 3 // 4
    few, message = bounded(events, 50)
    assert len(few) == 50
    assert "longest events" in message


@pytest.mark.process
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiled cases need g++")
def test_kernels_of_a_compiled_network_have_stages(tmp_path: Path) -> None:
    compiled = case(height_px=64, width_px=64, threads=1, compile_mode="default")
    folder = str(tmp_path)
    task = TraceTask(case=compiled, seed=0, scratch_dir=folder, arm="panet", trace_dir=folder)
    launcher = ServerLauncher(tmp_path, needed_by([compiled], traces=True), 1)
    try:
        written = launcher.run(task, timeout_s=300)
    finally:
        launcher.close()
    assert isinstance(written, Path), written
    profile = json.loads(written.read_text())
    times = {n: t["forward_s"] for n, t in profile["timeline"]["stages"].items()}
    whole = sum(times.values()) + profile["timeline"]["elsewhere"]["forward_s"]
    with_work = [stage["name"] for stage in profile["stages"] if stage["macs"]]
    assert all(times[name] > 0 for name in with_work)
    assert sum(times.values()) > 0.5 * whole  # the rest: what was fused over several stages


@pytest.mark.slow
def test_panet_runs_more_convolutions_than_fpn(log_dir: Path) -> None:
    counts = {}
    for path in log_dir.rglob("*.gz"):
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        counts[path.parent.name] = sum(e.get("name") == "aten::conv2d" for e in events)
    assert counts == {"fpn": 7 * ACTIVE_STEPS, "panet": 13 * ACTIVE_STEPS}
