"""``pytest bench --executor``: from a request to the results of every kind of machine."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.fleet import sitting, stored, sweeps
from bench.fleet.asked import Asked
from bench.fleet.kept import Kept
from bench.run.request import Request
from bench.schema import files, run_folders
from bench.schema.records import MEASURED, NOT_POSSIBLE, CaseResult
from bench.schema.text import counted

KIND = "fleet"
"""What the names of fleets' folders begin with."""

TIMES = frozenset({"budget", "timeout"})


@dataclass(frozen=True)
class Order:
    """What a fleet is to do."""

    request: Request
    """Parsed on this machine; its folder is the fleet's."""
    asked: Asked
    nodes: sitting.Nodes


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    results: Mapping[str, list[CaseResult]]
    """Kind of machine -> its cases."""
    missing: Mapping[str, int]
    """Kind -> cases that nobody measured."""
    folder: Path
    nodes: tuple[str, ...]
    """What each of them measured, and what went wrong there, in lines."""

    @property
    def measured_any(self) -> bool:
        """Whether any case has a replicate that counts."""
        return any(result.used for results in self.results.values() for result in results)

    @property
    def all_well(self) -> bool:
        """Whether every case was measured, or is not possible on its machine."""
        found = {result.status for results in self.results.values() for result in results}
        return not any(self.missing.values()) and found <= MEASURED | NOT_POSSIBLE

    @property
    def files(self) -> list[Path]:
        """A result file per kind of machine."""
        return [self.folder / kind / files.RESULTS for kind in self.results]

    def said(self) -> Iterator[str]:
        """Yield how the cases ended, what became of the nodes, and where the results are."""
        for kind, found in self.results.items():
            counts = Counter(str(result.status) for result in found)
            if self.missing[kind]:
                counts["not measured"] = self.missing[kind]
            yield f"{kind}: {', '.join(f'{count} {status}' for status, count in counts.items())}"
        yield from self.nodes
        if not self.measured_any:
            yield "nothing was measured: raise --budget, or see above why"
            return
        yield from (f"results: {path}" for path in self.files)
        yield f"next: python -m reports cost {self.folder}"

    def keep_copies(self, wanted: Path | None) -> None:
        """Copy the result file to where the user wants it; of several kinds with a number each."""
        if wanted is None:
            return
        for number, path in enumerate(self.files, start=1):
            named = f"{wanted.stem}-{number}{wanted.suffix}" if len(self.files) > 1 else wanted.name
            shutil.copyfile(path, wanted.with_name(named))


def lasting(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a fleet that is gone on with must share; more time it may have."""
    asked = dict(head.get("asked", {}))
    values = dict(asked.get("values", {}))
    return {**head, "asked": asked | {"values": {n: values[n] for n in values if n not in TIMES}}}


def measure(order: Order, console: Console) -> Outcome:
    """Let the nodes measure what was asked for, and write what they found.

    Raises:
        BenchError: no node can measure, or another fleet was begun in the folder.
    """
    folder, request = order.request.run_dir, order.request
    work = sweeps.Sweep(order.asked, whole=bool(request.extra_arms or request.traces))
    budget_s = request.plan.budget_s
    kept, fleet = sitting.sit(work, folder, order.nodes, budget_s, console, lasting)
    run_folders.point_latest_at(folder)
    return _write(kept, list(sweeps.kinds(kept, fleet)), order)


def _write(kept: Kept[stored.Part], kinds: Sequence[stored.Kind], order: Order) -> Outcome:
    folder = kept.folder
    results = {kind.name: stored.write(kind, folder / kind.name) for kind in kinds}
    nodes = [
        {
            "node": name,
            "kind": next((kind for kind, of in kept.measured if of == name), None),
            "cases": sum(count for (_, of), count in kept.measured.items() if of == name),
            "failures": kept.failures.get(name, []),
        }
        for name in dict.fromkeys([*(node for _, node in kept.measured), *kept.failures])
    ]
    document = {
        "schema": files.FLEET_SCHEMA,
        "run_id": folder.name,
        "executor": order.nodes.executor,
        "kinds": [kind.name for kind in kinds],
        "nodes": nodes,
    }
    (folder / files.FLEET).write_text(json.dumps(document, indent=1))
    missing = {kind.name: len(kind.missing) for kind in kinds}
    return Outcome(results, missing, folder, tuple(map(_told, nodes)))


def _told(node: Mapping[str, Any]) -> str:
    failures = node["failures"]
    broke = f", {counted(len(failures), 'failure')}; the last: {failures[-1]}" if failures else ""
    return f"{node['node']}: {counted(node['cases'], 'case')}{broke}"
