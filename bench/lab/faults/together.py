"""Several processes that want the same folder, the same run or the same store at once."""

import functools
import json
import os
import time
from collections import Counter
from pathlib import Path
from random import Random

from bench.lab.faults.attempt import Call, Place, Tried, at_once, command, problem_of
from bench.lab.faults.files import REPORTS
from bench.lab.faults.simulated import finding, replicate
from bench.schema import journal
from bench.schema.errors import BenchError
from bench.schema.files import RESULTS

MOST = 4
"""Processes."""

EACH = 5
"""Replicates that a process adds to a journal, and runs that it adds to a store."""

CASE = "a-case"


def together(place: Place, random: Random) -> Tried:
    """Let several processes do the same at once."""
    how = list(HOWS)[place.number % len(HOWS)]
    count = random.randint(2, MOST)
    return Tried(f"{how}, {count} processes", HOWS[how](place, count))


def _one_folder(place: Place, count: int) -> str:
    """Begin a run, or go on with it, in one folder: one after the other, or refused."""
    folder = place.folder / "run"
    calls = [Call(functools.partial(_add_replicates, folder), (0, 2)) for _ in range(count)]
    problems = [problem for problem in at_once(calls, place) if problem]
    if problems:
        return problems[0]
    entries = journal.read(folder)
    if entries.intact_bytes != (folder / "journal.jsonl").stat().st_size:
        return "a line is cut, or two are mixed"
    got_in = sum("added" in path.read_text() for path in place.folder.glob("*/stdout.txt"))
    indices = [replicate.index for replicate in entries.replicates.get(CASE, ())]
    if indices != list(range(EACH * got_in)):
        return f"{got_in} processes got in, and left the replicates {indices}"
    return ""


def _add_replicates(folder: Path) -> int:
    log = journal.Journal.open(folder, {"cases": [CASE]})
    first = len(log.entries.replicates.get(CASE, ()))
    log.add_finding(CASE, finding())
    for index in range(first, first + EACH):
        log.add_replicate(CASE, replicate(index))
        time.sleep(0.002)
    log.close()
    os.write(1, b"added")  # how the campaign knows who got in
    return 0


def _locked_folder(place: Place, count: int) -> str:
    """Enter a folder that only one may be in."""
    folder, inside = place.folder / "run", place.folder / "inside"
    calls = [Call(functools.partial(_enter, folder, inside), (0, 2)) for _ in range(count)]
    return next((problem for problem in at_once(calls, place) if problem), "")


def _enter(folder: Path, inside: Path) -> int:
    with journal.locked(folder):
        inside.mkdir()  # somebody else's would be there
        time.sleep(0.005)
        inside.rmdir()
    return 0


def _one_store(place: Place, count: int) -> str:
    """Add runs to one store, some of them the same: each is there once."""
    store = place.folder / "store"
    calls = []
    for number in range(count):
        runs = place.folder / f"runs-{number}"
        for run in range(number * EACH // 2, number * EACH // 2 + EACH):  # half are the next one's
            _copy_as(place.sample / RESULTS, runs / f"{run}.json", f"run-{run}")
        words = ("history", str(runs), "--store", str(store), "--out", str(runs))
        calls.append(command(REPORTS, *words))
    problems = [problem for problem in at_once(calls, place) if problem]
    return problems[0] if problems else problem_of(Call(functools.partial(_once, store)), place)


def _copy_as(path: Path, to: Path, run_id: str) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    document["panet"]["run_id"] = run_id
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(document), encoding="utf-8")


def _once(store: Path) -> int:
    import pandas as pd

    table = pd.read_parquet(store)
    rows = Counter(
        zip(table["run_id"], table["case_id"], table["metric"], table["arm"], strict=True)
    )
    if max(rows.values()) > 1:
        raise BenchError(f"{rows.most_common(1)} are there more than once")
    sizes = Counter(table["run_id"])
    if len(set(sizes.values())) > 1:
        raise BenchError(f"the runs have {sizes} rows")
    return 0


HOWS = {
    "one journal": _one_folder,
    "one folder that is locked": _locked_folder,
    "one store": _one_store,
}
