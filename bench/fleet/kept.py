"""What a fleet has found: on disk as it comes, and again in the hands of the next driver."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fleet import copies, stored
from bench.fleet.dealing import Shard
from bench.schema import text
from bench.schema.case import Case


@dataclass(frozen=True)
class Machine:
    """A kind of node: equal machines with equal code, and the cases as they are there."""

    name: str
    cases: dict[str, Case]
    """By their ids."""


class Kept:
    """The log of a fleet and what counts of its shards.

    Args:
        folder: of the fleet, whose log was begun.
        beside_timing: whether shards do more than their journals can tell.
    """

    def __init__(self, folder: Path, *, beside_timing: bool) -> None:
        self.folder = folder
        self._beside_timing = beside_timing
        self.parts: dict[str, list[stored.Part]] = {}
        """Kind -> what its shards gave."""
        self.failures: dict[str, list[str]] = {}
        """Node -> what went wrong there, in order."""
        self.measured: Counter[tuple[str, str]] = Counter()
        """Kind and node -> how many of its cases count."""
        self.open: dict[str, tuple[str, Shard]] = {}
        """Node -> kind and shard that it had begun when the last driver ended."""
        self.next_shard = 0
        self._settled: dict[str, list[Mapping[str, Any]]] = {}
        for event in list(copies.events(folder))[1:]:
            self._take_in(event)
        self._log = copies.Log.reopen(folder)

    def _take_in(self, event: Mapping[str, Any]) -> None:
        if "failed" in event:
            self.failures.setdefault(event["failed"], []).append(event["said"])
        elif "dealt" in event:
            name = str(event["shard"])
            shard = Shard(name, tuple(event["cases"]), float(event["forecast_s"]), whole=False)
            self.next_shard = max(self.next_shard, int(name) + 1)
            self.open[event["dealt"]] = (str(event["kind"]), shard)
        else:
            self.open = {n: o for n, o in self.open.items() if o[1].name != event["shard"]}
            self._settled.setdefault(str(event["kind"]), []).append(event)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def copy(self, shard: Shard) -> copies.Copy:
        """Return the copy of a shard's journal, which is the caller's to close."""
        return copies.Copy(self.folder / copies.SHARDS / shard.name)

    def earlier(self, machine: Machine) -> list[str]:
        """Take in what earlier sittings measured on a kind; return the cases."""
        events = self._settled.pop(machine.name, [])
        for event in events:
            self._count(machine, event)
        return [case_id for event in events for case_id in event["complete"]]

    def dealt(self, node: str, kind: str, shard: Shard) -> None:
        """Keep that a node begins a shard, or goes on with it."""
        about = {"cases": shard.cases, "forecast_s": shard.forecast_s}
        self._log.add({"dealt": node, "kind": kind, "shard": shard.name, **about})

    def settled(
        self,
        node: str,
        machine: Machine,
        shard: Shard,
        complete: Collection[str],
        document: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep that nothing more is to come of a shard.

        Args:
            node: that had it.
            machine: its kind.
            shard: that is over.
            complete: its cases that count.
            document: what pytest-benchmark says around results.
        """
        event = {
            "node": node,
            "kind": machine.name,
            "shard": shard.name,
            "complete": list(complete),
            "document": document,
        }
        self._log.add(event)
        self._count(machine, event)

    def failed(self, node: str, told: str, then: str) -> str:
        """Keep what went wrong on a node, and what follows; return it in a line."""
        said = f"{text.in_a_line(told)}; {then}"
        self.failures.setdefault(node, []).append(said)
        self._log.add({"failed": node, "said": said})
        return f"{node}: {said}"

    def complete(self, machine: Machine, shard: Shard) -> tuple[str, ...]:
        """Return the cases of a shard that broke which need nothing more."""
        if self._beside_timing:
            return ()
        copy = self.copy(shard)
        copy.close()
        cases = [machine.cases[case_id] for case_id in shard.cases]
        complete = stored.complete(copy.entries(), cases)
        return tuple(case_id for case_id in shard.cases if case_id in complete)

    def _count(self, machine: Machine, event: Mapping[str, Any]) -> None:
        if not event["complete"]:
            return
        copy = copies.Copy(self.folder / copies.SHARDS / event["shard"])
        copy.close()
        entries = copy.entries()
        if entries is not None:
            cases = tuple(machine.cases[case_id] for case_id in event["complete"])
            part = stored.Part(copy.folder, entries, cases, event["document"])
            self.parts.setdefault(machine.name, []).append(part)
            self.measured[machine.name, event["node"]] += len(cases)
