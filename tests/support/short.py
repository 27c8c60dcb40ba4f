"""``pytest -p tests.support.short bench``: a real run of real processes that is over soon.

Rounds, replicates and ceilings are as few as they may be; everything else is as always.
"""

import functools
from collections.abc import Sequence

from bench import stats
from bench.engine import opened, scheduler
from bench.engine.plan import Design, Plan
from bench.run import extra_arms, session
from bench.schema.case import Case

REPLICATES = 2

SHORT = Design(replicate_s=0.1)


def preload(cases: Sequence[Case]) -> list[str]:
    """Return the modules that a server imports, ours among them."""
    return [*scheduler.preload(cases), "tests.support.short_worker"]


def pytest_configure() -> None:
    """Make it short; in a run that was asked for it."""
    for module, name, value in (
        (session, "Plan", functools.partial(Plan, design=SHORT)),
        (stats, "FIRST_STAGE", REPLICATES),
        (extra_arms, "REPLICATES", REPLICATES),
        (opened, "preload", preload),
    ):
        setattr(module, name, value)
