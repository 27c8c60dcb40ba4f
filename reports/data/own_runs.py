"""The runs of `panet-bench cost`: what parts take inside anyone's network, as it was stored."""

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.case import Case
from bench.schema.files import COST, COST_SCHEMA, RESULTS
from bench.schema.records import ArmFacts, CaseResult, Finding, Replicate, Status
from bench.schema.stored import RecordError
from reports.data import frames, result_files, stored
from reports.data.errors import damaged
from reports.data.result_files import OnePath, ResultFile

Json = Mapping[str, Any]

TEXTS = ("network", "part", "stage")
"""Columns of the rows of an answer that are no numbers."""

BEGINNING = re.compile(r'\s*{\s*"schema":\s*\d+,\s*"asked":')


@dataclass(frozen=True)
class OwnCase:
    """A case, and what the command said of it."""

    name: str
    """What tells it from the others; empty if there are none."""
    result: CaseResult
    answer: tuple[str, ...]
    """The sentences that come first."""
    notes: tuple[str, ...]
    tables: tuple[tuple[tuple[str, ...], list[list[str]]], ...]
    """Heads and rows of each."""
    rows: tuple[Mapping[Hashable, Any], ...]
    """Of networks and parts, as `bench.run.own.frame.frame` has them."""
    parts: Mapping[str, Mapping[str, Json]]
    """Arm -> path of a part -> what is counted of it; nothing of a case that does not run."""


@dataclass(frozen=True)
class OwnRun:
    """What a run left."""

    path: Path
    document: Json
    cases: tuple[OwnCase, ...]

    @property
    def run_id(self) -> str:
        """The name of its folder; of a file that was renamed, and does not tell it, its own."""
        kept = self.path.parent.name if self.path.name == COST else self.path.stem
        return str(self.document["run"].get("run_id", kept))

    @property
    def networks(self) -> Mapping[str, str]:
        """Arm -> its network as it was typed, the base first; its A/A arm is among them."""
        return {str(arm): str(typed) for arm, typed in self.document["asked"]["networks"].items()}

    @property
    def base(self) -> str:
        """The arm that the others are compared with."""
        return str(self.document["asked"]["base"])

    @property
    def again(self) -> str:
        """The arm that runs it once more."""
        return str(self.document["asked"]["again"])

    @property
    def parts(self) -> tuple[str, ...]:
        """The paths that were asked for; none of whole networks."""
        return tuple(map(str, self.document["asked"]["parts"]))

    @property
    def whole(self) -> bool:
        """Whether whole networks were asked for, which have names."""
        return bool(self.document["asked"]["kind"] == "networks")

    @property
    def named(self) -> str:
        """The networks in a title."""
        named = [arm if self.whole else typed for arm, typed in self.networks.items()]
        return ", ".join(dict.fromkeys(name for name in named if name != self.again))

    @property
    def file(self) -> ResultFile:
        """The run as those of `pytest bench` are read: its machine, and what else ran there."""
        loads = {
            case.result.case.case_id: [_load(r) for r in case.result.replicates]
            for case in self.cases
            if case.result.replicates
        }
        run = {**self.document["run"], "run_id": self.run_id, "loads": loads, "outcomes": []}
        written = self.document.get("datetime")
        return ResultFile(self.path, {"panet": run, "benchmarks": [], "datetime": written})


def is_own(path: OnePath) -> bool:
    """Whether a path names a run of `panet-bench cost`: its folder, or its file, even renamed."""
    named = Path(path)
    if named.is_dir():
        return (named / COST).is_file() and not (named / RESULTS).exists()
    return named.name == COST or begins_as_own(result_files.beginning(named))


def begins_as_own(text: str) -> bool:
    """Whether a file that begins so is one of `panet-bench cost`."""
    return bool(BEGINNING.match(text))


def read(path: OnePath) -> OwnRun:
    """Return a run.

    Raises:
        ReportError: it cannot be read, or is of another schema.
    """
    named = Path(path)
    file = named / COST if named.is_dir() else named
    return of_document(file, stored.read(file, COST_SCHEMA))


def of_document(file: Path, document: Json) -> OwnRun:
    """Return a run that somebody's file has in it, of this schema.

    Raises:
        ReportError: it is damaged.
    """
    with damaged(file, "measure again"):
        found = OwnRun(file.resolve(), document, tuple(map(_case, document["cases"])))
        _ = (found.named, found.base, found.again, found.parts)
        result_files.complete(file, found.file.run)
    return found


def rows(run: OwnRun) -> pd.DataFrame:
    """Return a row per case, network and part of a run.

    Columns: ``run_id``, the axes, ``case_id``, ``status``, and those of
    `bench.run.own.frame.frame`. Seconds and bytes.
    """
    found = [
        {
            "run_id": run.run_id,
            **case.result.case.to_json(),
            "case_id": case.result.case.case_id,
            "status": str(case.result.status),
            **row,
        }
        for case in run.cases
        for row in case.rows or [{"reason": case.result.reason}]
    ]
    return pd.DataFrame(found).convert_dtypes()


def frame(run: OwnRun) -> pd.DataFrame:
    """Return what `reports.data.frames.load` does of a run of ours: a row per arm and case.

    Raises:
        ReportError: there is no case.
    """
    return frames.of_rows([row for case in run.cases for row in _arm_rows(run, case)])


def _arm_rows(run: OwnRun, case: OwnCase) -> list[dict[str, Any]]:
    result, used = case.result, case.result.used
    facts = result.finding.facts if result.finding else {}
    of_case = {
        "run_id": run.run_id,
        "requested_half_width_ratio": run.document["run"].get("half_width"),
        **result.case.to_json(),
        "case_id": result.case.case_id,
        "status": str(result.status),
        "reason": result.reason,
    }
    return [
        {
            **of_case,
            "arm": arm,
            **(facts[arm].to_json() if arm in facts else {}),
            "replicates_s": [list(replicate.rounds_s[arm]) for replicate in used],
            "spans_s": _spans([replicate.spans_s.get(arm, {}) for replicate in used]),
            "more_spans_s": _spans([replicate.more_spans_s.get(arm, {}) for replicate in used]),
        }
        for arm in run.networks
        if used
    ] or [{**of_case, "arm": None, "replicates_s": None}]


def _spans(replicates: list[Mapping[str, list[float]]]) -> dict[str, list[list[float]]]:
    """Return stages, each with its part of every call of every replicate."""
    stages = dict.fromkeys(stage for spans_s in replicates for stage in spans_s)
    calls = [max(map(len, spans_s.values()), default=0) for spans_s in replicates]
    return {
        stage: [
            list(spans_s.get(stage) or [0.0] * count)
            for spans_s, count in zip(replicates, calls, strict=True)
        ]
        for stage in stages
    }


def _case(entry: Json) -> OwnCase:
    said = entry["said"]
    facts = {arm: ArmFacts.from_json(counted) for arm, counted in entry["arms"].items()}
    status, reason = Status(entry["status"]), str(entry["reason"])
    result = CaseResult(
        Case.from_json(entry["case"]),
        status,
        reason,
        Finding(str(status), reason, "", facts),
        tuple(map(_replicate, entry["replicates"])),
    )
    return OwnCase(
        str(said["name"]),
        result,
        tuple(map(str, said["answer"])),
        tuple(map(str, said["notes"])),
        tuple(map(_table, said["tables"])),
        tuple(map(_row, entry["answer"]["rows"])),
        {arm: dict(look["parts"]) for arm, look in entry["looks"].items()},
    )


def _replicate(entry: Json) -> Replicate:
    replicate = Replicate.from_json(entry)
    of_calls = (*replicate.spans_s.values(), *replicate.more_spans_s.values())
    for stage, seconds in (item for spans_s in of_calls for item in spans_s.items()):
        if not all(0 <= s < math.inf for s in seconds):
            raise RecordError(f"{stage} takes no time that can be")
    return replicate


def _table(entry: Json) -> tuple[tuple[str, ...], list[list[str]]]:
    heads, rows = entry["heads"], entry["rows"]
    for line in (heads, *rows):
        texts = isinstance(line, list) and all(isinstance(cell, str) for cell in line)
        if not texts or len(line) != len(heads):
            raise RecordError(f"a table has the line {line!r}")
    return tuple(heads), list(map(list, rows))


def _row(entry: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
    for name, value in entry.items():
        right = isinstance(value, str if name in TEXTS else int | float)
        if isinstance(value, bool) or (value is not None and not right):
            raise RecordError(f"{name} is {value!r}")
    return entry


def _load(replicate: Replicate) -> dict[str, Any]:
    return {
        "contended": replicate.contended,
        "rounds": replicate.round_count,
        "disturbed_rounds": len(replicate.disturbed),
        **replicate.load.to_json(),
    }
