"""Where the time of a call goes, stage by stage, from the spans of a run: no profiler.

>>> table = stages(frames.load("reports/reference/results.json"))
>>> list(table.columns) == list(STAGE_COLUMNS)
True
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.recipe import TRACED_ARMS
from reports.data import frames
from reports.data.rows import rows_of

STAGE_COLUMNS = {
    "run_id": ("string", "the run"),
    "case_id": ("string", "all axes in one name"),
    "arm": ("category", "fpn or panet (FPN + PANet)"),
    "stage": ("string", "as the marks name it; `other` is what is in no stage"),
    **frames.interval_types(
        {
            "time_s": "seconds of the stage in a call; in training of both directions",
            "share": "of the call",
        }
    ),
}
"""Of `stages`: name -> type, and meaning with unit."""


def stages(frame: pd.DataFrame, arms: Sequence[str] = TRACED_ARMS) -> pd.DataFrame:
    """Return one row per run, case, arm and stage, in the order of a call.

    Args:
        frame: of `reports.data.frames.load`; arms whose calls were not split have no rows.
        arms: that are wanted.

    Returns:
        A frame with the columns `STAGE_COLUMNS`.
    """
    shown = frame[frame["arm"].isin(list(arms))]
    rows = [row for arm in rows_of(shown) for row in _rows(arm)]
    return frames.typed(rows, STAGE_COLUMNS)


def _rows(arm: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    if not isinstance(arm["spans_s"], dict) or not arm["spans_s"]:
        return
    name = arm["arm"]
    calls = frames.aligned({name: arm})
    for stage, found in stats.stage_times(calls, name).items():
        yield {
            **{key: arm[key] for key in ("run_id", "case_id", "arm")},
            "stage": stage,
            **frames.columns("time_s", found.time_s),
            **frames.columns("share", found.share),
        }
