"""Works through the kinds of faults, seeded; a further call goes on, and first repeats failures."""

import contextlib
import importlib
import importlib.util
import json
import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from rich.console import Console

from bench.lab.faults import runs
from bench.lab.faults.attempt import Kind, Place, Tried
from bench.machine.environment import ROOT, digest

RECORDS = "faults.jsonl"

TRIES = "tries"
"""Sub-folder; what a fault left is kept where something did not hold."""

FRESH_EVERY = 100
"""So many tries, and one is a process that begins from nothing."""

HOUSES = ("panet", "bench", "reports")


@dataclass(frozen=True)
class Record:
    """A fault that was tried."""

    kind: str
    number: int
    """Its seed: the same number is the same fault."""
    fault: str
    problem: str
    code: str
    """Digest of the code that it was tried on."""
    cpu_s: float = 0.0
    """Of all processes of the try together."""


def run(folder: Path, kinds: Sequence[Kind], seconds: float, console: Console) -> list[Record]:
    """Try faults until the time is up, or all are tried; return all records of the folder.

    Args:
        folder: where everything goes.
        kinds: that are tried, in proportion to what a whole campaign has of them.
        seconds: of this call, without the sample, which the first call measures.
        console: hears of what did not hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = runs.sample(folder)
    end_s = time.monotonic() + seconds
    code = code_of()
    done = read(folder)
    # Two calls may share the file: each only appends, and nobody mends what another is writing.
    with (folder / RECORDS).open("a", encoding="utf-8") as stream:
        for kind, number in _due(_possible(kinds, console), done, code):
            if time.monotonic() >= end_s:
                break
            before_s = _cpu_s()
            tried = attempt(kind, number, folder, place)
            took_s = round(_cpu_s() - before_s, 3)
            record = Record(kind.name, number, tried.fault, tried.problem, code, took_s)
            stream.write(f"{json.dumps(asdict(record))}\n")
            stream.flush()
            done.append(record)
            if tried.problem:
                console.print(
                    f"{kind.name} {number}: {tried.fault[:200]}\n  {tried.problem}",
                    markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip
    return done


def _possible(kinds: Sequence[Kind], console: Console) -> list[Kind]:
    """Return the kinds of which all is installed."""
    there = [k for k in kinds if not k.package or importlib.util.find_spec(k.package)]
    for kind in kinds:
        if kind not in there:
            console.print(f"{kind.name}: left out, as it needs {kind.package}")
    return there


def attempt(kind: Kind, number: int, folder: Path, sample: Path) -> Tried:
    """Try one fault in a folder of its own, which is kept where something did not hold."""
    for module in kind.modules:
        importlib.import_module(module)
    own = folder / TRIES / f"{kind.name.replace(' ', '-')}-{number}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    seed = f"{kind.name} {number}"
    place = Place(own.resolve(), sample.resolve(), number, number % FRESH_EVERY == FRESH_EVERY - 1)
    tried = kind.attempt(place, Random(seed))  # noqa: S311
    if not tried.problem:
        shutil.rmtree(own, ignore_errors=True)
    return tried


def _cpu_s() -> float:
    """Return the seconds of CPU of this process, and of all that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def read(folder: Path) -> list[Record]:
    """Return what was tried; a line that was cut is left out."""
    records = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / RECORDS).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                records.append(Record(**json.loads(line)))
    return records


def latest(records: Sequence[Record]) -> list[Record]:
    """Return the last try of every fault."""
    return list({(record.kind, record.number): record for record in records}.values())


def code_of() -> str:
    """Return the digest of all our code."""
    return " ".join(digest(ROOT, house)[:12] for house in HOUSES)


def _due(kinds: Sequence[Kind], done: Sequence[Record], code: str) -> Iterator[tuple[Kind, int]]:
    """Yield what is to be tried: what failed with other code, then the kind that lacks most."""
    by_name = {kind.name: kind for kind in kinds}
    for record in latest(done):
        if record.problem and record.code != code and record.kind in by_name:
            yield by_name[record.kind], record.number
    tried = Counter(dict.fromkeys(by_name, 0))
    tried.update(record.kind for record in latest(done) if record.kind in by_name)
    wanted = {name: math.ceil(kind.count / kind.each) for name, kind in by_name.items()}
    while True:
        name = min(tried, key=lambda name: tried[name] / wanted[name])
        if tried[name] >= wanted[name]:
            return
        yield by_name[name], tried[name]
        tried[name] += 1
