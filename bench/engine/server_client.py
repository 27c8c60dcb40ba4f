"""The engine's side of a fork server: start it, give it tasks, read what became of them."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from bench.engine.interpreter import variables
from bench.schema.errors import NO_ROOM, BenchError
from bench.schema.records import Status
from bench.schema.tasks import Failure, Result, Task
from bench.schema.text import printable

START_TIMEOUT_S = 300.0
"""Importing torch from a cold disk takes minutes at worst; longer than this is a broken install."""

FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT})
"""No program of its own ends by these."""

READER_TIMEOUT_S = 5.0
"""What a dead server has said is read in no time."""

LOG_TAIL_CHARS = 400


class Server:
    """One fork server: imports modules, and runs every task in a fresh worker.

    Args:
        modules: what it imports before it forks.
        scratch_dir: where results and logs go; private to the run.
        allocator: whether malloc is to keep its pages.
        compilers: processes in which `torch.compile` compiles.
        python: the interpreter; one of another environment is given our code.
    """

    def __init__(
        self,
        modules: Sequence[str],
        scratch_dir: Path,
        *,
        allocator: bool = True,
        compilers: int = 1,
        python: str = sys.executable,
    ) -> None:
        self._scratch_dir = scratch_dir
        with self._log.open("a") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: a file `bench.py` where the user stands is not our package
                [python, "-P", "-m", "bench.engine.fork_server", *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=variables(python, scratch_dir, allocator=allocator, compilers=compilers),
                start_new_session=True,  # Ctrl-C is for the engine, which ends its workers itself
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(
            target=_forward_lines, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()

    @property
    def _log(self) -> Path:
        return self._scratch_dir / "server.log"

    @property
    def alive(self) -> bool:
        """Whether it can take a task."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Return when its imports are done and it is idle; raise `BenchError` if it never is."""
        try:
            said = self._lines.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            raise BenchError(
                f"a worker server is not ready after {START_TIMEOUT_S:.0f} s: {_tail(self._log)}"
            ) from None
        if said != "ready":
            how = _ended(self._process.wait())
            raise BenchError(f"a worker server does not start ({how}): {_tail(self._log)}")

    def run(self, task: Task[Result], timeout_s: float) -> Result | Failure:
        """Run the task in a fresh process and return what became of it."""
        result_path = self._scratch_dir / "result.json"
        log_path = self._scratch_dir / "worker.log"
        result_path.unlink(missing_ok=True)
        log_path.write_text("")
        kills_before = _oom_kills()
        paths = {"result_path": str(result_path), "log_path": str(log_path)}
        self._ask({"task": task.to_json(), **paths})
        try:
            exit_code = self._wait(timeout_s)
        except queue.Empty:
            self.close()
            return Failure(Status.TIMEOUT, f"no result within {timeout_s:.0f} s")
        if exit_code == NO_ROOM and not result_path.exists():
            raise BenchError(
                f"{self._scratch_dir}: no room for what a worker writes; free some, and go on with "
                "--resume"
            )
        if not result_path.exists():
            return _died(exit_code, _oom_kills() > kills_before, _tail(log_path))
        written = json.loads(result_path.read_text())
        if "failure" in written:
            return Failure(Status(written["failure"]["status"]), written["failure"]["reason"])
        return task.result(written["result"])

    def close(self) -> None:
        """End the server and its worker."""
        if self.alive:
            server = psutil.Process(self._process.pid)
            for process in [*server.children(recursive=True), server]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()
        self._reader.join(READER_TIMEOUT_S)
        pipes = [self._process.stdin]
        if not self._reader.is_alive():  # or somebody whom we do not know holds the other end
            pipes.append(self._process.stdout)
        for pipe in pipes:
            with contextlib.suppress(BrokenPipeError):  # what a dead server has not read is lost
                pipe.close()  # type: ignore[union-attr]  # both were asked for

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError):  # a dead server: its exit code says so
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _wait(self, timeout_s: float) -> int:
        """Return the worker's exit code; raise `queue.Empty` if it does not come in time."""
        if self._lines.get(timeout=timeout_s):  # the line that says the worker runs
            ended = self._lines.get(timeout=timeout_s)
            if ended:
                return int(ended.removeprefix("exit "))
        return self._process.wait()  # no more lines: the server is gone, or was the worker itself


def _forward_lines(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    for line in stream:
        lines.put(line.strip())
    lines.put(None)


def _died(exit_code: int, killed_for_memory: bool, log_tail: str) -> Failure:
    """Say why a worker left no result. A kill counts as `oom` only with evidence."""
    if killed_for_memory and exit_code == -signal.SIGKILL:
        return Failure(Status.OOM, "killed by the kernel: out of memory")
    if "std::bad_alloc" in log_tail:  # thrown where nobody catches it
        return Failure(Status.OOM, f"out of memory: {log_tail}")
    how = _ended(exit_code) if exit_code else "it left by itself, without a result"
    said = f"; its last words: {log_tail}" if log_tail else " and said nothing"
    reason = f"the worker died ({how}){said}"
    return Failure(Status.CRASHED, reason, from_outside=-exit_code in FROM_OUTSIDE)


def _ended(exit_code: int) -> str:
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _oom_kills() -> int:
    """Return how many processes the kernel has killed for memory since boot (0 where unknown)."""
    try:
        counters = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return int(counters["oom_kill"])
    except (OSError, KeyError, ValueError):
        return 0


def _tail(log: Path) -> str:
    """Return the last words of a log, from the beginning of a line."""
    with log.open("rb") as stream:  # a network may have printed gigabytes
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - LOG_TAIL_CHARS))
        words = stream.read().decode(errors="replace")
    if size > LOG_TAIL_CHARS and "\n" in words.strip():
        words = words.partition("\n")[2]
    return printable(words.strip())
