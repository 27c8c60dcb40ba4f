"""An answer as plain values: the file of a run, and what a test leaves with pytest-benchmark.

The raw rounds, what was computed of them, and how it is said: whoever reads the file (`reports`)
shows the same words and numbers as the command did.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.run.own import sentences, tables
from bench.run.own.frame import rows_of
from bench.run.own.result import Answer, CaseAnswer
from bench.schema.files import COST_SCHEMA


def document(answer: Answer) -> dict[str, Any]:
    """Return what `COST_SCHEMA` says."""
    request = answer.request
    return {
        "schema": COST_SCHEMA,
        "asked": {
            "kind": str(request.kind),
            "networks": dict(request.typed),
            "base": request.base,
            "again": request.again,
            "parts": list(answer.parts),
        },
        "command": request.command,
        "run": dict(answer.run),
        "cases": [_of_case(answer, name, case) for name, case in sentences.named(answer)],
    }


def _of_case(answer: Answer, name: str, case: CaseAnswer) -> dict[str, Any]:
    result = case.result
    facts = result.finding.facts if result.finding else {}
    return {
        "case": result.case.to_json(),
        "case_id": result.case.case_id,
        "status": str(result.status),
        "reason": result.reason,
        "arms": {arm: counted.to_json() for arm, counted in facts.items()},
        "looks": {arm: look.to_json() for arm, look in case.looks.items()},
        "replicates": [replicate.to_json() for replicate in result.replicates],
        "answer": {
            "insides": {arm: asdict(found) for arm, found in case.insides.items()},
            "besides": {arm: asdict(found) for arm, found in case.besides.items()},
            "exchange": case.exchange and asdict(case.exchange),
            "rows": list(rows_of(answer, case)) if case.answered else [],
        },
        "said": _said(answer, name, case),
    }


def _said(answer: Answer, name: str, case: CaseAnswer) -> Mapping[str, Any]:
    request = answer.request
    return {
        "name": name,
        "answer": list(sentences.headline(request, case)),
        "notes": list(sentences.notes(request, case)) if case.answered else [],
        "tables": [asdict(t) for t in tables.tables(request, answer.parts, case)]
        if case.answered
        else [],
    }
