"""Files as `panet-bench cost` writes them, from records: nothing is looked into or measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.run.own.document import document
from bench.run.own.measuring import Measured
from bench.run.own.request import Request, own_request
from bench.run.own.result import answer
from bench.schema.case import Case
from bench.schema.files import COST
from bench.schema.recipe import texts
from bench.schema.records import MEASURED, OTHER, CaseResult, Replicate, Status
from bench.workload.looking import Look
from bench.workload.part_tally import PartFacts
from tests.support.factories import facts, finding, replicate, result
from tests.support.result_files import RUN

KINDS: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "parts": (["mynet:make"], {"parts": ["neck", "head"]}),
    "exchange": (["mynet:make"], {"parts": ["neck"], "instead": "mynet:bifpn"}),
    "networks": (["fpn=mynet:fpn", "panet=mynet:panet"], {}),
}
"""What is asked -> networks and options of the command."""

SPREAD = (1.0, 1.01, 0.99, 1.005, 0.995)
"""How fast the machine was in each process."""


def request(kind: str, **options: Any) -> Request:
    networks, asked = KINDS[kind]
    defaults: dict[str, Any] = {
        "parts": [],
        "parts_of": [],
        "instead": None,
        "shapes": [],
        "given": {"devices": "cpu", "threads": "1", "resolutions": "64"},
        "half_width": 0.01,
        "budget_s": 60.0,
        "timeout_s": 60.0,
        "traces": False,
        "command": "panet-bench cost",
    }
    return own_request(networks, **(defaults | asked | options))


def own_document(
    kind: str = "parts",
    part_s: Mapping[str, float] | float = 0.002,
    *,
    speed: float = 1.0,
    status: Status = Status.OK,
    macs: int = 30,
    run: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the file of a run.

    Args:
        kind: of `KINDS`.
        part_s: seconds of every part, or of each; of whole networks, what the others take more.
        speed: how slow the machine was.
        status: of all cases.
        macs: of every part.
        run: what identifies the run, beside the neutral.
        options: of the request.
    """
    asked = request(kind, **options)
    counted = {arm: facts() for arm in asked.arms}
    look = Look("", {part: _facts(macs) for part in asked.parts}, (), ((1, 4),))
    looks = {arm: look for arm in asked.arms if arm != asked.again}
    measured = status in MEASURED

    def found(case: Case) -> CaseResult:
        replicates = tuple(_replicate(asked, i, part_s, speed * x) for i, x in enumerate(SPREAD))
        reason = "" if status is Status.OK else "because"
        seen = finding(status, reason, facts=counted)
        return result(
            *(status, reason), case=case, finding=seen, replicates=replicates if measured else ()
        )

    known = {
        **RUN,
        "arms": texts(asked.arms),
        "parts": list(asked.parts),
        "inputs": list(asked.shapes),
        "commit": None,
        "hints": [],
    }
    results = [found(case) for case in asked.cases]
    by_case = {one.case.case_id: looks for one in results}
    measured_run = Measured(asked, asked.parts, by_case, results, known | dict(run or {}))
    made = {**document(answer(measured_run)), "datetime": "2026-11-01T00:00:00+00:00"}
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def own_run(folder: Path, name: str, *arguments: Any, **options: Any) -> Path:
    """Write a run; return its folder."""
    made = own_document(*arguments, **options)
    made["run"]["run_id"] = name
    (folder / name).mkdir(parents=True)
    (folder / name / COST).write_text(json.dumps(made, indent=1))
    return folder / name


def _facts(macs: int) -> PartFacts:
    return PartFacts("Neck", 5, macs, 500, 1, 1, does_nothing=False)


def _replicate(
    asked: Request, index: int, part_s: Mapping[str, float] | float, speed: float
) -> Replicate:
    """Return a process of six rounds; what is exchanged takes half as long again."""

    def spans_s(arm: str) -> dict[str, float]:
        longer = (1.5 if arm in asked.others else 1.0) * (1 + 0.003 * (index % 3))
        parts = asked.parts or (["it"] if arm in asked.others else [])
        own = {p: part_s[p] if isinstance(part_s, Mapping) else part_s for p in parts}
        return {**{p: s * longer * speed for p, s in own.items()}, OTHER: 0.008 * speed}

    by_arm = {arm: spans_s(arm) for arm in asked.arms}
    return replicate(
        index,
        rounds_s={arm: [sum(of.values())] * 6 for arm, of in by_arm.items()},
        spans_s={arm: {s: [x] * 6 for s, x in of.items()} for arm, of in by_arm.items()}
        if asked.parts
        else {},
    )
