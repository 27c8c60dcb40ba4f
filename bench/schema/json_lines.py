"""Files of one writer that grow by a line of JSON each: gone on with, whatever a kill has cut."""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO


def read(path: Path) -> list[Any]:
    """Return what the whole lines of a file say; nothing where there is no file.

    Raises:
        ValueError: a whole line is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def add(path: Path, entry: object) -> None:
    """Write an entry behind the last whole line of a file, which is made if it is not there.

    Raises:
        OSError: that cannot be written.
    """
    path.touch()
    with behind_whole_lines(path) as stream:
        stream.write(json.dumps(entry).encode() + b"\n")


def behind_whole_lines(path: Path) -> BinaryIO:
    """Open a file to go on behind its last whole line: what a kill has cut is dropped."""
    stream = path.open("r+b")
    stream.truncate(stream.read().rfind(b"\n") + 1)
    stream.seek(0, os.SEEK_END)
    return stream
