"""``python -m bench.fleet``: does on this machine what a line of its standard input asks for.

Answers are lines of JSON. When standard input ends, or brings no empty line for a while, whoever
asked is gone, and so is this.
"""

import json
import os
import select
import time
from collections.abc import Callable

from bench.fleet import node


def listening(descriptor: int, clock: Callable[[], float] = time.monotonic) -> node.GoOn:
    """Return what waits, and says whether somebody is still there.

    The end of a lost connection reaches us late, or never.

    Args:
        descriptor: on which whoever asked says so.
        clock: seconds.
    """
    heard_s = clock()

    def go_on(seconds: float) -> bool:
        nonlocal heard_s
        ready, _, _ = select.select([descriptor], [], [], seconds)
        if ready:
            if not os.read(descriptor, 4096):
                return False
            heard_s = clock()
        return clock() - heard_s < node.SILENCE_S

    return go_on


def main() -> None:
    """Serve one request."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing that prints is to be taken for an answer
    unbuffered = os.fdopen(0, "rb", buffering=0, closefd=False)  # what follows is for `select`
    request = json.loads(unbuffered.readline())
    try:
        for message in node.serve(request, listening(0)):
            out.write(json.dumps(message, separators=(",", ":")) + "\n")
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
