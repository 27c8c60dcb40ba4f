"""What was measured beside a run: others' networks (``--peers``), other caches (``--caches``).

Each is a file beside the results, with arms of its own that took turns in every case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import stats
from reports.data import frames, profiles
from reports.data.errors import ReportError


@dataclass(frozen=True)
class Aside:
    """One such file, and how to read it."""

    name: str
    """Of the file, without its ending."""
    title: str
    note: str
    pairs: Mapping[str, stats.Contrast]
    """Who is compared with whom."""


ASIDES = (
    Aside(
        "peers",
        "Beside others",
        "Taking turns, with the same weights; more than 1: theirs takes longer.",
        {
            "torchvision's FPN over ours": stats.Contrast(("torchvision_fpn",), ("fpn",)),
            "mmdetection's PAFPN over PANet": stats.Contrast(("mmdet_pafpn",), ("panet",)),
        },
    ),
    Aside(
        "caches",
        "With caches cold and warm",
        "Cold: emptied before every call; warm: filled by a call of the same network. "
        "The table on top lies between: there every network finds what another one left.",
        {
            "FPN, cold over warm": stats.Contrast(("fpn_cold",), ("fpn_warm",)),
            "FPN + PANet, cold over warm": stats.Contrast(("panet_cold",), ("panet_warm",)),
            "FPN + PANet over FPN, cold": stats.Contrast(("panet_cold",), ("fpn_cold",)),
            "FPN + PANet over FPN, warm": stats.Contrast(("panet_warm",), ("fpn_warm",)),
        },
    ),
)

COLUMNS = ("case_id", "pair", "ratio", "ratio_low", "ratio_high", "replicates", "reason")


def load(run_dir: Path, aside: Aside) -> pd.DataFrame:
    """Return a row per case and pair; none where the run did not measure it.

    Raises:
        ReportError: the file is damaged.
    """
    path = run_dir / f"{aside.name}.json"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        cases = profiles.read_stored(path)["cases"]
        rows = [_row(case, *pair) for case in cases for pair in aside.pairs.items()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(case: dict[str, Any], pair: str, contrast: stats.Contrast) -> dict[str, Any]:
    replicates = case["replicates"]
    row = {"case_id": case["case_id"], "pair": pair, "replicates": len(replicates)}
    if not replicates:
        return row | {"reason": case["reason"]}
    ratios = stats.log_ratios(replicates, contrast)
    found = stats.t_ratio(ratios)
    return row | frames.columns("ratio", found) | {"reason": ""}


def sentences(run_dir: Path) -> Iterator[str]:
    """Yield a line per pair that the run measured, over all its cases, and per damaged file."""
    for aside in ASIDES:
        try:
            table = load(run_dir, aside)
        except ReportError as error:
            yield str(error)
            continue
        for pair, rows in table[table["ratio"].notna()].groupby("pair", sort=False):
            low, high = rows["ratio"].min(), rows["ratio"].max()
            span = f"{low:.3f}" if len(rows) == 1 else f"{low:.3f} to {high:.3f}"
            yield f"{pair}: {span} in {len(rows)} case{'s' if len(rows) > 1 else ''}"
