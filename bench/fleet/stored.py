"""From the journals of shards to one result file per kind of machine.

The file is that of a run on one machine: pytest-benchmark's, with the key ``panet``. Statuses are
those that every shard gave itself; whatever is computed of rounds is computed again by its readers.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_benchmark.stats import Stats

from bench.engine.plan import CaseState
from bench.engine.stopping import HalfWidth
from bench.fleet.scheduling import BUDGET_SPENT
from bench.run.extra_arms import EXTRA_ARMS
from bench.run.results_json import extra_info, panet_key, rounds_s
from bench.schema import files
from bench.schema.case import Case
from bench.schema.journal import Entries
from bench.schema.recipe import ARMS
from bench.schema.records import MEASURED, CaseResult, Status

LISTED = (*(extra.file for extra in EXTRA_ARMS), files.NECKS, files.HEADS)
"""Files of further arms: what their ``cases`` list is joined."""


@dataclass
class Part:
    """What a shard gave to its kind."""

    folder: Path
    """Of its copy."""
    entries: Entries
    cases: tuple[Case, ...]
    """That count; of a shard whose node was lost those that were complete."""
    document: Mapping[str, Any] | None = None
    """What pytest-benchmark says around results, and ``outcomes``: case id -> status and reason, as
    the shard gave them; `None` where it did not come to that."""


def complete(entries: Entries | None, cases: Iterable[Case]) -> set[str]:
    """Return the ids of the cases that need nothing more: measured enough, or not possible.

    Args:
        entries: of the journal of a shard that broke; `None` where it had none.
        cases: of the shard.
    """
    if entries is None:
        return set()
    rule, states = _judged(entries, cases)
    return {
        state.case.case_id
        for state in states
        if state.finding is not None and not (state.runs and rule.missing(state))
    }


def results(part: Part) -> list[CaseResult]:
    """Return the cases of a shard, with the statuses that it gave them.

    Not all of them can be computed again: that somebody has killed a process is in no journal.
    """
    rule, states = _judged(part.entries, part.cases)
    found = [rule.result(state) for state in states]
    given = (part.document or {}).get("outcomes", {})
    told = [given.get(each.case.case_id, (each.status, each.reason)) for each in found]
    return [
        replace(each, status=Status(status), reason=str(reason))
        for each, (status, reason) in zip(found, told, strict=True)
    ]


def _judged(entries: Entries, cases: Iterable[Case]) -> tuple[HalfWidth, list[CaseState]]:
    rule = HalfWidth(float(entries.header["half_width"]))
    states = []
    for case in cases:
        state = CaseState(case, entries.findings.get(case.case_id))
        for replicate in entries.replicates.get(case.case_id, ()):
            state.add(replicate)
        rule.missing(state)  # what is known of one tells how far the others spread
        states.append(state)
    return rule, states


@dataclass
class Kind:
    """What is written of a kind of machine."""

    name: str
    run_id: str
    parts: list[Part] = field(default_factory=list)
    missing: dict[str, tuple[Case, str]] = field(default_factory=dict)
    """Cases that nobody measured, and why."""


def write(kind: Kind, folder: Path) -> list[CaseResult]:
    """Write the result file of a kind, and the files beside it; return its cases."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [result for part in kind.parts for result in results(part)]
    around = next((dict(part.document) for part in kind.parts if part.document), {})
    hints = [hint for part in kind.parts for hint in (part.document or {}).get("hints", ())]
    around = {name: what for name, what in around.items() if name not in ("hints", "outcomes")}
    head = kind.parts[0].entries.header if kind.parts else {}
    ids = [case_id for part in kind.parts for case_id in (c.case_id for c in part.cases)]
    run = {name: what for name, what in head.items() if name != "schema"} | {
        "cases": [*ids, *kind.missing],
        "run_id": kind.run_id,
        "hints": list(dict.fromkeys(hints)),
    }
    document = {
        "machine_info": {},
        **around,
        "benchmarks": [entry for result in found for entry in _entries(result)],
        "panet": panet_key(run, [*found, *_not_measured(kind)]),
    }
    (folder / files.RESULTS).write_text(json.dumps(document, indent=4))
    for name in LISTED:
        _join(name, kind.parts, folder)
    for part in kind.parts:
        ceilings = part.folder / files.CEILINGS
        if ceilings.exists():
            shutil.copyfile(ceilings, folder / files.CEILINGS)
        if (part.folder / files.TRACES).is_dir():
            shutil.copytree(part.folder / files.TRACES, folder / files.TRACES, dirs_exist_ok=True)
    return found


def _entries(result: CaseResult) -> Iterator[dict[str, Any]]:
    """Yield the arms of a case as pytest-benchmark stores them, where there are rounds."""
    if result.status not in MEASURED or not result.used:
        return
    for arm in ARMS:
        data = rounds_s(result, arm)
        made = Stats()  # type: ignore[no-untyped-call]
        made.data = data
        case_id, test = result.case.case_id, f"test_{result.case.pass_name}"
        name = f"{test}[{case_id}-{arm}]"
        yield {
            "group": case_id,
            "name": name,
            "fullname": f"bench/{test}.py::{name}",
            "params": {"case_id": case_id, "arm": arm},
            "param": f"{case_id}-{arm}",
            "extra_info": extra_info(result, arm),
            "options": {},
            "stats": made.as_dict() | {"data": data, "iterations": 1},  # type: ignore[no-untyped-call]
        }


def _not_measured(kind: Kind) -> Iterator[CaseResult]:
    for case, why in kind.missing.values():
        if why == BUDGET_SPENT:
            yield CaseResult(case, Status.TOO_WIDE, why, None, ())
            continue
        yield CaseResult(case, Status.CRASHED, f"no node measured it: {why}", None, ())


def _join(name: str, parts: Sequence[Part], folder: Path) -> None:
    """Write a file of further arms with the cases of all shards."""
    texts = [(part.folder / name).read_text() for part in parts if (part.folder / name).exists()]
    if texts:
        documents = [json.loads(text) for text in texts]
        cases = [case for document in documents for case in document["cases"]]
        (folder / name).write_text(json.dumps(documents[0] | {"cases": cases}))
