"""What the driver has of every shard: the lines of its journals as they came, and further files.

A fleet's folder: `fleet.jsonl` (what was dealt to whom), ``shards/NAME/`` with a copy of the
journal each, and a folder per kind with its results. Nothing here is needed on a node.
"""

import base64
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bench.fleet.programs import GROWS
from bench.schema import files, journal, json_lines
from bench.schema.errors import BenchError

LOG = "fleet.jsonl"
SHARDS = "shards"

BAD = (BenchError, ValueError, TypeError, KeyError, AttributeError)
"""What a damaged answer of a node, or a damaged copy of one, ends in."""

NO_NAME = frozenset({errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST})
"""What a disk says of a file that cannot be where a node says it is."""


class Copy:
    """The copy of a shard.

    Args:
        folder: of the shard; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.have: dict[str, int] = {}
        """File that grows -> its lines."""
        self._streams: dict[str, BinaryIO] = {}
        for path in folder.rglob(f"*{GROWS}"):
            name = path.relative_to(folder).as_posix()
            self._open(name)
            self.have[name] = path.read_bytes().count(b"\n")

    @property
    def lines(self) -> int:
        """Of all files that grow."""
        return sum(self.have.values())

    def add(self, line: str, name: str = files.JOURNAL) -> None:
        """Keep a line of a file that grows; raise `BenchError` for one that is not below it."""
        if name not in self._streams:
            _refuse(name, grows=True)
            self._writing(name, Path.touch)
            self._open(name)
        self._streams[name].write(line.encode() + b"\n")
        self._streams[name].flush()
        self.have[name] = self.have.get(name, 0) + 1

    def add_file(self, name: str, data: str) -> None:
        """Keep a file of the run, in base64; raise `BenchError` for one that is not below it."""
        content = base64.b64decode(data, validate=True)
        _refuse(name, grows=False)
        self._writing(name, lambda path: path.write_bytes(content))

    def _open(self, name: str) -> None:
        self._streams[name] = json_lines.behind_whole_lines(self.folder / name)

    def _writing(self, name: str, write: Callable[[Path], object]) -> None:
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            if error.errno not in NO_NAME:
                raise
            raise BenchError(f"a node sent a file {name[:80]!r}: {error.strerror}") from error

    def entries(self) -> journal.Entries | None:
        """Return what the journal says so far; `None` before its first line."""
        return journal.read(self.folder) if self.have.get(files.JOURNAL) else None

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()


def _refuse(name: str, *, grows: bool) -> None:
    """Raise `BenchError` for a file that is not below its folder, or does not grow as it ends."""
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or grows != (path.suffix == GROWS)
    ):
        raise BenchError(f"a node sent a file {name!r}; it is not to be trusted")


class Log:
    """What happened: a synced line each; the first says what the fleet was asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @classmethod
    def create(cls, folder: Path, head: Mapping[str, Any]) -> "Log":
        """Begin the log of a new fleet."""
        log = cls((folder / LOG).open("xb"))
        log.add(head)
        return log

    @classmethod
    def reopen(cls, folder: Path) -> "Log":
        """Go on behind the last whole line."""
        return cls(json_lines.behind_whole_lines(folder / LOG))

    def add(self, event: Mapping[str, Any]) -> None:
        """Keep an event."""
        self._stream.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what a log says; raise `BenchError` where it is damaged."""
    path = folder / LOG
    try:
        yield from map(dict, json_lines.read(path))
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"{path}: no fleet to go on with ({error}); start a new one") from error
