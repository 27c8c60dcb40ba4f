"""How one history of the gate test ended, as it is stored: a line each."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.schema import json_lines

FILE = "histories.jsonl"


@dataclass(frozen=True)
class HistoryTrial:
    """How one history ended."""

    kind: str
    """``equal``, ``slower``, ``bisect``, or ``apart``: equal code in processes that take turns."""
    edit: str
    """Its slow-down, or all its edits where none is slower."""
    verdict: str
    elapsed_s: float
    session: str
    """When the call started that tried it."""
    overall_ratio: float | None = None
    """Of all cases together."""
    case_id: str | None = None
    """The one that became slowest, of what was flagged or of all."""
    true_ratio: float | None = None
    """Of that case, from fresh processes."""
    true_low: float | None = None
    true_high: float | None = None
    ratios: dict[str, float] = field(default_factory=dict)
    """Of every case, as it was compared."""
    mde_ratios: dict[str, float] = field(default_factory=dict)
    """Of every case: the minimum detectable effect."""
    stage: str = ""
    """Where the slow-down sits, if in one stage alone."""
    named: dict[str, tuple[str, float, float, float]] = field(default_factory=dict)
    """Case, or all together -> the stage that the verdict names, and the share of a call that it
    costs, with its interval; of those in which a stage surely changed, however little."""
    regressed: tuple[str, ...] = ()
    """Cases that regressed, and all together if they did."""


def read(folder: Path) -> list[HistoryTrial]:
    """Return all trials of a folder so far."""
    return [HistoryTrial(**trial) for trial in json_lines.read(folder / FILE)]


def add(trial: HistoryTrial, folder: Path) -> None:
    """Write a trial behind those before it."""
    json_lines.add(folder / FILE, asdict(trial))
