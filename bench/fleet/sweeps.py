"""``pytest bench`` as what a fleet is asked for: a shard is some of its cases."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fleet import programs, stored
from bench.fleet.asked import Asked
from bench.fleet.copies import Copy
from bench.fleet.driver import Fleet
from bench.fleet.forecasts import forecasts
from bench.fleet.kept import Kept
from bench.fleet.work import Stored
from bench.schema import text
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.records import Status


@dataclass(frozen=True)
class Sweep:
    """A `Work`."""

    asked: Asked
    whole: bool = False

    program = programs.SWEEP
    unit = "case"

    def to_json(self) -> dict[str, Any]:
        """Return the options."""
        return self.asked.to_json()

    def files(self) -> str:
        """Return a digest of the pictures."""
        return self.asked.pictures()

    def other_files(self) -> str:
        """Return what is wrong with a node that has others."""
        return "it has other pictures in --images than this machine; copy them there"

    def cases(self, told: Iterable[Stored]) -> dict[str, Stored]:
        """Return the cases by their ids."""
        return {Case.from_json(each).case_id: each for each in told}

    def forecasts(self, cases: Mapping[str, Stored], runs_dir: Path) -> Mapping[str, float]:
        """Return id -> seconds, as in earlier runs."""
        return forecasts(map(Case.from_json, cases.values()), runs_dir)

    def arguments(self, cases: Sequence[str], budget_s: float) -> list[str]:
        """Return those of ``pytest bench``."""
        return self.asked.command_line(cases, budget_s)

    def told(self, shard: str, cases: int | None = None) -> str:
        """Return what some, or all, of a shard's cases are called."""
        of = "" if cases is None else f"{text.counted(cases, self.unit)} of "
        return f"{of}shard {shard}"

    def complete(self, copy: Copy, cases: Sequence[Stored]) -> set[str]:
        """Return the ids of the cases that were measured enough."""
        return stored.complete(copy.entries(), map(Case.from_json, cases))

    def part(self, copy: Copy, cases: Sequence[Stored], document: Stored | None) -> stored.Part:
        """Return what a shard gave."""
        entries = copy.entries()
        if entries is None:
            raise BenchError("nothing of its journal is there")
        part = stored.Part(copy.folder, entries, tuple(map(Case.from_json, cases)), document)
        stored.results(part)
        for name in stored.LISTED:
            if (copy.folder / name).exists():
                list(json.loads((copy.folder / name).read_text())["cases"])
        return part

    def open_again(self, outcome: Sequence[str]) -> bool:
        """Return whether a case only lacked time."""
        return outcome[0] == Status.TOO_WIDE and "raise --budget" in outcome[1]


def kinds(kept: Kept[stored.Part], fleet: Fleet) -> Iterator[stored.Kind]:
    """Yield what there is to write of every kind of machine."""
    for name, machine in fleet.machines.items():
        given_up = fleet.given_up(name).items()
        missing = {i: (Case.from_json(machine.cases[i]), why) for i, why in given_up}
        run_id = f"{kept.folder.name}-{name}"
        yield stored.Kind(name, run_id, kept.parts.get(name, []), missing)
