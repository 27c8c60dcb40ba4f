"""A request on a node: what its messages say, and the copy of a journal that they fill."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.fleet import copies
from bench.fleet.executors import Handle
from bench.fleet.node import Message
from bench.fleet.probes import kind_of
from bench.schema import files


@dataclass
class Running:
    """A request on a node."""

    handle: Handle
    since_s: float
    kind: str = ""
    """That its node is of, as far as that is known."""
    copy: copies.Copy | None = None
    """Of the shard; `None` for a probe."""
    probe: Mapping[str, Any] | None = None
    """What the node is, as it has just said."""
    last: str = ""
    """What went wrong, as far as the node could say."""
    ended: Mapping[str, Any] | None = None
    bad: bool = False
    """Whether an answer was damaged: nothing more is taken."""
    gone: bool = False
    """Whether the journal is no longer on the node."""
    other: bool = False
    """Whether this is another machine than it said."""

    def hear(self) -> None:
        """Take in what came since the last call."""
        for message in self.handle.messages():
            if self.bad:
                return
            try:
                self._take(message)
            except copies.BAD as error:
                self.damaged(error)
                self.handle.stop()

    def damaged(self, error: Exception) -> None:
        """Keep that an answer was, and take nothing more of a shard."""
        self.bad = self.gone = self.copy is not None
        self.last = f"a damaged answer ({type(error).__name__}: {error})"

    def _take(self, message: Message) -> None:
        if "probe" in message:
            self.probe = message["probe"]
        elif "ended" in message:
            self.ended = message["ended"]
        elif "gone" in message or "error" in message:
            self.gone = "gone" in message
            self.last = str(message.get("gone") or message.get("error"))
        elif self.copy is not None and "line" in message:
            self._add_line(self.copy, message["line"], str(message.get("of", files.JOURNAL)))
        elif self.copy is not None and "file" in message:
            self.copy.add_file(message["file"], message["data"])

    def _add_line(self, copy: copies.Copy, line: str, name: str) -> None:
        """Keep a line; a first one tells whether this is the machine that the node said it is."""
        if self.other:
            return
        if not copy.have.get(name):
            kind = kind_of(json.loads(line))
            if kind not in (None, self.kind):
                self.other, self.last = True, f"this time it is another machine: {kind}"
                self.handle.stop()
                return
        copy.add(line, name)


class NotReached:
    """A request that did not even begin: a `Handle`."""

    def __init__(self, why: str) -> None:
        self._why = why

    def messages(self) -> Sequence[Message]:
        """Return nothing."""
        return ()

    def over(self) -> str:
        """Return why."""
        return self._why

    def stop(self) -> None:
        """There is nothing to stop."""
