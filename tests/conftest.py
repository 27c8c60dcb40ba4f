"""What all tests share: warnings that are errors, and markers that tell the truth."""

import sys
from collections.abc import Iterator

import pytest

SLOW = ("process", "browser", "install")
"""Markers of what `make quick` leaves out: whatever starts a process."""

OF_FIXTURE = {"chromium": "browser", "python": "install", "routes": "process"}
"""Fixture -> marker of the tests that use it."""

STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
"""Audit events (https://docs.python.org/3/library/audit_events.html)."""


class Guard:
    """Fails a test that starts a process and has no marker that says so."""

    def __init__(self) -> None:
        self.watching = False
        self.started: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event in STARTS:
            self.started.append(f"{event}{arguments[:2]}")
            self.refuse()

    def refuse(self) -> None:
        """Fail the test if it has started anything."""
        if self.started:
            pytest.fail(f"mark it with one of {SLOW}: it starts {self.started}")


GUARD = Guard()


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors here, but not in `pytest bench`: users have other versions."""
    config.addinivalue_line("filterwarnings", "error")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if name in OF_FIXTURE:
                item.add_marker(OF_FIXTURE[name])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    GUARD.started.clear()
    GUARD.watching = not any(item.get_closest_marker(name) for name in SLOW)
    try:
        return (yield)
    finally:
        GUARD.watching = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    yield
    GUARD.refuse()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Beside other workers of xdist, torch takes one core: more would wait for each other."""
    if "torch" in sys.modules and hasattr(session.config, "workerinput"):
        sys.modules["torch"].set_num_threads(1)
