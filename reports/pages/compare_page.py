"""``compare.html``: two stored runs side by side, the answer first, in the frame of every page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bench.schema import text
from bench.stats.verdict import Verdict
from reports.analysis.names import ARM_NAMES
from reports.data.errors import ReportError
from reports.pages import compare_files_page, drawing, page
from reports.pages.drawing import COLORS, NOISE_COLOR, ROW_PX
from reports.pages.page import Block, Section, Table

PAGE = "compare.html"

MOST_DRAWN = 60
"""Cases in a drawing; those that a verdict is about come first."""

READING = "Head over base, with 95 % intervals; less is better."


def write(
    table: pd.DataFrame, base: Mapping[str, Any], head: Mapping[str, Any], folder: Path
) -> Path:
    """Write the page; return its file.

    Args:
        table: of `reports.analysis.compare_files.compare`.
        base: the run that is compared with.
        head: the run that is compared.
        folder: where to; it is there.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        (folder / PAGE).write_text(_render(table, base, head), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return folder / PAGE


def _render(table: pd.DataFrame, base: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    rows = compare_files_page.readable(table)
    calm = rows["verdict"] == Verdict.WITHIN_NOISE
    sections = [
        Section("worth", "What is worth a look", [], [], _table(rows[~calm])),
        Section("changes", "Changes of time", [], [], list(_drawings(table))),
        Section("calm", "What stayed within noise", [], [], _table(rows[calm])),
    ]
    return page.render(
        f"Has it become slower? {base['run_id']} → {head['run_id']}",
        text.machine(base["environment"], head["environment"]),
        [READING],
        [section for section in sections if not section.empty],
        answer=[compare_files_page.sentence(table), *_worst(rows[~calm])],
    )


def _worst(rows: pd.DataFrame) -> Iterator[str]:
    """Yield what the verdict is of, the first case of all that are worth a look."""
    for row in rows.head(1).to_dict("records"):
        unsaid = row["change"] == text.UNKNOWN or row["verdict"] == Verdict.INCOMPARABLE
        said = row[""] if unsaid else row["change"]
        yield f"{row['case']}, {row['metric']}: {said}"


def _table(rows: pd.DataFrame) -> list[Block]:
    if not len(rows):
        return []
    said = rows.drop(columns="") if not rows[""].any() else rows.rename(columns={"": "why"})
    said = said[["case", *said.columns.drop("case")]]
    return [Block("", tables=[Table(tuple(map(str, said)), said.astype(str).to_numpy().tolist())])]


def _drawings(table: pd.DataFrame) -> Iterator[Block]:
    """Yield a drawing of the changes of every metric that has intervals."""
    timed = table.dropna(subset=["ratio_low", "ratio_high"])
    ranks = {verdict: rank for rank, verdict in enumerate(Verdict)}
    ordered = timed.sort_values("verdict", key=lambda each: each.map(ranks), kind="stable")
    for metric, rows in ordered.groupby("metric", sort=False):
        chosen = list(dict.fromkeys(rows["case_id"]))[:MOST_DRAWN]
        left_out = rows["case_id"].nunique() - len(chosen)
        note = f"{left_out} more cases are in compare.csv." if left_out else ""
        figure = _changes(rows[rows["case_id"].isin(chosen)], chosen)
        yield Block(str(metric).capitalize(), note, drawing.html(figure))


def _brief(case_ids: Sequence[str]) -> dict[str, str]:
    """Return the cases by what tells them apart: a phone has no room for more."""
    parts = [case_id.split("-") for case_id in case_ids]
    if len(parts) == 1:
        return {case_ids[0]: "-".join(parts[0][:3])}
    same = _alike(parts)
    rest = [each[same:] for each in parts]
    after = _alike([each[::-1] for each in rest])
    return {
        case_id: "-".join(each[: len(each) - after]) or case_id
        for case_id, each in zip(case_ids, rest, strict=True)
    }


def _alike(lists: Sequence[Sequence[str]]) -> int:
    """Return how many elements all have in common from the front."""
    differing = (
        place for place, each in enumerate(zip(*lists, strict=False)) if len(set(each)) > 1
    )
    return next(differing, min(map(len, lists)))


def _changes(rows: pd.DataFrame, case_ids: Sequence[str]) -> go.Figure:
    figure, names = go.Figure(), _brief(case_ids)
    for arm, of_arm in rows.groupby("arm", sort=False, dropna=False):
        name = "FPN + PANet over FPN" if pd.isna(arm) else ARM_NAMES.get(str(arm), str(arm))
        figure.add_scatter(
            x=drawing.numbers((of_arm["ratio"] - 1) * 100),
            y=[names[case_id] for case_id in of_arm["case_id"]],
            customdata=list(of_arm["case_id"]),
            error_x=drawing.bars(of_arm, "ratio", 100.0),
            mode="markers",
            marker={"color": COLORS["panet" if pd.isna(arm) else str(arm)], "size": 9},
            name=name,
            hovertemplate="<b>%{customdata}</b><br>%{x:+.1f} %<extra>" + name + "</extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "color": NOISE_COLOR})
    for threshold in rows["threshold"].unique():
        figure.add_vline(x=threshold * 100, line={"dash": "dot", "width": 1, "color": NOISE_COLOR})
    figure.update_xaxes(title="change, %; dotted: threshold", tickangle=0)
    figure.update_yaxes(autorange="reversed")
    return drawing.sized(figure, height=130 + ROW_PX * len(case_ids))
