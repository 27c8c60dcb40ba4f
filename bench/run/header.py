"""What identifies a run of ``pytest bench``, and what a resumed one must share with it."""

from typing import Any

from bench.engine.plan import Plan
from bench.machine.environment import code_digest, describe, git_commit


def header(plan: Plan, half_width: float) -> dict[str, Any]:
    """Return what identifies a run in its journal."""
    return {
        "environment": describe(),
        "code": code_digest(),
        "commit": git_commit(),
        "cases": [case.case_id for case in plan.cases],
        "half_width": half_width,
        "seed": plan.seed,
        "images_dir": plan.images_dir,
    }


MUST_MATCH = {
    "environment": "the environment",
    "code": "the code of panet/ or bench/",
    "cases": "the axes",
    "half_width": "--half-width",
    "seed": "--seed",
    "images_dir": "--images",
}
"""What a resumed run shares with its first part; the commit alone may differ."""
