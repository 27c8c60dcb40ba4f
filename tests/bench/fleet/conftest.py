"""What tests of real connections share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fleet.scheduling import WAITS_S
from tests.support.real_fleets import quick, ray_nodes


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.fleet.scheduling.WAITS_S", (0.1,) * len(WAITS_S))
    monkeypatch.setattr("bench.fleet.node.POLL_S", 0.1)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Three nodes of Ray, which say what they are by the code that is sent to them."""
    for name, value in quick(tmp_path, 0.05, probed=False).items():
        monkeypatch.setenv(name, value)
    with ray_nodes(3) as made:
        yield made
