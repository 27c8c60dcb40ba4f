"""What all tests share: warnings that are errors, and markers that tell the truth."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

STARTERS = ("process", "browser", "install")
"""Markers of what starts a process; `make quick` leaves it out, and what is marked ``slow``."""

OF_FIXTURE = {
    "chromium": "browser",
    "python": "install",
    "wheel": "install",
    "measured": "process",
    "routes": "process",
    "server": "process",
}
"""Fixture that takes seconds -> marker of the tests that use it."""

MADE_ONCE = {
    *("test_real_run.py", "test_wheel.py", "test_browser.py", "test_trace.py"),
    *("test_cost_page.py", "test_own_page.py", "test_tensorboard.py"),
}
"""Files whose tests share what takes longest to make: a worker of xdist has all of them."""

STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
"""Audit events (https://docs.python.org/3/library/audit_events.html)."""

ONCE_PER_MACHINE = {"fc-list"}
"""By which matplotlib finds the fonts, the first time that it draws for a user."""


class Guard:
    """Fails a test that starts a process and has no marker that says so."""

    def __init__(self) -> None:
        self.watching = False
        self.started: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event in STARTS and arguments[0] not in ONCE_PER_MACHINE:
            self.started.append(f"{event}{arguments[:2]}")
            self.refuse()

    def refuse(self) -> None:
        """Fail the test if it has started anything."""
        if self.started:
            pytest.fail(f"mark it with one of {STARTERS}: it starts {self.started}")


GUARD = Guard()


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors here, but not in `pytest bench`: users have other versions."""
    config.addinivalue_line("filterwarnings", "error")
    # It has its hands on torch's ninety loggers three times a test: a twentieth of the quick ones.
    config.pluginmanager.set_blocked("logging-plugin")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        del os.environ[name]  # what a test starts is no worker of xdist


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses a fixture that starts something."""
    for name in set(getattr(item, "fixturenames", ())) & set(OF_FIXTURE):
        item.add_marker(OF_FIXTURE[name])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than there are cores, as tests wait for what they start: a tenth of the time.

    Tests that start nothing never wait.
    """
    return (os.cpu_count() or 1) + ("not (process" not in config.option.markexpr)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give every worker one test after the other, but what is made once to one alone.

    xdist's own groups have no effect with pytest 9.2: they are behind an ``@`` in the name of a
    test, which it no longer takes from there.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # untyped
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if Path(path).name in MADE_ONCE else nodeid

    config.option.loadscopereorder = False  # the long ones go first, as we sort them
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones go first: the last worker of xdist shall not have one of them alone."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("install") is None,
            _starts_nothing(item),
            item.get_closest_marker("slow") is None,
        )
    )


def _starts_nothing(item: pytest.Item) -> bool:
    return not any(item.get_closest_marker(name) for name in STARTERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    GUARD.started.clear()
    GUARD.watching = _starts_nothing(item)
    try:
        return (yield)
    finally:
        GUARD.watching = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    yield
    GUARD.refuse()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Beside other workers of xdist, torch takes one core: more would wait for each other.

    The modules of torch and pandas are a million objects, which every collection of garbage would
    go through for the sake of a test's few.
    """
    if "torch" in sys.modules and hasattr(session.config, "workerinput"):
        sys.modules["torch"].set_num_threads(1)
    gc.freeze()


def pytest_unconfigure() -> None:
    """Libraries in C++ count what is left over when Python ends, and complain about it."""
    gc.unfreeze()
