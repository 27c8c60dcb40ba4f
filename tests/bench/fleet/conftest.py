"""What tests of real connections share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fleet.scheduling import WAITS_S
from tests.support.real_fleets import quick


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.fleet.scheduling.WAITS_S", (0.1,) * len(WAITS_S))
    monkeypatch.setattr("bench.fleet.node.POLL_S", 0.1)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that measures nothing, and three nodes that do."""
    pytest.importorskip("ray", reason="an extra: pip install 'panet-bench[ray]'")
    from ray.cluster_utils import Cluster

    for name, value in quick(tmp_path, 0.05, probed=False).items():  # by the code that is sent
        monkeypatch.setenv(name, value)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.measuring = [made.add_node(num_cpus=1, resources={"bench": 1}) for _ in range(3)]
    yield made
    made.shutdown()
