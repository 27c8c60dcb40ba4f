"""JSON files that lie beside the results of a run."""

import json
from pathlib import Path
from typing import Any

from reports.data.errors import ReportError


def read(path: Path, schema: int) -> dict[str, Any]:
    """Return a file of a schema.

    Raises:
        ReportError: it cannot be read, or is of another schema.
    """
    found = read_mapping(path)
    if found.get("schema") != schema:
        raise ReportError(f"{path}: schema {found.get('schema')!r}, this version reads {schema}")
    return found


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a file that has no schema.

    Raises:
        ReportError: it cannot be read, or is no mapping.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; measure again") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: damaged JSON ({error}); measure again") from error
    if not isinstance(found, dict):
        raise ReportError(f"{path}: damaged, it is no mapping; measure again")
    return found
