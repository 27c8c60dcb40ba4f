"""A program that keeps one core busy, as another user's would."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

LOADS = ("none", "hog")


@contextlib.contextmanager
def load(name: str) -> Iterator[None]:
    """Keep the machine busy as ``name`` says for as long as the context is open."""
    if name == "none":
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        try:
            yield
        finally:
            hog.kill()
