"""The files of a run's folder: their names, and the schema numbers of those that `reports` reads.

`results.json` and the journal have the schema of `bench.schema.records`; ``ceilings.json`` is a
plain mapping and has none.
"""

from pathlib import Path

RESULTS = "results.json"
JOURNAL = "journal.jsonl"

PARTS = "parts.json"
PEERS = "peers.json"
CACHES = "caches.json"
NECKS = "necks.json"
DEPLOY = "deploy.json"
HEADS = "heads.json"
EXTRA_ARMS_SCHEMA = 1
"""Of the files of further arms: ``{"schema": 1, "cases": [...]}``, every case with ``case``,
``case_id``, ``replicates`` (the rounds of those that count), ``contended`` (how many do not),
``reason``, ``facts`` (``params``, ``macs``, ``peak_bytes`` of every arm) and ``left_out`` (the arms
that are not in the case, or no more: ``status`` and ``reason``); files of 0.1.0 lack the last two.
`DEPLOY` has other facts of every way, and ``answer``: the fastest, computed from the rounds."""

CEILINGS = "ceilings.json"
TRACES = "traces"
PROFILE = "profile.json"
PROFILE_SCHEMA = 2
"""2: ``disturbed_steps``, and of every stage ``backward_bytes``. The ``backward_macs`` of 1 were
too many."""

COMPARE = "compare.json"
COMPARE_SCHEMA = 5
"""5: of what is ``measured`` ``one_sided_s``. 4: ``measured`` and ``command``. 3: ``tolerance``, of
every case ``of_call``, ``stages`` and ``unmatched``, and of the explanation ``named``. 2:
``overall`` was ``suite``, ``control_drifted`` was ``control_moved``, ``mde_ratio`` was
``detectable_ratio``, and ``left_to_overall`` was ``settled``."""


COST = "cost.json"
COST_SCHEMA = 2
"""Of ``bench cost``: ``asked``, ``run`` (with the environment), ``command`` and ``cases``, every
case with ``case``, ``case_id``, ``status``, ``reason``, ``arms`` (what is counted of each),
``looks`` (of the parts of each), ``replicates`` (as in the journal), ``answer``, which was computed
from them, and ``said``, in words and tables. 2: ``datetime``, ``said``, and the ``rows`` of an
answer."""
IN_EXTRA_INFO = "costs"
"""Of pytest-benchmark's ``extra_info``: a list of what `COST` has, of every call of the fixture
``cost`` in a test."""

SELFTEST = "selftest.json"

FLEET = "fleet.json"
FLEET_SCHEMA = 1
"""Of ``pytest bench --executor``: ``run_id``, ``executor``, ``kinds`` (of machines: names of
folders beside it, each with a `RESULTS`), and ``nodes``: of each ``node``, ``kind``, ``cases`` (how
many of its count) and ``failures`` (what went wrong there, in order)."""


def profile_folder(run_dir: Path, case_id: str, arm: str) -> Path:
    """Return where the trace and the `PROFILE` of an arm are."""
    return run_dir / TRACES / case_id / arm
