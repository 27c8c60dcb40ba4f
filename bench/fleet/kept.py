"""What a fleet has found: on disk as it comes, and again in the hands of the next driver."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bench.fleet import copies
from bench.fleet.queues import Shard
from bench.fleet.work import Stored, Work
from bench.schema import text

Part = TypeVar("Part")
"""What a shard gave to its kind."""


@dataclass(frozen=True)
class Machine:
    """A kind of node: equal machines with equal code, and the cases as they are there."""

    name: str
    cases: dict[str, Stored]
    """By their ids."""


class Kept(Generic[Part]):
    """The log of a fleet and what counts of its shards.

    Args:
        folder: of the fleet, whose log was begun.
        work: what it is asked for.
    """

    def __init__(self, folder: Path, work: Work[Part]) -> None:
        self.folder = folder
        self.work = work
        self.parts: dict[str, list[Part]] = {}
        """Kind -> what its shards gave."""
        self.failures: dict[str, list[str]] = {}
        """Node -> what went wrong there, in order."""
        self.measured: Counter[tuple[str, str]] = Counter()
        """Kind and node -> how many of its cases count."""
        self.open: dict[str, tuple[str, Shard]] = {}
        """Node -> kind and shard that it had begun when the last driver ended."""
        self.next_shard = 0
        self.kinds: dict[str, Machine] = {}
        """What ever took part, whether or not it does now."""
        self._settled: dict[str, list[Mapping[str, Any]]] = {}
        self._lacking: dict[tuple[str, str], Mapping[str, Any]] = {}
        """Kind and case whose budget was too small -> the shard that it was in."""
        for event in list(copies.events(folder))[1:]:
            self._take_in(event)
        self._log = copies.Log.reopen(folder)

    def _take_in(self, event: Mapping[str, Any]) -> None:
        if "joined" in event:
            machine = Machine(str(event["joined"]), self.work.cases(event["cases"]))
            self.kinds[machine.name] = machine
        elif "failed" in event:
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
        """Take in what earlier sittings measured on a kind; return the cases.

        Those that are to be measured once more are open again, as are those of a damaged copy.
        """
        known: list[str] = []
        for event in self._settled.pop(machine.name, []):
            outcomes = (event["document"] or {}).get("outcomes", {})
            ended = {c: outcomes[c] for c in event["complete"] if c in outcomes}
            lacking = {c for c, outcome in ended.items() if self.work.open_again(outcome)}
            if lacking and self.work.whole:  # its files are of the whole shard
                lacking = set(event["complete"])
            self._lacking |= {(machine.name, case_id): event for case_id in lacking}
            complete = [case_id for case_id in event["complete"] if case_id not in lacking]
            if self._count(machine, {**event, "complete": complete}):
                known += complete
        return known

    def fall_back(self, machine: Machine, case_ids: Collection[str]) -> list[str]:
        """Take in what an earlier sitting has of cases to which this one did not come."""
        found = [case_id for case_id in case_ids if (machine.name, case_id) in self._lacking]
        by_shard: dict[str, list[str]] = {}
        for case_id in found:
            by_shard.setdefault(self._lacking[machine.name, case_id]["shard"], []).append(case_id)
        known: list[str] = []
        for complete in by_shard.values():
            event = self._lacking[machine.name, complete[0]]
            if self._count(machine, {**event, "complete": complete}):
                known += complete
        return known

    def joined(self, machine: Machine) -> None:
        """Keep that there is such a kind, and its cases."""
        if machine.name not in self.kinds:
            self.kinds[machine.name] = machine
            self._log.add({"joined": machine.name, "cases": list(machine.cases.values())})

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
        if self.work.whole:
            return ()
        copy = self.copy(shard)
        copy.close()
        try:
            complete = self.work.complete(copy, [machine.cases[c] for c in shard.cases])
        except copies.BAD:
            return ()
        return tuple(case_id for case_id in shard.cases if case_id in complete)

    def check(self, machine: Machine, shard: Shard, document: Mapping[str, Any] | None) -> None:
        """Raise one of `copies.BAD` where a shard that was measured cannot be read."""
        copy = self.copy(shard)
        copy.close()
        self.work.part(copy, [machine.cases[c] for c in shard.cases], document)

    def _count(self, machine: Machine, event: Mapping[str, Any]) -> bool:
        """Let cases of a shard count; return whether they can be read."""
        if not event["complete"]:
            return True
        copy = copies.Copy(self.folder / copies.SHARDS / event["shard"])
        copy.close()
        try:
            cases = [machine.cases[c] for c in event["complete"]]
            part = self.work.part(copy, cases, event["document"])
        except copies.BAD:
            return False
        self.parts.setdefault(machine.name, []).append(part)
        self.measured[machine.name, event["node"]] += len(cases)
        return True
