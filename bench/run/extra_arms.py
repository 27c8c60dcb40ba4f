"""What else can be measured of every case behind a run: further arms, in a file of their own.

``parts``: what a part costs can be measured in two ways, and they need not agree: alone, on maps
that were stored before (backbone on images, FPN on c2..c5, PANet on p2..p5), or as what it adds to
everything in front of it (backbone; backbone + FPN; all). All of these take turns.

``peers``: who else builds these networks (`bench.run.peer_networks`), with our weights.

``caches``: in the rounds of a run an arm finds what the arm before it left behind. In a service it
may find caches that were emptied, or those of its own last call.

``necks``: any of `panet.necks`, beside FPN (`bench.run.necks`).

``heads``: the parts of the paper, one after the other, on a pyramid and boxes (`bench.run.heads`).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.plan import CaseState
from bench.engine.scheduler import Engine
from bench.schema.case import Case
from bench.schema.files import EXTRA_ARMS_SCHEMA
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import LeftOut, Status
from bench.workload.cache_state import COLD, WARM

COUNTED = ("params", "macs", "peak_bytes")

REPLICATES = 8
"""Of every case: enough for an interval, and as long as the screen of a comparison."""


@dataclass(frozen=True)
class ExtraArms:
    """Arms that are measured beside those of the cost."""

    name: str
    """Of the option and of the file."""
    help: str
    """Of the option; empty: it has none, and what it belongs to asks for it."""
    by_scope: Mapping[str, Arms]
    tables: Callable[[Sequence[CaseState]], Iterator[str]] = lambda _: iter(())
    """What is said of them at the end of the run."""
    left_out: Callable[[Case], Mapping[str, str]] = lambda _: {}
    """Of a case: the arms that cannot be in it, and why."""

    @property
    def asked(self) -> str:
        """What a user calls it by."""
        return f"--{self.name}" if self.help else f"the paper's {self.name}"

    @property
    def file(self) -> str:
        """The name of the file, beside the results."""
        return f"{self.name}.json"

    def arms_of(self, case: Case) -> Arms:
        """Return the arms of a case."""
        out = self.left_out(case)
        return {arm: r for arm, r in self.by_scope[case.scope].items() if arm not in out}


def _networks(*names: str) -> dict[str, Recipe]:
    return {name: Recipe(name) for name in names}


_PEERS = {
    "fpn": Recipe("fpn"),
    "torchvision_fpn": Recipe("bench.run.peer_networks:TORCHVISION_FPN"),
    "panet": Recipe("panet"),
    "mmdet_pafpn": Recipe("bench.run.peer_networks:MMDET_PAFPN"),
}
_CACHES = {
    f"{network}_{caches}": Recipe(network, caches=caches)
    for network in ("fpn", "panet")
    for caches in (COLD, WARM)
}

EXTRA_ARMS = (
    ExtraArms(
        "parts",
        "time backbone, FPN and PANet by themselves as well",
        {  # the backbone is its own prefix, and in the scope `neck` FPN is, too
            "model": _networks("backbone", "fpn_alone", "panet_alone", "fpn", "panet"),
            "neck": _networks("panet_alone", "fpn", "panet"),
        },
    ),
    ExtraArms(
        "peers",
        "time torchvision's FPN and mmdetection's PAFPN as well",
        dict.fromkeys(("model", "neck"), _PEERS),
    ),
    ExtraArms(
        "caches",
        "time the networks with caches cold and warm as well",
        dict.fromkeys(("model", "neck"), _CACHES),
    ),
)


def measure(engine: Engine) -> list[CaseState]:
    """Check the cases and measure their arms; the caller closes the engine."""
    engine.check()
    engine.take_turns(_needed)
    return engine.states


def _needed(state: CaseState) -> int:
    """Return how many replicates a case lacks; none where most are disturbed: it stays so."""
    disturbed = len(state.replicates) - len(state.undisturbed)
    return max(0, REPLICATES - len(state.undisturbed)) if disturbed < REPLICATES else 0


def write(states: Sequence[CaseState], extra: ExtraArms, folder: Path) -> None:
    """Write the rounds of all arms into their file."""

    def known(state: CaseState) -> dict[str, Any]:
        out = extra.left_out(state.case)
        skipped = {arm: LeftOut(Status.SKIPPED, why).to_json() for arm, why in out.items()}
        return {"facts": _facts(state), "left_out": skipped}

    write_rounds(states, known, folder / extra.file)


def write_rounds(
    states: Sequence[CaseState], known: Callable[[CaseState], Mapping[str, Any]], path: Path
) -> None:
    """Write the rounds of all arms, and what else is known of a case, into a file."""
    cases = [
        {
            "case": state.case.to_json(),
            "case_id": state.case.case_id,
            "replicates": [r.rounds_s for r in state.undisturbed],
            "contended": len(state.replicates) - len(state.undisturbed),
            "reason": why_nothing(state),
            **known(state),
        }
        for state in states
    ]
    path.write_text(json.dumps({"schema": EXTRA_ARMS_SCHEMA, "cases": cases}))


def _facts(state: CaseState) -> dict[str, dict[str, int | None]]:
    """Return what is counted of every arm."""
    facts = state.finding.facts if state.finding is not None else {}
    return {arm: {name: getattr(found, name) for name in COUNTED} for arm, found in facts.items()}


def why_nothing(state: CaseState) -> str:
    """Return why a case has no replicate that counts; empty where it has some."""
    if state.finding is not None and state.finding.reason:
        return state.finding.reason
    if state.undisturbed:
        return ""
    if state.replicates:
        return "the machine was busy with something else all the time; run again when it is calm"
    return "the budget was spent before this case; raise --budget"
