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

from bench.schema.energy import EnergyReplicate
from bench.schema.errors import BenchError
from bench.schema.files import JOURNAL
from bench.schema.records import SCHEMA, SCHEMA_HISTORY, Finding, Replicate, Status
from bench.schema.stored import RecordError, check_types

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
    energy: dict[str, list[EnergyReplicate]] = field(default_factory=dict)
    intact_bytes: int = 0


class Journal:
    """An open journal that lines are added to; nobody else can open it meanwhile.

    Args:
        stream: at the end of what is in it.
        entries: what that is.
    """

    def __init__(self, stream: TextIO, entries: Entries) -> None:
        self._stream = stream
        self.entries = entries

    @classmethod
    def create(cls, folder: Path, header: Mapping[str, Any]) -> "Journal":
        """Start the journal of a new run; raise `BenchError` where the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stream = (folder / JOURNAL).open("x", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(folder, error) from error
        _lock(stream.fileno(), folder)
        journal = cls(stream, Entries({"schema": SCHEMA, **header}))
        journal._write({"header": journal.entries.header})
        return journal

    @classmethod
    def reopen(cls, folder: Path) -> "Journal":
        """Read what is there, and go on behind the last whole line; raise `BenchError` as `read`.

        It is locked before it is read: what another process adds in between would be cut.
        """
        stream = (folder / JOURNAL).open("r+", encoding="utf-8")
        try:
            _lock(stream.fileno(), folder)
            entries = read(folder)
        except BenchError:
            stream.close()
            raise
        stream.seek(entries.intact_bytes)
        stream.truncate()
        return cls(stream, entries)

    @classmethod
    def open(cls, folder: Path, header: Mapping[str, Any]) -> "Journal":
        """Go on with the journal of a folder, or start one."""
        there = (folder / JOURNAL).exists()
        return cls.reopen(folder) if there else cls.create(folder, header)

    def add_finding(self, case_id: str, finding: Finding) -> None:
        """Store the finding of a case."""
        self._write({"case_id": case_id, "finding": finding.to_json()})

    def add_replicate(self, case_id: str, replicate: Replicate) -> None:
        """Store a replicate of a case."""
        self._write({"case_id": case_id, "replicate": replicate.to_json()})

    def add_energy(self, case_id: str, replicate: EnergyReplicate) -> None:
        """Store a replicate of ``--energy``."""
        self._write({"case_id": case_id, "energy": replicate.to_json()})

    def close(self) -> None:
        """Close the file; everything in it is synced already."""
        self._stream.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(entry, separators=(",", ":")) + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # it would write what is left of the line once more
                self._stream.close()
            raise


GOING_ON = "is still going on in another process"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder, which is made if it is not there.

    Raises:
        BenchError: another process is in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        if descriptor is not None:
            _lock(descriptor, folder)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _cannot_write(folder: Path, error: OSError) -> BenchError:
    return BenchError(f"cannot write {folder}: {error.strerror}; choose --run-dir")


def _lock(descriptor: int, folder: Path) -> None:
    """Keep a second process out for as long as a file, or a folder, is open."""
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BenchError(f"run {folder.name} {GOING_ON}") from error


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
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
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
        finding = Finding.from_json(entry["finding"])
        check_types(finding)
        Status(finding.status)
        entries.findings[case_id] = finding
    elif "energy" in entry:
        known = entries.energy.setdefault(case_id, [])
        known.append(EnergyReplicate.from_json(entry["energy"]))
    else:
        replicate = Replicate.from_json(entry["replicate"])
        check_types(replicate)
        entries.replicates.setdefault(case_id, []).append(replicate)
    return entries
