"""What goes into pytest-benchmark's JSON: ``extra_info`` per arm, and the key ``panet``."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.schema.records import FACTS, SCHEMA, CaseResult, Replicate, calls_in


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
        "device_rounds_s": _joined([r.device_rounds_s for r in result.used], arm),
        "launch_rounds_s": _joined([r.launch_rounds_s for r in result.used], arm),
        **_inside(result.used, arm),
        "warm_compile_s": [r.compile_s[arm] for r in result.used if r.compile_s] or None,
        **{name: getattr(facts, name, None) for name in FACTS},
        "images": result.finding and result.finding.images,
    }


def _joined(
    replicates: Sequence[Mapping[str, Sequence[float]] | None], arm: str
) -> list[float] | None:
    """Return the rounds of an arm in one list, or `None` where they are not known."""
    return [x for rounds in replicates if rounds is not None for x in rounds[arm]] or None


def _inside(replicates: Sequence[Replicate], arm: str) -> dict[str, Any]:
    """Return what is known inside the calls of an arm; nothing where they are not split."""
    if not replicates or any(arm not in replicate.spans_s for replicate in replicates):
        return {}
    more = [replicate.more_spans_s.get(arm, {}) for replicate in replicates]
    return {
        "spans_s": _spans_s([replicate.spans_s[arm] for replicate in replicates]),
        "more_calls": [calls_in(spans_s) for spans_s in more],
        "more_spans_s": _spans_s(more),
    }


def _spans_s(replicates: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """Return stages, each with its part of every call of all replicates."""
    stages = dict.fromkeys(stage for spans_s in replicates for stage in spans_s)
    return {
        stage: [
            round(seconds, SPAN_DIGITS)
            for spans_s in replicates
            for seconds in spans_s.get(stage) or [0.0] * calls_in(spans_s)
        ]
        for stage in stages
    }


SPAN_DIGITS = 8
"""Of a span, in seconds: the clock tells no less, and the file stays half as large."""


def rounds_s(result: CaseResult, arm: str) -> list[float]:
    """Return the rounds of an arm, replicate after replicate.

    Where every round was disturbed, and the cost is from the calls behind them, those: the file of
    pytest-benchmark has no place for an arm without rounds. ``replicates`` says that none counts.
    """
    counted = [x for replicate in result.used for x in replicate.rounds_s[arm]]
    return counted or [x for replicate in result.replicates for x in replicate.rounds_s[arm]]


def panet_key(run: Mapping[str, Any], results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the top-level key: the run, how every case ended, and the load of every process."""
    return {
        "schema": SCHEMA,
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
        "loads": {
            result.case.case_id: [
                {
                    "contended": replicate.contended,
                    "rounds": replicate.round_count,
                    "disturbed_rounds": len(replicate.disturbed),
                    **replicate.load.to_json(),
                }
                for replicate in result.replicates
            ]
            for result in results
            if result.replicates
        },
    }
