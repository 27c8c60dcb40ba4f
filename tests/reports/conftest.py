"""What the tests of the commands share."""

from types import SimpleNamespace

import pytest

from reports import command


@pytest.fixture(autouse=True)
def no_dashboards(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are drawn from the frame that the page is made of; `test_tensorboard.py` has them."""
    monkeypatch.setattr(command, "tensorboard", SimpleNamespace(write=lambda *_: []))
