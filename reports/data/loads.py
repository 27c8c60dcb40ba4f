"""What the machine did while a run was measured: a row per replicate, disturbed ones included."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from bench.schema.records import Load
from bench.schema.stored import RecordError
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile

OF_REPLICATE = {"contended": "boolean", "rounds": "Int64", "disturbed_rounds": "Int64"}

COLUMNS = {
    "run_id": "string",
    "case_id": "string",
    **OF_REPLICATE,
    **{field.name: "Float64" for field in fields(Load)},
    "gpu_throttles": "string",
}
"""``contended``: whether the replicate does not count; ``disturbed_rounds``: how many of its rounds
do not. What follows is that of `Load`."""


def load(file: ResultFile) -> pd.DataFrame:
    """Return one row per replicate of a run, with the columns `COLUMNS`.

    Raises:
        ReportError: the file is damaged.
    """
    try:
        rows = [
            _row(file, str(case_id), stored)
            for case_id, replicates in file.run.get("loads", {}).items()
            for stored in replicates
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    except (KeyError, TypeError, ValueError, AttributeError, RecordError) as error:
        kind = type(error).__name__
        raise ReportError(f"{file.path}: damaged load ({kind}: {error}); measure again") from error


def hints(file: ResultFile) -> list[str]:
    """Return what could have been calmer when a run began."""
    stored = file.run.get("hints", [])
    return [str(hint) for hint in stored] if isinstance(stored, list) else []


def _row(file: ResultFile, case_id: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    machine = Load.from_json({k: v for k, v in stored.items() if k not in OF_REPLICATE})
    of_replicate = {name: stored.get(name) for name in OF_REPLICATE}
    of_replicate["contended"] = stored["contended"]
    return {"run_id": file.run["run_id"], "case_id": case_id, **of_replicate, **machine.to_json()}
