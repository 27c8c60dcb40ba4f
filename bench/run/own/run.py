"""From a request to its answer: whoever asks, by the command, in Python or in a test."""

import datetime as dt
import json
from pathlib import Path

from rich.console import Console

from bench.run.own import measuring
from bench.run.own.document import document
from bench.run.own.request import Request
from bench.run.own.result import Answer, answer
from bench.schema import run_folders
from bench.schema.files import COST

SCRATCH = "scratch"
"""What only the measurement needs: results and logs of processes, objects that travel."""


def run(request: Request, folder: Path, console: Console) -> Answer:
    """Measure what is asked, write the answer into the folder, and return it.

    Raises:
        BenchError: as `bench.run.own.measuring.measure`.
    """
    found = answer(measuring.measure(request, folder, console))
    written = {**document(found), "datetime": dt.datetime.now(dt.UTC).isoformat()}
    (folder / COST).write_text(json.dumps(written, indent=1))
    run_folders.tidy(folder, SCRATCH)
    return found
