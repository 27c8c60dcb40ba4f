"""JSON files that lie beside the results of a run, and what every file of anyone's is read with."""

import errno
import json
import re
from pathlib import Path
from typing import Any

from bench.schema.text import printable
from reports.data.errors import ReportError

NOT_PLAIN = re.compile(rb"[\x7f-\xff]|\\[ubfr]")
"""In JSON: what may be more than a plain letter."""


def shown(data: bytes, document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a document in which no text controls a terminal (`bench.schema.text.printable`).

    Args:
        data: the JSON; most have only plain letters, and nothing is to be done.
        document: what it holds.
    """
    return _shown(document) if NOT_PLAIN.search(data) else document


def _shown(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_shown(each) if isinstance(each, str | list | dict) else each for each in value]
    if isinstance(value, dict):
        return {printable(name): _shown(each) for name, each in value.items()}
    return value


def read(path: Path, schema: int) -> dict[str, Any]:
    """Return a file of a schema.

    Raises:
        ReportError: it cannot be read, or is of another schema.
    """
    content = read_mapping(path)
    if content.get("schema") != schema:
        found = f"schema {content.get('schema')!r}, this version reads {schema}"
        raise ReportError(f"{path}: {found}; measure again")
    return content


def contents(path: Path) -> bytes:
    """Return what is in a file; raise `OSError` where it cannot be read, or would never end."""
    if path.is_char_device():
        raise OSError(errno.ENODEV, "a device, and no file", str(path))
    return path.read_bytes()


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a file that has no schema.

    Raises:
        ReportError: it cannot be read, or is no mapping.
    """
    try:
        data = contents(path)
        content = shown(data, json.loads(data))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; measure again") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: damaged JSON ({error}); measure again") from error
    if not isinstance(content, dict):
        raise ReportError(f"{path}: damaged, it is no mapping; measure again")
    return content
