"""Result files as `pytest bench` writes them, from records, without measuring."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.run.results_json import extra_info, panet_key, rounds_s
from bench.schema.case import Case
from bench.schema.files import EXTRA_ARMS_SCHEMA
from bench.schema.recipe import ARMS
from bench.schema.records import MEASURED, CaseResult, Status
from tests.support.factories import case, replicate, result, rounds

RUN: dict[str, Any] = {
    "run_id": "run-1",
    "half_width": 0.02,
    "environment": {
        "cpu": "a CPU",
        "cores": 2,
        "accelerator": None,
        "libraries": {"torch": "2.15.0"},
    },
}


def document(results: Sequence[CaseResult], **run: Any) -> dict[str, Any]:
    entries = [
        {
            "group": found.case.case_id,
            "extra_info": extra_info(found, arm),
            "stats": {"data": rounds_s(found, arm)},
        }
        for found in results
        if found.status in MEASURED and found.used
        for arm in ARMS
    ]
    return {"benchmarks": entries, "panet": panet_key(copy.deepcopy(RUN) | run, results)}


def result_file(folder: Path, results: Sequence[CaseResult], **run: Any) -> Path:
    path = folder / f"{run.get('run_id', 'results')}.json"
    path.write_text(json.dumps(document(results, **run)))
    return path


def extra_arms(path: Path, cases: Mapping[Case, Sequence[Mapping[str, Sequence[float]]]]) -> Path:
    """Write rounds of further arms, a list of replicates per case; one without is busy."""
    entries = [
        {
            "case": each.to_json(),
            "case_id": each.case_id,
            "replicates": replicates,
            "contended": 0 if replicates else 8,
            "reason": "" if replicates else "<b>busy",
        }
        for each, replicates in cases.items()
    ]
    path.write_text(json.dumps({"schema": EXTRA_ARMS_SCHEMA, "cases": entries}))
    return path


def measured(ratio: float, status: Status = Status.OK, **axes: Any) -> CaseResult:
    """A case whose replicates agree on a ratio."""
    replicates = tuple(replicate(i, rounds_s=rounds(ratio)) for i in range(5))
    reason = "" if status is Status.OK else "because"
    return result(status, reason, case=case(**axes), replicates=replicates)
