"""The parts of a network, each by itself and as the end of a growing whole.

What a part costs can be measured in two ways, and they need not agree: alone, on maps that were
stored before (backbone on images, FPN on c2..c5, PANet on p2..p5), or as what it adds to everything
in front of it (backbone; backbone + FPN; all). All of these take turns as arms of one case, so that
the sums can be compared.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.engine.scheduler import CaseState, Engine

FILE = "parts.json"
SCHEMA = 1

REPLICATES = 8
"""Of every case: enough for an interval, and as long as the screen of a comparison."""

ARMS = {
    "model": {
        "backbone": "backbone",
        "fpn_alone": "fpn_alone",
        "panet_alone": "panet_alone",
        "fpn": "fpn",
        "panet": "panet",
    },
    "neck": {"panet_alone": "panet_alone", "fpn": "fpn", "panet": "panet"},
}
"""Scope -> arms. The backbone is its own prefix, and in the scope ``neck`` FPN is, too."""


def measure(engine: Engine) -> list[CaseState]:
    """Check the cases and measure their arms; the caller closes the engine."""
    engine.check()
    engine.take_turns(lambda state: max(0, REPLICATES - len(state.calm)) if _hopeful(state) else 0)
    return engine.states


def _hopeful(state: CaseState) -> bool:
    """Stop where most replicates are disturbed: the machine stays busy."""
    return len(state.replicates) - len(state.calm) < REPLICATES


def write(states: Sequence[CaseState], path: Path) -> None:
    """Write the rounds of all arms into a file."""
    cases = [
        {
            "case": state.case.to_json(),
            "case_id": state.case.case_id,
            "replicates": [r.rounds_s for r in state.calm],
            "contended": len(state.replicates) - len(state.calm),
            "reason": _reason(state),
        }
        for state in states
    ]
    path.write_text(json.dumps({"schema": SCHEMA, "cases": cases}))


def _reason(state: CaseState) -> str:
    if state.finding is not None and state.finding.reason:
        return state.finding.reason
    if state.calm:
        return ""
    if state.replicates:
        return "the machine was busy with something else all the time; run again when it is calm"
    return "the budget was spent before this case; raise --budget"
