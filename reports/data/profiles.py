"""The profiles of a run, as they are stored."""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from bench.schema.files import CEILINGS, PARTS, PROFILE, PROFILE_SCHEMA, profile_folder
from reports.data import extra_arms, frames, own_runs, result_files, stored
from reports.data.errors import ReportError
from reports.data.extra_arms import ExtraCase
from reports.data.own_runs import OwnRun
from reports.data.result_files import ResultFile

ARMS = ("fpn", "panet")

Json = Mapping[str, Any]

Found = TypeVar("Found")


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
    networks: tuple[str, ...] = ARMS
    """The arms that were profiled; what is said is of the last, beside the others."""

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
    if own_runs.is_own(run):
        own = own_runs.read(run)
        return _load(own.file, own_runs.frame(own), _own_names(own))
    file = result_files.read(run)
    return _load(file, frames.frame_of([file]), {arm: arm for arm in ARMS})


def _own_names(own: OwnRun) -> dict[str, str]:
    """Return the arms of somebody's networks by the names that these have; the base is the last."""
    arms = [arm for arm in (*own.networks, own.base) if arm != own.again]
    whole = not own.parts
    names = {arm: arm if whole else own.networks[arm] for arm in dict.fromkeys(arms[1:])}
    return names if len(set(names.values())) == len(names) else {arm: arm for arm in names}


def _load(file: ResultFile, table: pd.DataFrame, names: Mapping[str, str]) -> Profiles:
    """Return what there is of some arms.

    Args:
        file: of the run.
        table: of `reports.data.frames.load`.
        names: arm -> what it is called here.
    """
    folder, networks = file.path.parent, tuple(names.values())
    table = table.assign(arm=table["arm"].astype("string").map(lambda arm: names.get(arm, arm)))
    damaged: list[str] = []

    def whole(read: Callable[[], Found]) -> Found | None:
        """Return what is read; a damaged file is noted instead."""
        try:
            return read()
        except ReportError as error:
            damaged.append(str(error))
            return None

    arms: dict[tuple[str, str], Json] = {}
    for case_id, arm in itertools.product(dict.fromkeys(map(str, table["case_id"])), names):
        path, key = profile_folder(folder, case_id, arm) / PROFILE, (case_id, names[arm])
        if path.exists():
            profile = whole(functools.partial(stored.read, path, PROFILE_SCHEMA))
            arms |= {} if profile is None else {key: profile}
    parts = whole(lambda: extra_arms.load(folder, PARTS)) or ()
    ceilings = folder / CEILINGS
    known = whole(lambda: stored.read_mapping(ceilings)) if ceilings.exists() else None
    if not arms and not parts:
        why = damaged[0] if damaged else f"{folder} has no profile"
        how = "`pytest bench --traces --parts`" if networks == ARMS else "--traces"
        raise ReportError(f"{why}; measure with {how}")
    return Profiles(file, table, arms, known or {}, parts, tuple(damaged), networks)
