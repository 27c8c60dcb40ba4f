"""The journal of a run: one synced JSON line per finding and replicate.

A kill loses at most the replicate under way.

The first line says what the run is (`Header`); a run is resumed only where all of it still holds.
A line that was cut by the kill is dropped; the next one is written over it.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL
from bench.schema.records import SCHEMA, SCHEMA_HISTORY, Finding, Replicate
from bench.schema.stored import RecordError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@dataclass
class Entries:
    """What a journal holds."""

    header: dict[str, Any]
    findings: dict[str, Finding] = field(default_factory=dict)
    replicates: dict[str, list[Replicate]] = field(default_factory=dict)
    intact_bytes: int = 0


class Journal:
    """An open journal that lines are added to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @classmethod
    def create(cls, folder: Path, header: Mapping[str, Any]) -> "Journal":
        """Start the journal of a new run; raise `BenchError` where the folder cannot be written."""
        try:
            folder.mkdir(parents=True)
            journal = cls((folder / JOURNAL).open("x", encoding="utf-8"))
        except OSError as error:
            raise BenchError(
                f"cannot write {folder}: {error.strerror}; choose --run-dir"
            ) from error
        _lock(journal._stream, folder)
        journal._write({"header": {"schema": SCHEMA, **header}})
        return journal

    @classmethod
    def reopen(cls, folder: Path, entries: Entries) -> "Journal":
        """Go on behind the last whole line."""
        stream = (folder / JOURNAL).open("r+", encoding="utf-8")
        journal = cls(stream)
        _lock(journal._stream, folder)
        stream.seek(entries.intact_bytes)
        stream.truncate()
        return journal

    @classmethod
    def open(cls, folder: Path, header: Mapping[str, Any], entries: Entries | None) -> "Journal":
        """Go on behind what was read of it, or start a new one."""
        return cls.create(folder, header) if entries is None else cls.reopen(folder, entries)

    def add_finding(self, case_id: str, finding: Finding) -> None:
        """Store the finding of a case."""
        self._write({"case_id": case_id, "finding": finding.to_json()})

    def add_replicate(self, case_id: str, replicate: Replicate) -> None:
        """Store a replicate of a case."""
        self._write({"case_id": case_id, "replicate": replicate.to_json()})

    def close(self) -> None:
        """Close the file; everything in it is synced already."""
        self._stream.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder; raise `BenchError` where one is in it already."""
    with (folder / "lock").open("w") as stream:
        _lock(stream, folder)
        yield


def _lock(stream: TextIO, folder: Path) -> None:
    """Keep a second process out for as long as the file is open."""
    if fcntl is None:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        raise BenchError(f"run {folder.name} is still going on in another process") from error


def read_any(folder: Path) -> Entries | None:
    """Read the journal of a run as `read` does; `None` where there is none yet."""
    return read(folder) if (folder / JOURNAL).exists() else None


def read(folder: Path) -> Entries:
    """Read the journal of a run; raise `BenchError` for none, or a damaged whole line."""
    path = folder / JOURNAL
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(f"no run to resume: {path}: {error.strerror}") from error
    entries: Entries | None = None
    intact_bytes = 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break  # cut by the kill
        try:
            entry = json.loads(line)
            entries = _add(entries, entry)
        except (ValueError, KeyError, TypeError, RecordError) as error:
            raise BenchError(
                f"{path}, line {number} is damaged ({error}); start a new run"
            ) from error
        intact_bytes += len(line)
    if entries is None:
        raise BenchError(f"{path} was cut before its first line; start a new run")
    entries.intact_bytes = intact_bytes
    return entries


def _add(entries: Entries | None, entry: Mapping[str, Any]) -> Entries:
    if entries is None:
        header = dict(entry["header"])
        if header.get("schema") not in SCHEMA_HISTORY:
            raise RecordError(f"schema {header.get('schema')}, this version writes {SCHEMA}")
        return Entries(header)
    case_id = str(entry["case_id"])
    if "finding" in entry:
        entries.findings[case_id] = Finding.from_json(entry["finding"])
    else:
        replicate = Replicate.from_json(entry["replicate"])
        entries.replicates.setdefault(case_id, []).append(replicate)
    return entries
