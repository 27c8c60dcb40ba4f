"""Other programs on the machine, as another user's would be."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

NONE, LIGHT, HOG = "none", "light", "hog"

SEARCHING = """
import time
text = bytes(1 << 26)
while True:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        text.find(b"nothing like it")
    time.sleep(1)
"""
"""Looks through memory for two seconds of every three, as a search through files does."""

SPINNING = "while True: pass"

PROGRAMS = {NONE: "", LIGHT: SEARCHING, HOG: SPINNING}
"""By the name of the load."""

LOADS = tuple(PROGRAMS)


@contextlib.contextmanager
def running(load: str) -> Iterator[None]:
    """Keep one core as busy as ``load`` says for as long as the context is open."""
    if load == NONE:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", PROGRAMS[load]]) as program:  # noqa: S603 - ours
        try:
            yield
        finally:
            program.kill()
