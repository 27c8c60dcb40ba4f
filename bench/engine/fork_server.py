"""A fork server: it imports torch once, runs no operator, and forks a fresh worker per task.

``python -m bench.engine.fork_server MODULE...`` imports the modules, prints ``ready``, and then
answers every line of its standard input ``{"task": ..., "result_path": ..., "log_path": ...}`` with
two lines: ``pid N`` when the worker runs, ``exit CODE`` when it is gone (negative: killed by that
signal). Where a process cannot fork, the server is the worker: it takes one task, and is gone.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import psutil

from bench.schema.errors import FULL, NO_ROOM

CAN_FORK = sys.platform == "linux"
"""macOS has `fork`, but its system libraries do not survive it."""

_protocol: TextIO = sys.stdout

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""prctl(2): the signal to get when the parent dies, for an orphan would only disturb; and to become
the parent of what a worker leaves behind."""


def main(modules: list[str]) -> None:
    """Serve until standard input ends."""
    global _protocol  # noqa: PLW0603 - set once, before the first line is said
    _die_with_parent()
    if CAN_FORK:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    _protocol = os.fdopen(os.dup(1), "w")  # a worker that is this process turns 1 into its log
    sys.path.append(str(Path.cwd()))  # the user's, behind ours: he may have a `bench.py` there
    for module in ["bench.engine.worker", *modules]:
        importlib.import_module(module)
    # The workers inherit all of it: frozen, their garbage collector need not walk through it.
    gc.collect()
    gc.freeze()
    _say("ready")
    for line in sys.stdin:
        request = json.loads(line)
        _serve_forked(request) if CAN_FORK else _serve_here(request)


def _serve_forked(request: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        _die_with_parent()
        _let_go_of_the_engine()
        _work(request)
    _say(f"pid {pid}")
    _, wait_status = os.waitpid(pid, 0)
    _end_what_is_left()
    _say(f"exit {os.waitstatus_to_exitcode(wait_status)}")


def _let_go_of_the_engine() -> None:
    """Close the worker's ends of the pipes: whatever it starts would hold them open."""
    _protocol.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _end_what_is_left() -> None:
    """End the processes that the worker has left behind: they would run beside the next one."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with contextlib.suppress(ChildProcessError):  # there is none any more
        while True:
            os.waitpid(-1, 0)


def _serve_here(request: dict[str, Any]) -> None:
    _say(f"pid {os.getpid()}")
    _work(request)


def _work(request: dict[str, Any]) -> None:
    """Do the task and leave at once, without what the parent has registered to run at exit."""
    from bench.engine.worker import run_in_this_process

    log = os.open(request["log_path"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        run_in_this_process(request["task"], request["result_path"])
        code = 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        code = NO_ROOM
    finally:
        with contextlib.suppress(OSError):  # the log has no room either
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _die_with_parent() -> None:
    if CAN_FORK:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _say(line: str) -> None:
    _protocol.write(f"{line}\n")
    _protocol.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
