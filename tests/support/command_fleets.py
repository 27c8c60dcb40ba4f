"""Nodes that are not there, and run a whole command: its lines, its answer, its exit code."""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.fleet.commands import COMMANDS
from bench.fleet.executors import Handle
from bench.fleet.node import Message
from bench.fleet.whole_commands import OfKind, WholeCommand, outcome
from bench.schema import files
from tests.support.fleets import Clock, Place, Sitting, sit

COMPARE = WholeCommand("compare", ("HEAD~1", "HEAD", "--budget=9m"))

LINES = [
    (files.JOURNAL, json.dumps({"header": {}})),
    *((f"trial-{i % 2}/{files.JOURNAL}", json.dumps({"i": i})) for i in range(6)),
    (files.JOURNAL, json.dumps({"last": "ü\u2028"})),
]
"""What the command writes: file and line, in two folders and beside them."""

SAID = "python -m bench: 'HEAD~1' is no revision"


def compared(verdict: str = "within_noise") -> dict[str, Any]:
    """Return the part of an answer that is read side by side."""
    ratio = {"value": 1.02, "low": 1.01, "high": 1.03}
    case = {"verdict": verdict, "ratio": ratio}
    return {"verdict": verdict, "cases": {"a-case": case}, "overall": None, "failed": {}}


@dataclass
class CommandPlace(Place):
    """A node on which a command ends in some way.

    Args:
        code: of its exit.
        answer: what it writes in the end.
    """

    exit_code: int = 0
    answer: Mapping[str, Any] | None = field(default_factory=compared)
    begun: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Folder -> what is in its files that grow."""
    lines: int = 0
    """That were ever written here."""

    def asked(self, clock: Clock, request: Message) -> Handle:
        """Return a request that was begun here."""
        if request["do"] == "probe":
            return super().asked(clock, request)
        return Run(self, clock, request)


class Run:
    """A command on a node: a `Handle`."""

    def __init__(self, place: CommandPlace, clock: Clock, request: Message) -> None:
        self._place, self._clock = place, clock
        self._next_s = clock() + place.line_s
        self._over: str | None = None
        self._out: list[Message] = []
        self._name = request["arguments"][0]
        self._folder = request["folder"]
        self._breaks = place.breaks.pop(0) if place.breaks else None
        if place.wiped:
            place.begun.clear()
        if request["have"] and self._folder not in place.begun:
            self._out, self._over = [{"gone": "no journal of it"}], "exit 0"
            return
        known, seen = request["have"], Counter[str]()
        for name, line in place.begun.setdefault(self._folder, []):
            seen[name] += 1
            if seen[name] > known.get(name, 0):
                self._out.append({"line": line, "of": name})

    def messages(self) -> list[Message]:
        while self._over is None and self._clock() >= self._next_s:
            self._next_s += self._place.line_s
            there = self._place.begun[self._folder]
            if self._breaks == 0:
                self._over = "connection lost"
            elif len(there) < len(LINES):
                self._breaks = None if self._breaks is None else self._breaks - 1
                there.append(LINES[len(there)])
                self._place.lines += 1
                self._out.append({"line": there[-1][1], "of": there[-1][0]})
            else:
                self._end()
        out, self._out = self._out, []
        return out

    def _end(self) -> None:
        place, refused = self._place, self._place.exit_code == 2
        if place.answer is not None and not refused:
            data = base64.b64encode(json.dumps(place.answer).encode()).decode()
            self._out.append({"file": COMMANDS[self._name].file, "data": data})
        document = {
            "outcomes": {self._name: ["crashed", SAID]} if refused else {},
            "code": place.exit_code,
            "printed": f"the answer\nwrote {self._folder}/compare.json\n",
            "said": SAID,
            "folder": self._folder,
        }
        self._out.append({"ended": {"code": place.exit_code, "said": SAID, "document": document}})
        self._over = "exit 0"

    def over(self) -> str | None:
        return self._over

    def stop(self) -> None:
        self._over = self._over or "stopped"


def command_of(
    folder: Path, places: Mapping[str, Place], killed_s: float = float("inf")
) -> tuple[list[OfKind], Sitting]:
    """Let a fleet run `COMPARE`; return what came of every kind."""
    sitting = sit(folder, places, killed_s=killed_s, budget_s=float("inf"), work=COMPARE)
    return outcome(sitting.kept, sitting.fleet), sitting
