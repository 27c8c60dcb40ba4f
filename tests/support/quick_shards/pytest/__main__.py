"""Writes a journal as ``pytest bench`` does: a line, a pause, a line; and goes on with one.

``QUICK_SHARDS`` says for how long it pauses, in seconds.
"""

import json
import os
import sys
import threading
from pathlib import Path

from tests.support.factories import finding, replicate
from tests.support.fleets import REPLICATES, environment

options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
folder = Path(options["run-dir"]) / options.get("resume", f"run-{os.getpid()}")
folder.mkdir(parents=True, exist_ok=True)
ids = options["only"].split(",")
header = {"schema": 8, "environment": environment(), "half_width": 0.1, "cases": ids}
lines = [
    {"header": header},
    *({"case_id": case_id, "finding": finding().to_json()} for case_id in ids),
    *(
        {"case_id": case_id, "replicate": replicate(index, server=os.getpid()).to_json()}
        for index in range(REPLICATES)
        for case_id in ids
    ),
]
journal = folder / "journal.jsonl"
known = journal.read_bytes() if journal.exists() else b""
with journal.open("r+b" if known else "wb") as stream:
    stream.seek(known.rfind(b"\n") + 1)
    stream.truncate()
    for line in lines[known.count(b"\n") :]:
        threading.Event().wait(float(os.environ["QUICK_SHARDS"]))
        stream.write(json.dumps(line).encode() + b"\n")
        stream.flush()
results = {"machine_info": {"node": "none"}, "benchmarks": [], "panet": {"hints": []}}
(folder / "results.json").write_text(json.dumps(results))
