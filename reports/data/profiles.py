"""The profiles of a run, as they are stored."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    damaged: tuple[str, ...] = ()
    """What could not be read, a line each; the rest is as good as without it."""

    @property
    def cases(self) -> list[str]:
        """Every case of which there is something."""
        of_parts = (extra.case.case_id for extra in self.parts)
        return list(dict.fromkeys([*(case_id for case_id, _ in self.arms), *of_parts]))

    def of_case(self, case_id: str) -> "Profiles":
        """Return what there is of one case."""
        return replace(
            self,
            table=self.table[self.table["case_id"] == case_id],
            arms={key: profile for key, profile in self.arms.items() if key[0] == case_id},
            parts=tuple(extra for extra in self.parts if extra.case.case_id == case_id),
        )


def load(run: Path) -> Profiles:
    """Read the profiles of a run.

    Args:
        run: its folder, or its result file.

    Raises:
        ReportError: there are none, or all are damaged.
    """
    file = result_files.read(run)
    folder = file.path.parent
    table = frames.frame_of([file])
    arms: dict[tuple[str, str], Json] = {}
    damaged = []
    for case_id, arm in itertools.product(dict.fromkeys(map(str, table["case_id"])), ARMS):
        path = profile_folder(folder, case_id, arm) / PROFILE
        try:
            if path.exists():
                arms[case_id, arm] = stored.read(path, PROFILE_SCHEMA)
        except ReportError as error:
            damaged.append(str(error))
    parts: tuple[ExtraCase, ...] = ()
    known: dict[str, Json | None] = {}
    try:
        parts = extra_arms.load(folder, PARTS)
        known = stored.read_mapping(folder / CEILINGS) if (folder / CEILINGS).exists() else {}
    except ReportError as error:
        damaged.append(str(error))
    if not arms and not parts:
        why = damaged[0] if damaged else f"{run} has no profile"
        raise ReportError(f"{why}; measure with `pytest bench --traces --parts`")
    return Profiles(file, table, arms, known, parts, tuple(damaged))
