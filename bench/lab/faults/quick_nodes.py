"""Nodes of a fleet that measure nothing, but behave as if they did: a hundredth of the time.

The processes, connections and journals are real; what is in the folders of `SUPPORT` stands in for
``pytest`` and for the probe there.
"""

import json
import os
from pathlib import Path

from bench.fleet import node
from bench.fleet.asked import Asked
from bench.fleet.programs import SWEEP
from bench.machine.environment import ROOT

SUPPORT = ROOT / "tests" / "support"


def environment(
    folder: Path, asked: Asked, line_s: float = 0.02, *, probed: bool = True
) -> dict[str, str]:
    """Return what makes nodes so.

    Args:
        folder: for a file that says what this machine is.
        asked: what they are asked for.
        line_s: for a line of a journal.
        probed: whether they know already what they are, which takes them seconds of torch.
    """
    machine = folder / "machine.json"
    machine.write_text(json.dumps(node.probe({"program": SWEEP, "asked": asked.to_json()})))
    names = ("quick_shards", "quick_probes") if probed else ("quick_shards",)
    return {
        "PYTHONPATH": os.pathsep.join(map(str, (*(SUPPORT / name for name in names), ROOT))),
        "QUICK_SHARDS": str(line_s),
        "QUICK_MACHINE": str(machine),
    }
