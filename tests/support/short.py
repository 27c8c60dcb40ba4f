"""``pytest -p tests.support.short bench``: a real run of real processes that is over soon.

Rounds, replicates, ceilings and fork servers are as few as they may be; everything else is as
always.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench import stats
from bench.engine import opened, preloading, scheduler
from bench.engine.launcher import ServerLauncher
from bench.engine.plan import Design, Plan
from bench.engine.preloading import Modules
from bench.engine.server_client import Server
from bench.run import energy, extra_arms, request
from bench.run.own import measuring
from bench.schema.case import Case
from bench.stats import intervals

REPLICATES = 2


class OneServer(ServerLauncher):
    """Takes timed workers from the server of the checks: the start of another takes as long."""

    def _timing_server(self, _server_id: int) -> Server:
        return self._helping()


SHORT = Design(replicate_s=0.1, one_server=True)


def needed_by(cases: Sequence[Case], *, traces: bool = False) -> Modules:
    """Return the modules that servers import, ours among them."""
    needed = preloading.needed_by(cases, traces=traces)
    return replace(needed, timing=(*needed.timing, "tests.support.short_worker"))


def _changes() -> Iterator[tuple[object, str, Any]]:
    """Yield where a name gets another value, and which."""
    for room in (request, measuring):
        yield room, "Plan", functools.partial(Plan, design=SHORT)
    for room in (stats, intervals):
        yield room, "FIRST_STAGE", stats.MIN_FOR_INTERVAL
    yield scheduler, "SPLIT_REPLICATE_S", SHORT.replicate_s
    yield extra_arms, "REPLICATES", REPLICATES
    yield energy, "REPLICATES", REPLICATES
    yield opened, "needed_by", needed_by
    yield opened, "ServerLauncher", OneServer


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make short what a test runs in its own process."""
    for room, name, value in _changes():
        monkeypatch.setattr(room, name, value)


@pytest.hookimpl(tryfirst=True)  # the harness makes its plan when it is configured
def pytest_configure() -> None:
    """Make it short; in a run that was asked for it."""
    for room, name, value in _changes():
        setattr(room, name, value)
