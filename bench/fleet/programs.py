"""What a node runs for whoever asks: ``pytest bench`` for a shard of cases, or a whole command.

Nothing here imports torch but what a probe looks at.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.schema import files, journal
from bench.schema.errors import DEFECT

SWEEP, COMMAND = "sweep", "command"

BENCH = str(Path(__file__).resolve().parents[1])
"""The package that pytest is to run."""

RESULTS_THERE = frozenset({0, 1, 5})
"""pytest's codes behind which there are results: fine, a case failed, nothing could be measured."""

ANSWERS = frozenset({0, 1, 3})
"""Codes of a command behind which there is its answer: those of `bench.stats.verdict`."""

REFUSED = frozenset({2, DEFECT})
"""Codes of one that will end like this again, here."""

GROWS = ".jsonl"
"""How files end that grow by lines."""

USERS = (".py", ".pt")
"""How files end that networks and their inputs come from."""


@dataclass(frozen=True)
class Ended:
    """How a program ended that nobody has stopped."""

    run_dir: Path | None
    """Of its run, as far as one was begun."""
    words: Sequence[str]
    """That it was called with."""
    code: int
    printed: str
    said: str
    """Its last words."""


@dataclass(frozen=True)
class Program:
    """Something that measures into a folder of its own, and can go on there with ``--resume``."""

    looks: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Of a request that asks what the machine is: ``files``, their digest, and ``cases``."""
    command: tuple[str, ...]
    """Of Python."""
    grows: tuple[str, ...]
    """Patterns of the files in its folder that are told while they grow."""
    document: Callable[[Ended], dict[str, Any] | None]
    """What is told of an end with results; of any other `None`. Its ``outcomes`` are those of cases
    by their ids, a status and a reason each."""
    prints: bool = False
    """Whether what it prints is a result, and what it says beside that is not."""


def _sweep(request: Mapping[str, Any]) -> dict[str, Any]:
    from bench.fleet.asked import Asked

    asked = Asked.from_json(request["asked"])
    cases = asked.request().plan.cases
    return {"files": asked.pictures(), "cases": [case.to_json() for case in cases]}


def _around_results(ended: Ended) -> dict[str, Any] | None:
    """Return what stands around the results, and remove these: nobody is to count them twice."""
    if ended.run_dir is None or ended.code not in RESULTS_THERE:
        return None
    results = ended.run_dir / files.RESULTS
    if not results.exists():
        return None
    document = json.loads(results.read_bytes())
    results.unlink()
    around = {name: what for name, what in document.items() if name not in ("benchmarks", "panet")}
    told = document["panet"]
    outcomes = {each["case_id"]: (each["status"], each["reason"]) for each in told["outcomes"]}
    return around | {"hints": told.get("hints", []), "outcomes": outcomes}


def _command(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"files": digest(request["asked"]["words"]), "cases": [{}]}


def digest(words: Sequence[str]) -> str:
    """Return a digest of the user's files that a command line names; empty without."""
    named = {name: _digest(Path(name)) for name in users_files(words)}
    return hashlib.sha256(repr(named).encode()).hexdigest()[:16] if named else ""


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def users_files(words: Sequence[str]) -> Iterator[str]:
    """Yield the files of Python and of tensors that a command line names, and that are here."""
    for name in (piece for word in words for piece in re.split("[=,:]", word) if piece):
        at_home = f"{name.replace('.', '/')}.py"  # a module beside which one stands
        for path in (name, at_home):
            try:
                there = path.endswith(USERS) and Path(path).is_file()
            except (OSError, ValueError):  # no file can have such a name
                there = False
            if there:
                yield path


def _answer(ended: Ended) -> dict[str, Any] | None:
    """Return what a command answered, or that it refused; `None` where it was killed, or waits."""
    name = ended.words[0]
    refused = ended.code in REFUSED and journal.GOING_ON not in ended.said
    if ended.code not in ANSWERS and not refused:
        return None
    why = f"exit code {ended.code}: {ended.said}"
    return {
        "outcomes": {name: ("crashed", why)} if refused else {},
        "code": ended.code,
        "printed": ended.printed,
        "said": ended.said,
        "folder": "" if ended.run_dir is None else str(ended.run_dir),
    }


PROGRAMS = {
    SWEEP: Program(
        _sweep,
        ("-m", "pytest", BENCH, "--quiet", "-p", "no:cacheprovider"),
        (files.JOURNAL,),
        _around_results,
    ),
    COMMAND: Program(
        _command, ("-m", "bench"), ("*.jsonl", f"*/{files.JOURNAL}"), _answer, prints=True
    ),
}
