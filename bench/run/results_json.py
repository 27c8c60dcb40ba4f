"""What goes into pytest-benchmark's JSON: ``extra_info`` per arm, and the key ``panet``."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.schema.records import (
    FACTS,
    NOT_COUNTED,
    SCHEMA,
    ArmFacts,
    CaseResult,
    Replicate,
    calls_in,
)

EXTRA_INFO = {
    "case": "every axis of the case, by the names of its columns",
    "case_id": "all axes in one name",
    "arm": "fpn, panet (FPN + PANet) or fpn_again",
    "status": "how the case ended",
    "reason": "why, of every status but ok",
    "replicates": "rounds per process: `stats.data` has them in this order",
    "device_rounds_s": "the rounds in seconds by the device's own events; null on a CPU",
    "launch_rounds_s": "seconds until each call came back, the device still at work; null on a CPU",
    "spans_s": "stage -> seconds of it in each round; only of calls that were split",
    "more_calls": "per process: calls behind the rounds, which were split, too",
    "more_spans_s": "the spans of those calls",
    "warm_compile_s": "seconds of a compilation from full caches, or of loading what a runtime "
    "reads and calling it once, per process; null if eager",
    "read_back": "what a runtime says of itself: version, threads, precision, nodes; or nothing",
    "quantised": "true where the runtime computes in integers; or nothing",
    "level_differences": "level -> largest difference of a compiled or exported arm from eager "
    "float32, relative to the level's largest value",
    "level_sqnr_db": "level -> the same as a ratio of signal to noise, in decibels; null without "
    "any difference",
    "images": "the pictures that the input is made of",
}
"""Of ``extra_info``: key -> meaning; beside them stand the `FACTS` of the arm."""

OF_RUNTIMES = ("build_s", "load_s", "first_s", "file_bytes", *NOT_COUNTED)
"""Of these, what only arms have that are compiled, or that a runtime runs."""

PANET_KEY = {
    "schema": "the version of this format",
    "run_id": "the name of the run's folder",
    "environment": "processor, memory, system, libraries: what `panet-bench` knows of the machine",
    "code": "a digest of the code that measured",
    "commit": "its commit, with `+changes` where files were edited",
    "cases": "the ids of all cases that were asked for",
    "half_width": "how narrow the ratio's interval was to be, relative",
    "seed": "of weights and orders",
    "images_dir": "your own pictures, if any",
    "hints": "what could have been calmer when the run began",
    "outcomes": "how every case ended: its axes, its id, status and reason",
    "loads": "case id -> what the machine did during each process, also those that do not count",
    "energy": "of a run with `--energy`, a list: `case_id`, `status`, `reason`, `replicates`, "
    "which are a process each: `method`, whose counter it was, `blocks` (idle, fpn, panet, "
    "panet, fpn, idle)",
}
"""Of the key ``panet``: key -> meaning."""


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
        **{name: getattr(facts, name, None) for name in FACTS if name not in OF_RUNTIMES},
        **_of_runtime(facts),
        "images": result.finding and result.finding.images,
    }


def _of_runtime(facts: ArmFacts | None) -> dict[str, Any]:
    """Return what is known of an arm that eager torch does not run; nothing of others."""
    known = {name: getattr(facts, name, None) for name in OF_RUNTIMES}
    return {name: value for name, value in known.items() if value}


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
