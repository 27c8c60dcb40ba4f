"""``python -m reports``: reads what runs left, and answers."""

import contextlib
import sys
from collections.abc import Sequence

from bench.schema import stopped
from bench.schema.errors import lacks_memory


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 2 after one line about bad input."""
    with stopped.listening("run it again"):  # from here on: imports take seconds
        try:
            from reports.command import run

            return run(argv)
        except KeyboardInterrupt as stop:
            with contextlib.suppress(OSError):  # the terminal is gone
                print("stopped; run it again", file=sys.stderr)
            return stopped.exit_code(stop)
        except (ImportError, MemoryError, OSError) as error:
            if not lacks_memory(error):
                raise
            print("python -m reports: there is no memory left; free some", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
