"""Writes lines, with pauses, and then a known answer."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

from bench.schema import journal, json_lines
from bench.schema.errors import BenchError
from tests.support.quick_command import GROWS, LINES

name = sys.argv[1]
options = dict(a[2:].split("=", 1) for a in sys.argv if a.startswith("--") and "=" in a)
started = f"{name}-20261129-{os.getpid()}"
folder = Path(options["run-dir"]) / options.get("resume", started)
answer = Path(os.environ["QUICK_ANSWERS"]) / f"{name}.json"


def measure() -> None:
    """Write what is missing."""
    for path in (folder / grows for grows in GROWS[name]):
        path.parent.mkdir(exist_ok=True)
        for number in range(len(json_lines.read(path)), LINES):
            threading.Event().wait(float(os.environ["QUICK_SHARDS"]))
            json_lines.add(path, {"line": number, "by": os.getpid()})
    shutil.copyfile(answer, folder / answer.name)


try:
    with journal.locked(folder):
        measure()
except BenchError as error:
    print(f"python -m bench: {error}", file=sys.stderr)
    sys.exit(2)
print(f"the answer\nwrote {folder / answer.name}")
sys.exit(json.loads(answer.read_text()).get("exits", 0))
