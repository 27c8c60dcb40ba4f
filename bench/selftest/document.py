"""What a self-test shows: its sessions, and a summary of all their trials. Written as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bench.selftest import rates, trials
from bench.selftest.core_speed import Spreads
from bench.selftest.loads import BesideLoad, beside_loads
from bench.selftest.rates import SetupSummary
from bench.selftest.trials import MeasuredTrial

SESSIONS, JSON = "sessions.jsonl", "selftest.json"


@dataclass(frozen=True)
class Session:
    """A call of the self-test."""

    started: str
    environment: dict[str, Any]
    code: str
    """A digest."""
    commit: str | None
    sizes: tuple[float, ...]
    """Of the slow-downs that were calibrated, relative."""
    quick: bool
    core_speed_sd: tuple[Spreads, ...]
    """Of each core."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from the mapping of the fields."""
        lists = {name: tuple(data[name]) for name in ("sizes", "core_speed_sd")}
        return cls(**{**data, **lists})


@dataclass(frozen=True)
class Document:
    """What all sessions of a self-test show."""

    sessions: tuple[Session, ...]
    setups: dict[str, SetupSummary]
    """By load and number of threads."""
    loads: tuple[BesideLoad, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def read_sessions(folder: Path) -> tuple[Session, ...]:
    """Return the sessions of a self-test so far."""
    path = folder / SESSIONS
    lines = path.read_text().splitlines() if path.exists() else []
    return tuple(Session.from_json(json.loads(line)) for line in lines)


def add_session(session: Session, folder: Path) -> None:
    """Write a session behind those before it; raise `OSError` where that is not possible."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SESSIONS).open("a") as stream:
        stream.write(json.dumps(asdict(session)) + "\n")


def read(folder: Path) -> Document:
    """Compute everything from the journals of the trials that are complete."""
    by_setup: dict[str, list[MeasuredTrial]] = {}
    for end in sorted(folder.glob(f"trial-*/{trials.END}")):
        measured = trials.read(end.parent)
        by_setup.setdefault(measured.trial.setup, []).append(measured)
    return Document(
        read_sessions(folder),
        {name: rates.summary(measured) for name, measured in sorted(by_setup.items())},
        beside_loads(by_setup),
    )
