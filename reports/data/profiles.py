"""The profiles of a run, as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.files import CEILINGS, PARTS, PROFILE, PROFILE_SCHEMA, profile_folder
from reports.data import extra_arms, frames, result_files, stored
from reports.data.errors import ReportError
from reports.data.extra_arms import ExtraCase
from reports.data.result_files import ResultFile

ARMS = ("fpn", "panet")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Profiles:
    """Everything that a run says about where time and memory go."""

    file: ResultFile
    table: pd.DataFrame
    """Of `reports.data.frames.load`."""
    arms: dict[tuple[str, str], Json]
    """Case id and arm -> its profile, in the order of the cases."""
    ceilings: dict[str, Json | None]
    """Device, dtype and threads (as in ``ceilings.json``) -> the ceilings for them."""
    parts: tuple[ExtraCase, ...]


def load(run: Path) -> Profiles:
    """Read the profiles of a run.

    Args:
        run: its folder, or its result file.

    Raises:
        ReportError: there are none, or a file is damaged.
    """
    file = result_files.read(run)
    folder = file.path.parent
    table = frames.frame_of([file])
    paths = {
        (case_id, arm): profile_folder(folder, case_id, arm) / PROFILE
        for case_id in dict.fromkeys(map(str, table["case_id"]))
        for arm in ARMS
    }
    arms: dict[tuple[str, str], Json] = {
        key: stored.read(path, PROFILE_SCHEMA) for key, path in paths.items() if path.exists()
    }
    parts, ceilings = extra_arms.load(folder, PARTS), folder / CEILINGS
    if not arms and not parts:
        raise ReportError(f"{run} has no profile; measure with `pytest bench --traces --parts`")
    known = stored.read_mapping(ceilings) if ceilings.exists() else {}
    return Profiles(file, table, arms, known, parts)
