"""A program that keeps one core busy, as another user's would."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

NONE, HOG = "none", "hog"
LOADS = (NONE, HOG)


@contextlib.contextmanager
def running(load: str) -> Iterator[None]:
    """Keep the machine busy as ``load`` says for as long as the context is open."""
    if load == NONE:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as program:
        try:
            yield
        finally:
            program.kill()
