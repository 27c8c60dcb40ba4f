"""Writes a journal as ``pytest bench`` does: a line, a pause, a line; and goes on with one."""

import json
import os
import sys
import threading
from pathlib import Path

from bench.schema import journal
from bench.schema.errors import BenchError
from tests.support.journals import journal_lines

options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
folder = Path(options["run-dir"]) / options.get("resume", f"run-{os.getpid()}")
ids = options["only"].split(",")
machine = json.loads(Path(os.environ["QUICK_MACHINE"]).read_text())["probe"]
lines = journal_lines(ids, machine["environment"], machine["code"], server=os.getpid())


def measure() -> None:
    """Write what is missing."""
    path = folder / "journal.jsonl"
    known = path.read_bytes() if path.exists() else b""
    with path.open("r+b" if known else "wb") as stream:
        stream.seek(known.rfind(b"\n") + 1)
        stream.truncate()
        for line in lines[known.count(b"\n") :]:
            threading.Event().wait(float(os.environ["QUICK_SHARDS"]))
            stream.write(line.encode() + b"\n")
            stream.flush()
    panet: dict[str, list[str]] = {"hints": [], "outcomes": []}
    results = {"machine_info": {"node": "none"}, "benchmarks": [], "panet": panet}
    (folder / "results.json").write_text(json.dumps(results))


try:
    with journal.locked(folder):
        measure()
except BenchError as error:  # the one before has not ended yet
    print(f"ERROR: {error}")
    sys.exit(4)
