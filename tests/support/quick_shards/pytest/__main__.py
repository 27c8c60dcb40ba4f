"""Writes a journal as ``pytest bench`` does: a line, a pause, a line; and goes on with one.

``QUICK_SHARDS`` says for how long it pauses, in seconds, ``QUICK_MACHINE`` what machine this is.
"""

import json
import os
import sys
import threading
from pathlib import Path

from tests.support.journals import journal_lines

options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
folder = Path(options["run-dir"]) / options.get("resume", f"run-{os.getpid()}")
folder.mkdir(parents=True, exist_ok=True)
ids = options["only"].split(",")
machine = json.loads(Path(os.environ["QUICK_MACHINE"]).read_text())
lines = journal_lines(ids, **machine, server=os.getpid())
journal = folder / "journal.jsonl"
known = journal.read_bytes() if journal.exists() else b""
with journal.open("r+b" if known else "wb") as stream:
    stream.seek(known.rfind(b"\n") + 1)
    stream.truncate()
    for line in lines[known.count(b"\n") :]:
        threading.Event().wait(float(os.environ["QUICK_SHARDS"]))
        stream.write(line.encode() + b"\n")
        stream.flush()
results = {
    "machine_info": {"node": "none"},
    "benchmarks": [],
    "panet": {"hints": [], "outcomes": []},
}
(folder / "results.json").write_text(json.dumps(results))
