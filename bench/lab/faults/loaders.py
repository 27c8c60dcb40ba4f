"""Everything that reads a file: a file that is a program must not run."""

import functools
import gzip
import pickle
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.lab.faults.attempt import Call, Place, Tried, command, problem_of
from bench.lab.faults.files import REPORTS, copied
from bench.schema.files import CEILINGS, JOURNAL, PARTS, PROFILE, RESULTS

RAN = "it-ran"
"""A file that a program in a file would make."""


class Program:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        """Return what unpickling calls."""
        return open, (str(self._path), "w")


def programs(place: Place, _random: Random) -> Tried:
    """Give one of our readers a program in the place of its file."""
    pairs = [(name, kind) for name in READERS for kind in PROGRAMS]
    name, kind = pairs[place.number % len(pairs)]
    run, mark = copied(place), place.folder / RAN
    content = PROGRAMS[kind](mark)
    call = READERS[name](run, content)
    problem = problem_of(call, place)
    return Tried(f"{name}: {kind}", f"{name} runs what is in a file" if mark.exists() else problem)


def _torch(mark: Path) -> bytes:
    import io

    import torch

    stream = io.BytesIO()
    torch.save({"inputs": [Program(mark)], "source": "x"}, stream)
    return stream.getvalue()


PROGRAMS: dict[str, Callable[[Path], bytes]] = {
    "pickle": lambda mark: pickle.dumps(Program(mark)),
    "old pickle": lambda mark: pickle.dumps(Program(mark), protocol=0),
    "torch": _torch,
    "gzip of pickle": lambda mark: gzip.compress(pickle.dumps(Program(mark))),
    "Python": lambda mark: f"open({str(mark)!r}, 'w')".encode(),
    "YAML": lambda mark: f"!!python/object/apply:open [{str(mark)!r}, w]".encode(),
    "PostScript": lambda mark: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n"
        + f"({mark}) (w) file closefile showpage\n".encode()
    ),
}


def _reports(file: str, *words: str) -> Callable[[Path, bytes], Call]:
    def call(run: Path, content: bytes) -> Call:
        path = next(iter(run.rglob(file)), run / file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return command(REPORTS, *(word.format(run=run) for word in words))

    return call


def _input_of_cost(run: Path, content: bytes) -> Call:
    from bench.workload import carried

    path = run / "inputs.pt"
    path.write_bytes(content)
    return Call(functools.partial(_done, carried.load_input, path))


def _pictures(run: Path, content: bytes) -> Call:
    from bench.workload import images

    folder = run / "pictures"
    folder.mkdir()
    for ending in ("png", "eps", "tiff"):
        (folder / f"a.{ending}").write_bytes(content)
    return Call(functools.partial(_done, images.load_batch, 1, 32, 32, str(folder)))


def _journal(run: Path, content: bytes) -> Call:
    from bench.schema import journal

    (run / JOURNAL).write_bytes(content)
    return Call(functools.partial(_done, journal.read, run))


def _done(work: Callable[..., object], *arguments: object) -> int:
    work(*arguments)
    return 0


READERS: dict[str, Callable[[Path, bytes], Call]] = {
    "results": _reports(RESULTS, "compare", "{run}", "{run}"),
    "a profile": _reports(PROFILE, "profile", "{run}", "--out", "{run}"),
    "the ceilings": _reports(CEILINGS, "profile", "{run}", "--out", "{run}"),
    "the parts": _reports(PARTS, "cost", "{run}", "--out", "{run}"),
    "a store": _reports("store/a.parquet", "history", "--store", "{run}/store", "--out", "{run}"),
    "cost --input": _input_of_cost,
    "--images": _pictures,
    "a journal": _journal,
}
