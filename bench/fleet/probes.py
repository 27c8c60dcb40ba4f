"""What nodes are: they are asked, those that cannot be reached again, and compared with us."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench.fleet.node import Message
from bench.fleet.work import Work
from bench.schema.records import lasting

LOOK_S = 10.0
"""Between two looks for nodes that came later."""

AGAIN_S, TRIES = 60.0, 5
"""A node that cannot be reached is asked so much later, so often in all."""


class Probes:
    """Which nodes are to be asked, and which of them may take part.

    Args:
        work: what every node is asked for.
        code: digest of the code, which every node has to have.
        apart: whether two nodes on one machine would measure beside each other.
        now_s: the time.
    """

    def __init__(self, work: Work[Any], *, code: str, apart: bool, now_s: float) -> None:
        about = {"program": work.program, "asked": work.to_json()}
        self.request: Message = {"do": "probe", **about}
        self._work = work
        self._code = code
        self._files = work.files()
        self._apart = apart
        self._names: dict[str, str] = {}
        """Machine -> the node that it is."""
        self._ask_s: dict[str, float] = {}
        """Node -> when it is asked again."""
        self._tries: Counter[str] = Counter()
        self._next_look_s = now_s

    def due(self, nodes: Callable[[], Iterable[str]], now_s: float) -> list[str]:
        """Return which nodes are to be asked now; they count as asked.

        Args:
            nodes: returns all that there are.
            now_s: the time.
        """
        if now_s < self._next_look_s:
            return []
        self._next_look_s = now_s + LOOK_S
        due = [name for name in nodes() if self._ask_s.get(name, 0.0) <= now_s]
        self._ask_s |= dict.fromkeys(due, math.inf)
        return due

    def refusal(self, name: str, probe: Mapping[str, Any]) -> str:
        """Return why a node may not take part; empty where it may."""
        if probe["code"] != self._code:
            return "it has other code than this machine; bring both to one commit"
        if probe.get("files", "") != self._files:
            return self._work.other_files()
        if self._apart:
            first = self._names.setdefault(str(probe.get("machine", name)), name)
            if first != name:
                return f"it is the machine that {first} is; give one name"
        return ""

    def failed(self, name: str, now_s: float, *, answered: bool) -> str:
        """Hear that a node takes no part, and return that; one that was not reached may later."""
        self._tries[name] += 1
        if answered or self._tries[name] >= TRIES:
            return "it takes no part"
        self._ask_s[name] = now_s + AGAIN_S
        return "it takes no part yet"


def kind_name(environment: Mapping[str, Any], code: str) -> str:
    """Return what nodes have in common whose times may be compared, as the name of a folder."""
    equal = lasting(environment) | {"code": code}
    digest = hashlib.sha256(json.dumps(equal, sort_keys=True, default=str).encode())
    what = environment.get("accelerator") or f"{environment['cpu']} {environment['cores']} cores"
    return f"{as_name(str(what).partition(';')[0])}-{digest.hexdigest()[:6]}"


def kind_of(first: Mapping[str, Any]) -> str | None:
    """Return the kind that the first line of a file that grows tells, if it does."""
    told = first.get("header", first)
    environments = told.get("environments") or [told.get("environment")]
    if environments[0] is None or "code" not in told:
        return None
    return kind_name(environments[0], told["code"])


def as_name(text: str) -> str:
    """Return a text as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
