"""A command of ``python -m bench`` as what a fleet is asked for: one node of every kind runs it.

It is the same command line as by hand, with a folder of its own on the node. That folder is here in
the end, as if it had been measured here.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.fleet import programs
from bench.fleet.commands import COMMANDS
from bench.fleet.copies import Copy
from bench.fleet.driver import Fleet
from bench.fleet.kept import Kept
from bench.fleet.work import Stored
from bench.schema.errors import BenchError
from bench.schema.text import listed
from bench.stats.verdict import NOTHING_SAID, REGRESSED

FORECAST_S = 60.0
"""Of the only case of a queue: it changes nothing."""


@dataclass(frozen=True)
class Answer:
    """What a command came to on a node."""

    code: int
    """Of its exit."""
    printed: str
    said: str
    """Its last words beside that."""
    there: str
    """Its folder on the node."""
    folder: Path
    """The copy of that; then where users find it."""


@dataclass(frozen=True)
class WholeCommand:
    """A `Work`: the command is its only case."""

    name: str
    """Of `COMMANDS`."""
    words: tuple[str, ...]
    """As they were typed behind it."""

    program = programs.COMMAND
    unit = "command"
    whole = True

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"command": self.name, "words": list(self.words)}

    def files(self) -> str:
        """Return a digest of the files that are named."""
        return programs.digest(self.words)

    def other_files(self) -> str:
        """Return what is wrong with a node that has others."""
        named = dict.fromkeys(programs.users_files(self.words)) or ["what is named"]
        return f"it does not have {listed(named)} as this machine has; copy that there"

    def cases(self, told: Iterable[Stored]) -> dict[str, Stored]:
        """Return the command, which needs nothing of a node."""
        del told
        return {self.name: {}}

    def forecasts(self, cases: Mapping[str, Stored], runs_dir: Path) -> Mapping[str, float]:
        """Return what nobody knows, and nobody asks for."""
        del runs_dir
        return dict.fromkeys(cases, FORECAST_S)

    def arguments(self, cases: Sequence[str], budget_s: float) -> list[str]:
        """Return those of ``python -m bench``: the budget is the command's own."""
        del budget_s
        return [*cases, *self.words, *COMMANDS[self.name].always]

    def told(self, shard: str, cases: int | None = None) -> str:
        """Return what it is called."""
        del shard, cases
        return "the command"

    def complete(self, copy: Copy, cases: Sequence[Stored]) -> set[str]:
        """Return nothing: what broke has answered nothing."""
        del copy, cases
        return set()

    def part(self, copy: Copy, cases: Sequence[Stored], document: Stored | None) -> Answer:
        """Return the answer."""
        del cases
        if document is None:
            raise BenchError("the command has not ended")
        code, texts = int(document["code"]), ("printed", "said", "folder")
        printed, said, there = (str(document[name]) for name in texts)
        path = copy.folder / COMMANDS[self.name].file
        if code in programs.ANSWERS:
            if not path.exists():
                raise BenchError(f"exit code {code} without a {path.name}: {said}")
            self.beside(copy.folder)
        return Answer(code, printed, said, there, copy.folder)

    def open_again(self, outcome: Sequence[str]) -> bool:
        """Return whether it was refused, which somebody may have mended."""
        return bool(outcome)

    def beside(self, folder: Path) -> Mapping[str, str]:
        """Return what an answer has of a table side by side."""
        entry = COMMANDS[self.name]
        return entry.beside(json.loads((folder / entry.file).read_bytes()))


@dataclass(frozen=True)
class OfKind:
    """What came of a command on a kind of machine."""

    kind: str
    node: str
    answer: Answer | None
    """`None`: there is none."""
    why: str = ""
    """There is none."""

    @property
    def code(self) -> int:
        """Of its exit; without an answer nothing is said."""
        return NOTHING_SAID if self.answer is None else self.answer.code


def outcome(kept: Kept[Answer], fleet: Fleet) -> list[OfKind]:
    """Return what came of every kind; its folder is now where users find it."""
    found = []
    for kind in fleet.machines:
        parts = kept.parts.get(kind)
        if not parts:
            why = "; ".join(fleet.given_up(kind).values())
            found.append(OfKind(kind, "", None, why))
            continue
        node = next(node for of, node in kept.measured if of == kind)
        found.append(OfKind(kind, node, _moved(parts[-1], kept.folder / kind)))
    return found


def _moved(answer: Answer, folder: Path) -> Answer:
    """Return an answer whose folder is copied to where it is read, and told so."""
    if answer.code not in programs.ANSWERS:
        return answer
    shutil.copytree(answer.folder, folder, dirs_exist_ok=True)
    printed = answer.printed.replace(answer.there, str(folder))
    return replace(answer, printed=printed, folder=folder)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code over all kinds: what became slower anywhere outranks everything."""
    given = set(codes)
    return REGRESSED if REGRESSED in given else max(given)
