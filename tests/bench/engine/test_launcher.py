"""Real worker processes: results, and every way of not giving one."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.engine.launcher import ServerLauncher
from bench.engine.preloading import Modules
from bench.engine.replicate import STRETCH
from bench.engine.server_client import Server
from bench.schema.errors import BenchError
from bench.schema.recipe import ARMS
from bench.schema.records import Finding, Replicate, Status
from bench.schema.tasks import Failure
from tests.support.factories import case, check_task, replicate_task

pytestmark = pytest.mark.process

SMALL = case(height_px=32, width_px=32, threads=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose workers misbehave when the seed says so."""
    started = Server(["tests.support.misbehave"], tmp_path_factory.mktemp("scratch"))
    started.wait_until_ready()
    yield started
    started.close()


def misbehave(server: Server, folder: Path, how: str, timeout_s: float = 60.0) -> Failure:
    outcome = server.run(check_task(folder, SMALL, images_dir=how), timeout_s)
    assert isinstance(outcome, Failure)
    return outcome


def test_check_and_replicate_come_back_as_records(server: Server, tmp_path: Path) -> None:
    found = server.run(check_task(tmp_path, SMALL), 120)
    assert isinstance(found, Finding)
    assert found.status == Status.OK, found.reason
    measured = server.run(replicate_task(tmp_path, SMALL, index=2, first_round=12), 120)
    assert isinstance(measured, Replicate)
    assert (measured.index, measured.first_round) == (2, 12)
    # Beside other tests some rounds wait for a CPU, and it goes on for others.
    undisturbed = measured.round_count - len(measured.disturbed)
    assert undisturbed == 6 or measured.round_count == 6 * STRETCH
    assert set(measured.rounds_s) == set(ARMS)
    assert measured.load.wall_s > 0


def test_every_task_has_a_process_of_its_own(server: Server, tmp_path: Path) -> None:
    pids = {misbehave(server, tmp_path, "say-pid").reason for _ in range(3)}
    assert len(pids) == 3
    assert str(os.getpid()) not in "".join(pids)


def test_disk_without_room_is_no_finding_about_the_case(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no room for what a worker writes"):
        misbehave(server, tmp_path, "full-disk")
    assert server.alive


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("segfault", Status.CRASHED, "killed by signal 11"),
        ("kill", Status.CRASHED, "killed by signal 9"),
        ("exit", Status.CRASHED, "exit code 3"),
        ("exit-0", Status.CRASHED, "it left by itself, without a result"),
        ("system-exit", Status.CRASHED, "SystemExit: planted"),
        ("interrupt", Status.CRASHED, "KeyboardInterrupt: planted"),
        ("speechless", Status.CRASHED, "SpeechlessError: its words cannot be had: ValueError"),
        ("escape", Status.CRASHED, r"ValueError: \x1b[31mplanted"),
        ("raise", Status.CRASHED, "ZeroDivisionError: planted"),
        ("tensor-oom", Status.OOM, "can't allocate memory"),
        ("python-oom", Status.OOM, "MemoryError"),
        ("mismatch", Status.MISMATCH, "planted"),
        ("compile", Status.COMPILE_ERROR, "planted"),
        ("refuse", Status.SKIPPED, "planted"),
    ],
)
def test_failure_becomes_a_status_with_its_reason(
    how: str, status: Status, words: str, server: Server, tmp_path: Path
) -> None:
    failure = misbehave(server, tmp_path, how)
    assert failure.status is status
    assert words in failure.reason


def test_worker_without_a_result_in_time_is_ended(tmp_path: Path) -> None:
    own = Server(["tests.support.misbehave"], tmp_path)
    own.wait_until_ready()
    failure = misbehave(own, tmp_path, "hang", timeout_s=0.2)
    assert failure.status is Status.TIMEOUT
    assert not own.alive


def test_what_a_worker_leaves_behind_neither_outlives_it_nor_holds_the_server(
    tmp_path: Path,
) -> None:
    own = Server(["tests.support.misbehave"], tmp_path)
    own.wait_until_ready()
    process = psutil.Process(own._process.pid)
    reason = misbehave(own, tmp_path, "leave-behind").reason
    assert not psutil.pid_exists(int(reason.rpartition(" ")[2]))
    own.close()
    assert not process.is_running()
    assert not own._reader.is_alive()


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = Server(["no_such_module"], tmp_path)
    with pytest.raises(BenchError, match=r"\(exit code 1\): (.|\n)*no_such_module"):
        broken.wait_until_ready()
    broken.close()


def test_server_that_is_killed_while_it_starts_says_so(tmp_path: Path) -> None:
    killed = Server([], tmp_path)
    killed.close()
    with pytest.raises(BenchError, match=f"killed by signal {signal.SIGKILL:d}"):
        killed.wait_until_ready()


def test_timed_tasks_go_to_the_server_they_name(tmp_path: Path) -> None:
    launcher = ServerLauncher(tmp_path, Modules(), at_once=2)
    try:
        for server_id in (4, 5, 6):
            task = replicate_task(tmp_path, SMALL, rounds=1, server=server_id)
            outcome = launcher.run(task, 120)
            assert isinstance(outcome, Replicate)
            assert outcome.server == server_id
    finally:
        launcher.close()
