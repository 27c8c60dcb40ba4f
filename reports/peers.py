"""What others' FPN and bottom-up path cost beside ours (``pytest bench --peers``)."""

from pathlib import Path
from typing import Any

import pandas as pd

from bench import stats
from reports import frames, profiles
from reports.errors import ReportError

FILE = "peers.json"

PAIRS = {
    "torchvision's FPN over ours": stats.Contrast(("torchvision_fpn",), ("fpn",)),
    "mmdetection's PAFPN over PANet": stats.Contrast(("mmdet_pafpn",), ("panet",)),
}
"""Who is compared with whom: the same weights, and as many multiply-accumulates."""

COLUMNS = ("case_id", "pair", "ratio", "ratio_low", "ratio_high", "replicates", "reason")


def load(run_dir: Path) -> pd.DataFrame:
    """Return a row per case and pair; none where the run did not measure peers.

    Raises:
        ReportError: the file is damaged.
    """
    path = run_dir / FILE
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        cases = profiles.read_stored(path)["cases"]
        rows = [_row(case, pair) for case in cases for pair in PAIRS]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(case: dict[str, Any], pair: str) -> dict[str, Any]:
    replicates = case["replicates"]
    row = {"case_id": case["case_id"], "pair": pair, "replicates": len(replicates)}
    if not replicates:
        return row | {"reason": case["reason"]}
    ratios = stats.log_ratios(replicates, PAIRS[pair])
    found = stats.ratio_interval(ratios, first_stage=len(ratios))
    return row | frames.columns("ratio", found) | {"reason": ""}
