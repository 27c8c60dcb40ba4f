"""What a self-test shows: its sessions, and a summary of all their trials. Written as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bench.schema import files, json_lines
from bench.selftest import rates, trials
from bench.selftest.core_speed import Spreads
from bench.selftest.loads import BesideLoad, beside_loads
from bench.selftest.rates import SetupSummary
from bench.selftest.trials import MeasuredTrial

SESSIONS, JSON = "sessions.jsonl", files.SELFTEST


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
    return tuple(Session.from_json(session) for session in json_lines.read(folder / SESSIONS))


def add_session(session: Session, folder: Path) -> None:
    """Write a session behind those before it; raise `OSError` where that is not possible."""
    folder.mkdir(parents=True, exist_ok=True)
    json_lines.add(folder / SESSIONS, asdict(session))


def read(folder: Path) -> Document:
    """Compute everything from the journals of the trials that are complete."""
    return Trials(folder).document()


class Trials:
    """The complete trials of a self-test that goes on.

    Each is read and judged once, and what a setup shows is computed once per page that shows more
    of it: of hundreds of trials all that takes longer than the next one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, MeasuredTrial] = {}
        self._summaries: dict[str, SetupSummary] = {}

    def of(self, folder: Path) -> MeasuredTrial:
        """Return a trial that is complete; raise `BenchError` where its journal is damaged."""
        if folder not in self._read:
            self._read[folder] = trials.read(folder)
            self._summaries.pop(self._read[folder].trial.setup, None)
        return self._read[folder]

    def document(self) -> Document:
        """Return what all complete trials show."""
        by_setup: dict[str, list[MeasuredTrial]] = {}
        for end in sorted(self._folder.glob(f"trial-*/{trials.END}")):
            measured = self.of(end.parent)
            by_setup.setdefault(measured.trial.setup, []).append(measured)
        for name, measured_trials in by_setup.items():
            if name not in self._summaries:
                self._summaries[name] = rates.summary(measured_trials)
        return Document(
            read_sessions(self._folder),
            dict(sorted(self._summaries.items())),
            beside_loads(by_setup),
        )
