"""About how long a case takes: as in earlier runs, and otherwise by its work. For scheduling."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.run.request import TYPICAL_CASE_S, TYPICAL_COMPILE_S
from bench.schema import files
from bench.schema.case import Case

LOOK_BACK = 100
"""Journals: the newest ones."""

PIXELS_PER_S = 2e5
"""What a case takes on top, by the pixels of one call; a guess between a laptop and a GPU. The
order of cases is what counts, and there it says no more than that large ones are long."""

TRAINING = 3.0
"""Forward, and twice as much backward."""


def forecasts(cases: Iterable[Case], runs_dir: Path) -> dict[str, float]:
    """Return case id -> seconds, of its check and its processes.

    Args:
        cases: of a kind.
        runs_dir: where earlier runs are kept.
    """
    known = earlier(runs_dir)
    return {case.case_id: known.get(case.case_id) or _by_work(case) for case in cases}


def _by_work(case: Case) -> float:
    pixels = case.batch_size * case.height_px * case.width_px
    passes = TRAINING if case.pass_name == "training" else 1.0
    build_s = 0.0 if case.eager else TYPICAL_COMPILE_S
    return TYPICAL_CASE_S + build_s + passes * pixels / PIXELS_PER_S


def earlier(runs_dir: Path) -> Mapping[str, float]:
    """Return case id -> seconds of all its processes in the newest run that has measured it."""
    journals = [*runs_dir.glob(f"*/{files.JOURNAL}"), *runs_dir.glob(f"*/shards/*/{files.JOURNAL}")]
    newest = sorted(journals, key=lambda path: path.stat().st_mtime)[-LOOK_BACK:]
    known: dict[str, float] = {}
    for path in newest:
        known.update(_seconds(path))
    return known


def _seconds(path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            elapsed_s = float(entry["replicate"]["elapsed_s"])
            case_id = str(entry["case_id"])
        except (ValueError, KeyError, TypeError):
            continue  # a finding, a header, a damaged line: a forecast does without
        found[case_id] = found.get(case_id, 0.0) + elapsed_s
    return found
