"""The result file of a run: found, read, and checked for what every reader needs."""

import contextlib
import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.schema.files import RESULTS
from bench.schema.records import SCHEMA, SCHEMA_HISTORY
from reports.data import fleets, stored
from reports.data.errors import ReportError

OnePath = str | os.PathLike[str]
Paths = OnePath | Iterable[OnePath]
"""A run, or several: each its folder, or its result file."""

NEEDED = {"run_id": str, "half_width": float, "environment": dict, "outcomes": list}
"""What every reader asks a run for."""


@dataclass(frozen=True)
class ResultFile:
    """A result file of `pytest bench`, checked for what every reader needs."""

    path: Path
    document: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any]:
        """What the file says of the run as a whole."""
        run: Mapping[str, Any] = self.document["panet"]
        return run


def find(path: OnePath) -> Path:
    """Return the result file of a run, which is named itself or by its folder.

    Raises:
        ReportError: there is none.
    """
    named = Path(path)
    if fleets.is_fleet(named):
        several = fleets.results(named)
        if len(several) > 1:
            raise ReportError(f"{path}: of {len(several)} kinds of machine; name {several[0]}, ...")
        return several[0]
    found = named / RESULTS if named.is_dir() else named
    if found.exists():
        return found
    what = f"no {RESULTS} in it" if named.is_dir() else "No such file or folder"
    raise ReportError(f"{path}: {what}; name the folder of a run, or its {RESULTS}")


def read(path: OnePath) -> ResultFile:
    """Return the result file of a run, as `find` finds it.

    Raises:
        ReportError: it cannot be read, or is no result file of this schema.
    """
    found = find(path)
    return checked(found, parse(found))


def read_all(paths: Paths) -> list[ResultFile]:
    """Return the result files of some runs, as `read` does; each file once."""
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    with no_garbage():
        found = (file for path in several for file in _find_all(path))
        return [checked(path, parse(path)) for path in dict.fromkeys(found)]


def _find_all(path: OnePath) -> list[Path]:
    """Return the result file of a run, or those of all kinds of machine of a fleet."""
    named = Path(path)
    return fleets.results(named) if fleets.is_fleet(named) else [find(path)]


def parse(path: Path) -> dict[str, Any]:
    """Return a JSON file of pytest-benchmark, ours or not.

    Raises:
        ReportError: it cannot be read, or is nothing of the kind.
    """
    try:
        data = stored.contents(path)
        document = stored.shown(data, orjson.loads(data))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; name a results.json of a run") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(
            f"{path}: no result file, or a damaged one ({error}); name the folder of a run"
        ) from error
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise ReportError(f"{path}: no result file of pytest-benchmark; leave it out")
    return document


def beginning(path: Path) -> str:
    """Return how a file begins; of one that cannot be read, or is no text, nothing."""
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(4096)
    except (OSError, UnicodeDecodeError):
        return ""


def complete(path: Path, run: Mapping[str, Any]) -> None:
    """Raise `ReportError` where a run lacks what every reader needs of it."""
    missing = [name for name, kind in NEEDED.items() if not isinstance(run.get(name), kind)]
    if not missing and not isinstance(run["environment"].get("libraries", {}), dict):
        missing.append("libraries")
    if missing:
        raise ReportError(f"{path}: damaged, it has no {', '.join(missing)}; measure again")


def checked(path: Path, document: Mapping[str, Any]) -> ResultFile:
    """Return a parsed file as one of `pytest bench`.

    Raises:
        ReportError: it is none, or of another schema.
    """
    if not isinstance(document.get("panet"), dict):
        raise ReportError(f"{path}: not written by `pytest bench`: it has no key 'panet'")
    schema = document["panet"].get("schema")
    if not isinstance(schema, int) or schema not in SCHEMA_HISTORY:
        raise ReportError(f"{path}: schema {schema!r}, this version reads up to {SCHEMA}")
    complete(path, document["panet"])
    return ResultFile(path, document)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Let the collector wait: it would walk again and again through a million lists of rounds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
