"""What was measured beside a run, with further arms that took turns in every case.

The parts of the networks (``--parts``), others' networks (``--peers``), caches cold and warm
(``--caches``), other necks (``--necks``), ways of running (``--deploy``): a file each, all of one
schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import stats
from bench.schema.case import Case
from bench.schema.files import EXTRA_ARMS_SCHEMA
from bench.schema.records import LeftOut, Status
from reports.data import stored
from reports.data.errors import ReportError


@dataclass(frozen=True)
class ExtraCase:
    """The further arms of one case."""

    case: Case
    replicates: tuple[stats.Rounds, ...]
    """The rounds of all arms, in seconds, of every replicate that counts."""
    contended: int
    """Replicates that do not count."""
    reason: str
    """Why none counts; empty where some do."""
    facts: Mapping[str, Mapping[str, Any]]
    """What is counted of every arm: parameters, MACs, bytes; nothing in older files."""
    left_out: Mapping[str, LeftOut]
    """The arms that are not in the case, or no more."""


def load(run_dir: Path, name: str) -> tuple[ExtraCase, ...]:
    """Return what a file of further arms has; nothing where the run did not measure them.

    Args:
        run_dir: of the run.
        name: of the file, as in `bench.schema.files`.

    Raises:
        ReportError: the file is damaged.
    """
    path = run_dir / name
    if not path.exists():
        return ()
    try:
        return tuple(map(_case, stored.read(path, EXTRA_ARMS_SCHEMA)["cases"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error


def _case(entry: Mapping[str, Any]) -> ExtraCase:
    return ExtraCase(
        Case.from_json(entry["case"]),
        tuple(dict(rounds) for rounds in entry["replicates"]),
        int(entry["contended"]),
        str(entry["reason"]),
        {arm: dict(found) for arm, found in entry.get("facts", {}).items()},
        {arm: _left_out(why) for arm, why in entry.get("left_out", {}).items()},
    )


def _left_out(why: Mapping[str, str] | str) -> LeftOut:
    """Return why an arm is not in a case; at first files had nothing but the reason."""
    return LeftOut(Status.SKIPPED, why) if isinstance(why, str) else LeftOut.from_json(why)
