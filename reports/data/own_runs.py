"""The runs of `panet-bench cost`: what parts take inside anyone's network, as it was stored."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.case import Case
from bench.schema.files import COST, COST_SCHEMA, RESULTS
from bench.schema.records import ArmFacts, CaseResult, Finding, Replicate, Status
from bench.schema.stored import RecordError
from reports.data import frames, stored
from reports.data.errors import ReportError
from reports.data.result_files import OnePath, ResultFile

Json = Mapping[str, Any]


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


@dataclass(frozen=True)
class OwnRun:
    """What a run left."""

    path: Path
    document: Json
    cases: tuple[OwnCase, ...]

    @property
    def run_id(self) -> str:
        """The name of its folder."""
        return self.path.parent.name

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
    def named(self) -> str:
        """The networks in a title."""
        whole = self.document["asked"]["kind"] == "networks"
        named = [arm if whole else typed for arm, typed in self.networks.items()]
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
    """Whether a path names a run of `panet-bench cost`: its folder, or its file."""
    named = Path(path)
    return named.name == COST or ((named / COST).is_file() and not (named / RESULTS).exists())


def read(path: OnePath) -> OwnRun:
    """Return a run.

    Raises:
        ReportError: it cannot be read, or is of another schema.
    """
    named = Path(path)
    file = named / COST if named.is_dir() else named
    document = stored.read(file, COST_SCHEMA)
    try:
        found = OwnRun(file.resolve(), document, tuple(map(_case, document["cases"])))
        _ = (found.named, found.base, found.parts, found.file.run["environment"])
    except (KeyError, TypeError, ValueError, AttributeError, RecordError) as error:
        kind = type(error).__name__
        raise ReportError(f"{file}: damaged ({kind}: {error}); measure again") from error
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
        ReportError: no case was measured.
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
    ]


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
        tuple(map(Replicate.from_json, entry["replicates"])),
    )
    return OwnCase(
        str(said["name"]),
        result,
        tuple(map(str, said["answer"])),
        tuple(map(str, said["notes"])),
        tuple(
            (tuple(each["heads"]), [list(row) for row in each["rows"]]) for each in said["tables"]
        ),
        tuple(dict(row) for row in entry["answer"]["rows"]),
    )


def _load(replicate: Replicate) -> dict[str, Any]:
    return {
        "contended": replicate.contended,
        "rounds": replicate.round_count,
        "disturbed_rounds": len(replicate.disturbed),
        **replicate.load.to_json(),
    }
