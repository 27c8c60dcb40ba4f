"""Others' networks beside ours (``--peers``), and ours with caches cold and warm (``--caches``)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import stats
from bench.schema.files import CACHES, PEERS
from bench.schema.text import counted
from reports.data import extra_arms, frames
from reports.data.errors import ReportError
from reports.data.extra_arms import ExtraCase


@dataclass(frozen=True)
class Comparison:
    """Who is compared with whom in a file of further arms."""

    file: str
    title: str
    note: str
    pairs: Mapping[str, stats.Contrast]

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return self.file.partition(".")[0]


COMPARISONS = (
    Comparison(
        PEERS,
        "Beside others",
        "Taking turns, with the same weights; more than 1: theirs takes longer.",
        {
            "torchvision's FPN over ours": stats.Contrast(("torchvision_fpn",), ("fpn",)),
            "mmdetection's PAFPN over PANet": stats.Contrast(("mmdet_pafpn",), ("panet",)),
        },
    ),
    Comparison(
        CACHES,
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


def table(run_dir: Path, comparison: Comparison) -> pd.DataFrame:
    """Return a row per case and pair; none where the run did not measure it.

    Raises:
        ReportError: the file is damaged.
    """
    cases = extra_arms.load(run_dir, comparison.file)
    try:
        rows = [_row(case, *pair) for case in cases for pair in comparison.pairs.items()]
    except (KeyError, TypeError, ValueError) as error:
        path, kind = run_dir / comparison.file, type(error).__name__
        raise ReportError(f"{path}: damaged ({kind}: {error}); measure again") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(case: ExtraCase, pair: str, contrast: stats.Contrast) -> dict[str, Any]:
    replicates = case.replicates
    row = {"case_id": case.case.case_id, "pair": pair, "replicates": len(replicates)}
    if not replicates:
        return row | {"reason": case.reason}
    ratios = stats.log_ratios(replicates, contrast)
    ratio = stats.t_ratio(ratios)
    return row | frames.columns("ratio", ratio) | {"reason": ""}


def sentences(run_dir: Path) -> Iterator[str]:
    """Yield a line per pair that the run measured, over all its cases, and per damaged file."""
    for comparison in COMPARISONS:
        try:
            measured = table(run_dir, comparison)
        except ReportError as error:
            yield str(error)
            continue
        for pair, rows in measured[measured["ratio"].notna()].groupby("pair", sort=False):
            low, high = rows["ratio"].min(), rows["ratio"].max()
            span = f"{low:.3f}" if len(rows) == 1 else f"{low:.3f} to {high:.3f}"
            yield f"{pair}: {span} in {counted(len(rows), 'case')}"
