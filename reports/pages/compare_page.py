"""``compare.html``: two stored runs side by side, the answer first, in the frame of every page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bench.schema import text
from bench.stats.verdict import Verdict
from reports.analysis.compare_files import STATUS
from reports.analysis.names import ARM_NAMES
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.pages import compare_files_page, drawing, page
from reports.pages.drawing import NOISE_COLOR, ROW_PX
from reports.pages.page import Block, Section, Table

PAGE = "compare.html"

MOST_DRAWN = 60
"""Cases in a drawing; those that a verdict is about come first."""

READING = "Head over base, with 95 % intervals; less is better. Dotted: the threshold."


def write(
    table: pd.DataFrame,
    base: Mapping[str, Any],
    head: Mapping[str, Any],
    names: Mapping[str, str],
    folder: Path,
) -> Path:
    """Write the page; return its file.

    Args:
        table: of `reports.analysis.compare_files.compare`.
        base: the run that is compared with.
        head: the run that is compared.
        names: case id -> what the case is called.
        folder: where to; it is there.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        (folder / PAGE).write_text(_render(table, (base, head), names), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return folder / PAGE


def _render(
    table: pd.DataFrame, runs: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> str:
    rows = compare_files_page.readable(table, names)
    calm = rows["verdict"] == Verdict.WITHIN_NOISE
    unchanged = _table(rows[calm].drop(columns="verdict"))
    kept = f"What stayed within noise ({calm.sum()})"
    sections = [
        Section("worth", "What is worth a look", [], [], _table(rows[~calm])),
        Section("changes", "Changes of time", [], [], list(_drawings(table, names))),
        Section("calm", kept, [], [], unchanged, folded=True),
    ]
    return page.render(
        f"Has it become slower? {' → '.join(str(run['run_id']) for run in runs)}",
        text.machine(*(run["environment"] for run in runs)),
        [READING],
        [section for section in sections if not section.empty],
        answer=[compare_files_page.sentence(table), *_worst(rows[~calm])],
    )


def _worst(rows: pd.DataFrame) -> Iterator[str]:
    """Yield what the verdict is of, the first case of all that are worth a look."""
    for row in rows_of(rows.head(1)):
        unsaid = row["change"] == text.UNKNOWN or row["verdict"] == Verdict.INCOMPARABLE
        said = row[""] if unsaid else row["change"]
        metric = "" if row["metric"] == STATUS else f", {row['metric']}"
        yield f"{row['case']}{metric}: {said}"


def _table(rows: pd.DataFrame) -> list[Block]:
    if not len(rows):
        return []
    said = rows.drop(columns="") if not rows[""].any() else rows.rename(columns={"": "why"})
    said = said[["case", *said.columns.drop("case")]]
    if "verdict" in said:
        said = said.assign(verdict=said["verdict"].map(compare_files_page.words))
    return [Block("", tables=[Table(tuple(map(str, said)), said.astype(str).to_numpy().tolist())])]


def _drawings(table: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Block]:
    """Yield a drawing of the changes of every metric that has intervals."""
    timed = table.dropna(subset=["ratio_low", "ratio_high"])
    ranks = {verdict: rank for rank, verdict in enumerate(Verdict)}
    ordered = timed.sort_values("verdict", key=lambda each: each.map(ranks), kind="stable")
    for metric, rows in ordered.groupby("metric", sort=False):
        chosen = list(dict.fromkeys(rows["case_id"]))[:MOST_DRAWN]
        left_out = rows["case_id"].nunique() - len(chosen)
        note = f"compare.csv has {text.counted(left_out, 'more case')}." if left_out else ""
        drawn = rows[rows["case_id"].isin(chosen)]
        figure = _changes(drawn, {case_id: names[case_id] for case_id in chosen})
        yield Block(str(metric).capitalize(), note, drawing.html(figure))


def _changes(rows: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    figure = drawing.blank()
    for rank, (arm, of_arm) in enumerate(rows.groupby("arm", sort=False, dropna=False)):
        name = "FPN + PANet over FPN" if pd.isna(arm) else ARM_NAMES.get(str(arm), str(arm))
        figure.add_scatter(
            x=drawing.numbers((of_arm["ratio"] - 1) * 100),
            y=[names[case_id] for case_id in of_arm["case_id"]],
            customdata=list(of_arm["case_id"]),
            error_x=drawing.bars(of_arm, "ratio", 100.0),
            mode="markers",
            orientation="h",
            marker={
                "color": drawing.color_of("panet" if pd.isna(arm) else str(arm), rank),
                "size": 9,
            },
            name=name,
            hovertemplate="<b>%{customdata}</b><br>%{x:+.1f} %<extra>" + name + "</extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "color": NOISE_COLOR})
    for threshold in rows["threshold"].unique():
        figure.add_vline(x=threshold * 100, line={"dash": "dot", "width": 1, "color": NOISE_COLOR})
    figure.update_xaxes(title="change, %", tickangle=0)
    figure.update_yaxes(autorange="reversed")
    arms = rows["arm"].nunique()
    sized = drawing.sized(figure, height=130 + int(ROW_PX * len(names) * max(1, arms / 2)))
    # Arms beside each other, and even a single one is named.
    return sized.update_layout(scattermode="group", scattergap=0.4, showlegend=arms > 0)
