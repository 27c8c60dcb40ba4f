"""``python -m bench.fleet``: does on this machine what a line of its standard input asks for.

Answers are lines of JSON. When standard input ends, whoever asked is gone, and so is this.
"""

import json
import os
import select

from bench.fleet import node


def main() -> None:
    """Serve one request."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing that prints is to be taken for an answer
    unbuffered = os.fdopen(0, "rb", buffering=0, closefd=False)  # what follows is for `select`
    request = json.loads(unbuffered.readline())

    def go_on(seconds: float) -> bool:
        ready, _, _ = select.select([0], [], [], seconds)
        return not ready  # there is no second line: it has ended

    try:
        for message in node.serve(request, go_on):
            out.write(json.dumps(message, separators=(",", ":")) + "\n")
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
