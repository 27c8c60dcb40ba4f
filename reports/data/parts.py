"""The parts of a network: measured alone, as what they add, and as the profile divides the time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.stats import Floats
from reports.data import frames
from reports.data.extra_arms import ExtraCase
from reports.data.profile_frames import stages
from reports.data.profiles import Profiles
from reports.data.rows import rows_of

PARTS = ("backbone", "fpn", "panet")


DISAGREES_SHARE = 0.1
"""Of the whole: a larger difference between two ways of measuring a part deserves a warning."""


def parts(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case and part: its time alone, and what it adds to what is before it.

    Columns: ``case_id``, ``part`` (``all`` is their sum, ``residual`` what the whole takes more),
    ``replicates``, ``alone_s`` and ``adds_s`` (with ``_low`` and ``_high`` of their 95 %
    intervals), ``profile_s`` (what the profile gives it), ``disagrees`` (whether that is more than
    a tenth of the whole away from ``adds_s``).
    """
    shares = _profiled_parts(stages(profiles)) if profiles.arms else {}
    rows = [row for extra in profiles.parts for row in _part_rows(extra, shares)]
    return pd.DataFrame(rows).convert_dtypes()


def _part_rows(
    extra: ExtraCase, shares: Mapping[tuple[str, str], float]
) -> Iterator[dict[str, Any]]:
    case_id, rounds = extra.case.case_id, extra.replicates
    if not rounds:
        return
    whole_s = float(np.mean([np.median(r["panet"]) for r in rounds]))
    sums = np.zeros(len(rounds))
    before: str | None = None
    for part in PARTS:
        # The first part of a network is its own prefix: backbone, or FPN where there is none.
        arm = next((a for a in (f"{part}_alone", part) if a in rounds[0]), None)
        if arm is None:
            continue
        alone = np.array([np.median(r[arm]) for r in rounds])
        sums += alone
        adds = alone if before is None else _differences(rounds, part, before)
        yield _part_row(case_id, part, alone, adds, shares, whole_s)
        before = part
    total = np.array([np.median(r["panet"]) for r in rounds])
    yield _part_row(case_id, "all", sums, total, {}, whole_s)
    yield _part_row(case_id, "residual", None, total - sums, {}, whole_s)


def _part_row(
    case_id: str,
    part: str,
    alone: Floats | None,
    adds: Floats,
    shares: Mapping[tuple[str, str], float],
    whole_s: float,
) -> dict[str, Any]:
    adds_s = _interval(adds)
    alone_s = stats.Estimate(math.nan, None, None) if alone is None else _interval(alone)
    profile_s = shares.get((case_id, part))
    off = None if profile_s is None else abs(profile_s - adds_s.value) / whole_s
    return {
        "case_id": case_id,
        "part": part,
        "replicates": len(adds),
        **frames.columns("alone_s", alone_s),
        **frames.columns("adds_s", adds_s),
        "profile_s": profile_s,
        "disagrees": None if off is None else off > DISAGREES_SHARE,
    }


def _interval(values: Floats) -> stats.Estimate:
    return stats.t_interval([float(value) for value in values])


def _differences(rounds: Sequence[stats.Rounds], part: str, before: str) -> Floats:
    contrast = stats.Contrast((part,), (before,))
    return np.array([stats.difference_s(r, contrast) for r in rounds])


def _profiled_parts(stage_frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    panet = stage_frame[stage_frame["arm"] == "panet"]
    sums = panet.groupby(["case_id", "part"])[["time_s"]].sum().reset_index()
    return {(row["case_id"], row["part"]): row["time_s"] for row in rows_of(sums)}
