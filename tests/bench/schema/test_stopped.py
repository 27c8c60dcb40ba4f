"""Ctrl-C, SIGTERM and a closed terminal, as they come to a process."""

import signal
import subprocess
import sys
import threading

import pytest

from bench.machine.environment import ROOT
from bench.schema import stopped
from bench.schema.stopped import Listener, Stopped, listening


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_first_signal_is_raised_with_the_exit_code_of_a_shell(name: str) -> None:
    number = getattr(signal, name)
    inherited = signal.signal(number, signal.SIG_DFL)  # under nohup another one
    try:
        with pytest.raises(KeyboardInterrupt) as raised, listening("go on"):
            signal.raise_signal(number)
        assert stopped.exit_code(raised.value) == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, inherited)


def test_interrupt_of_anybody_else_is_a_ctrl_c() -> None:
    assert stopped.exit_code(KeyboardInterrupt()) == 130


def test_ctrl_c_is_heard_where_a_shell_has_switched_it_off_and_nohup_is_respected() -> None:
    before = {number: signal.getsignal(number) for number in stopped.STOPS}
    try:
        for number in stopped.STOPS:
            signal.signal(number, signal.SIG_IGN)
        with listening("go on"):
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_other_threads_do_not_listen() -> None:
    heard: list[object] = []

    def work() -> None:
        Listener("go on").close()
        heard.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [signal.getsignal(signal.SIGTERM)]


SECOND = """
import signal
from bench.schema.stopped import listening
with listening("go on like this"):
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGINT)
        print("never reached")
"""


@pytest.mark.process
def test_second_signal_leaves_at_once_with_the_same_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (
        130,
        "",
        "stopped; go on like this",
    )


AT_IMPORT = """
import runpy, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == at:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
at = sys.argv.pop(1)
sys.argv.pop(0)
sys.meta_path.insert(0, Finder())
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Interrupts a command when it imports a module."""


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("torch", "pytest", "bench", "--collect-only"), "stopped; nothing was measured"),
        (("torch", "bench", "arms"), "stopped; it cannot be resumed"),
        (("pandas", "reports", "cost", "."), "stopped; run it again"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_ctrl_c_while_it_still_imports_is_one_line(command: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.process
def test_nothing_that_takes_seconds_is_imported_before_somebody_listens() -> None:
    """By `python -m` and by `panet-bench`, which imports the same module and calls `main`."""
    code = """
import sys
import bench.__main__, reports.__main__
print({"torch", "pandas", "numpy", "rich"} & {*sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
