"""The machine that all tests of anyone's network are measured on."""

from pathlib import Path

import pytest

from tests.support.own_networks import Machine, simulated


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return simulated(monkeypatch, tmp_path)
