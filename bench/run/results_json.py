"""What goes into pytest-benchmark's JSON: ``extra_info`` per arm, and the key ``panet``."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench import stats
from bench.schema.records import ARMS, MEASURED, SCHEMA, CaseResult, Replicate


def extra_info(result: CaseResult, arm: str) -> dict[str, Any]:
    """Return what one arm of a case is, beside its rounds.

    ``replicates`` tells how the rounds (``stats.data``) divide into processes, in order.
    """
    facts = result.finding.facts[arm] if result.finding else None
    return {
        "case": result.case.to_json(),
        "case_id": result.case.case_id,
        "arm": arm,
        "status": str(result.status),
        "reason": result.reason,
        "replicates": [replicate.round_count for replicate in result.used],
        "servers": [replicate.server for replicate in result.used],
        "device_rounds_s": _joined([r.device_rounds_s for r in result.used], arm),
        "launch_rounds_s": _joined([r.launch_rounds_s for r in result.used], arm),
        "warm_compile_s": [r.compile_s[arm] for r in result.used if r.compile_s] or None,
        "params": facts and facts.params,
        "macs": facts and facts.macs,
        "flops": facts and facts.flops,
        "peak_bytes": facts and facts.peak_bytes,
        "compile_s": facts and facts.compile_s,
        "graphs": facts and facts.graphs,
        "graph_breaks": facts and facts.graph_breaks,
        "operators": facts and facts.operators,
        "images": result.finding and result.finding.images,
    }


def _joined(
    replicates: Sequence[Mapping[str, Sequence[float]] | None], arm: str
) -> list[float] | None:
    """Return the rounds of an arm in one list, or `None` where they are not known."""
    return [x for rounds in replicates if rounds is not None for x in rounds[arm]] or None


def rounds_s(result: CaseResult, arm: str) -> list[float]:
    """Return the rounds of an arm, replicate after replicate."""
    return [duration for replicate in result.used for duration in replicate.rounds_s[arm]]


def panet_key(run: Mapping[str, Any], results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the top-level key: the run, how every case ended, and the cost of each.

    ``unused`` has the rounds that are in no entry: of contended replicates, and of cases that
    failed after some had been measured.
    """
    return {
        "schema": SCHEMA,
        "arms": list(ARMS),
        **run,
        "outcomes": [
            {
                "case": result.case.to_json(),
                "case_id": result.case.case_id,
                "status": str(result.status),
                "reason": result.reason,
            }
            for result in results
        ],
        "costs": {
            result.case.case_id: found.to_json()
            for result in results
            if result.status in MEASURED
            if (found := _cost(result, run["half_width"])) is not None
        },
        "unused": {
            result.case.case_id: [r.rounds_s for r in unused]
            for result in results
            if (unused := _unused(result))
        },
        "loads": {
            result.case.case_id: [
                {"contended": replicate.contended, **replicate.load.to_json()}
                for replicate in result.replicates
            ]
            for result in results
            if result.replicates
        },
    }


def _unused(result: CaseResult) -> list[Replicate]:
    if result.status not in MEASURED:
        return list(result.replicates)
    return [replicate for replicate in result.replicates if replicate not in result.used]


def _cost(result: CaseResult, half_width: float) -> stats.Cost | None:
    return stats.cost([replicate.rounds_s for replicate in result.used], half_width)
