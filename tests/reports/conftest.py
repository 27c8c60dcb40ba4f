"""What the tests of the commands share."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from reports import command


@pytest.fixture(autouse=True, scope="module")
def no_dashboards() -> Iterator[None]:
    """They are drawn from the frame that the page is made of; `test_tensorboard.py` has them.

    Of a module, as what its tests share is made before anything that is of one test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "tensorboard", SimpleNamespace(write=lambda *_: []))
        yield
