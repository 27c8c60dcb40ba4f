"""What the driver has of every shard: the journal's lines as they came, and the files behind them.

A fleet's folder: `fleet.jsonl` (what was dealt to whom), ``shards/NAME/`` with a copy of the
journal each, and a folder per kind with its results. Nothing here is needed on a node.
"""

import base64
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from bench.schema import files, journal
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
        path = folder / files.JOURNAL
        path.touch()
        self.lines = path.read_bytes().count(b"\n")
        self._stream = _behind_whole_lines(path)

    def add(self, line: str) -> None:
        """Keep a line of the journal."""
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        self.lines += 1

    def add_file(self, name: str, data: str) -> None:
        """Keep a file of the run, in base64; raise `BenchError` for one that is not below it."""
        parts = PurePosixPath(name).parts
        own = parts == (files.JOURNAL,)
        if own or not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise BenchError(f"a node sent a file {name!r}; it is not to be trusted")
        path = self.folder.joinpath(*parts)
        content = base64.b64decode(data, validate=True)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            if error.errno not in NO_NAME:
                raise
            raise BenchError(f"a node sent a file {name[:80]!r}: {error.strerror}") from error

    def entries(self) -> journal.Entries | None:
        """Return what the journal says so far; `None` before its first line."""
        return journal.read(self.folder) if self.lines else None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


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
        return cls(_behind_whole_lines(folder / LOG))

    def add(self, event: Mapping[str, Any]) -> None:
        """Keep an event."""
        self._stream.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _behind_whole_lines(path: Path) -> BinaryIO:
    """Open a file to go on behind its last whole line: what a kill has cut is dropped."""
    stream = path.open("r+b")
    stream.truncate(stream.read().rfind(b"\n") + 1)
    stream.seek(0, os.SEEK_END)
    return stream


def events(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what a log says; raise `BenchError` where it is damaged."""
    path = folder / LOG
    try:
        data = path.read_bytes()
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            yield dict(json.loads(line))
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"{path}: no fleet to go on with ({error}); start a new one") from error
