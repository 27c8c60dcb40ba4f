"""Many runs as people look at them: a drawing per case, with what changed and in which commit."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bench.schema import text
from reports.analysis import change_points
from reports.analysis.change_points import ChangePoint
from reports.analysis.names import ARM_NAMES
from reports.data import history
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.data.series import SECONDS, is_control
from reports.data.spreadsheet import inert
from reports.pages import drawing, page
from reports.pages.page import Block, Section, Table

PAGE, CSV = "history.html", "changes.csv"

MOST_CASES = 60
"""That are drawn: a page with more takes long to open. Those that changed come first."""

ROWS = {
    "latency": "latency, ms",
    "time": "part, ms",
    "cost": "FPN + PANet over FPN",
    "inside": "the same, inside the call",
    "residual": "residual",
    "mean": "mean, ms",
}
"""Metric -> title of its axis."""

NAMED_ROWS = {"cost": "over the base", "inside": "call over its rest"}
"""The same, where networks and parts have names."""

NAMES = {"cost": "cost", "inside": "cost, inside the call", "mean": "mean"}
"""Metric that is of no arm -> what its line is called."""

OTHER_COLOR, MARK_COLOR = "#009e73", "#999999"

GAP_PX = 44
"""Between two panels."""

MESSAGE_CHARS = 120


def sentences(changes: Sequence[ChangePoint], table: pd.DataFrame) -> list[str]:
    """Return every change in a line, the largest first, and how much was not looked at.

    Args:
        changes: of `reports.analysis.change_points.find`.
        table: that they were searched in.
    """
    return [*_answers(changes, table), *_remarks(table)]


def _answers(changes: Sequence[ChangePoint], table: pd.DataFrame) -> list[str]:
    judged, series = change_points.judged(table)
    names = history.names(table)
    if changes:
        return [_sentence(change, names[change.case_id]) for change in changes]
    if judged:
        return [f"Nothing changed in {judged} of {series} series."]
    return [f"Nothing is judged yet: a series needs {change_points.MIN_RUNS} runs."]


def _remarks(table: pd.DataFrame) -> list[str]:
    judged, series = change_points.judged(table)
    if judged in (0, series):
        return []
    return [
        f"{series - judged} of {series} series have fewer than {change_points.MIN_RUNS} runs, "
        "and are not judged yet."
    ]


def _sentence(change: ChangePoint, name: str) -> str:
    return (
        f"{name}, {_what(change)}: {text.change(1 + change.change)} since "
        f"{change.commit[:10] or change.run_id} ({change.date:%Y-%m-%d}, "
        f"{_sure(change)} sure): {_subject(change.message)}"
    )


MOST_SURE = 0.9999
"""More than that nobody knows: the test assumes normal runs."""


def _sure(change: ChangePoint) -> str:
    return f"{text.percent(min(change.confidence, MOST_SURE), 2)}"


def _subject(message: str) -> str:
    return message.partition("\n")[0][:MESSAGE_CHARS] or "-"


def write(table: pd.DataFrame, changes: Sequence[ChangePoint], folder: Path) -> list[Path]:
    """Write the page, and the changes as CSV; return the files.

    Args:
        table: of `reports.data.history.collect` or `read`.
        changes: of `reports.analysis.change_points.find`.
        folder: where to.

    Raises:
        ReportError: the folder cannot be written.
    """
    files = [folder / PAGE, folder / CSV]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files[0].write_text(_render(table, changes), encoding="utf-8")
        inert(change_points.frame_of(changes)).to_csv(files[1], index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return files


def _render(table: pd.DataFrame, changes: Sequence[ChangePoint]) -> str:
    runs, dates = table["run_id"].nunique(), table["date"]
    machines = ", ".join(sorted(set(table["machine"])))
    groups = list(table.groupby(["fingerprint", "case_id"], sort=False))
    changed = {(change.fingerprint, change.case_id) for change in changes}
    groups.sort(key=lambda group: group[0] not in changed)
    said = [f"{runs} runs, {dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}."]
    if len(groups) > MOST_CASES:
        said.append(f"{MOST_CASES} of {len(groups)} cases are drawn, those that changed first.")
    fingerprints = table.groupby("case_id")["fingerprint"].nunique().to_dict()
    names = history.names(table)
    sections = [
        _section(
            key,
            rows,
            [c for c in changes if (c.fingerprint, c.case_id) == key],
            names[str(key[1])],
            several=fingerprints[str(key[1])] > 1,
        )
        for key, rows in groups[:MOST_CASES]
    ]
    answer, *others = _answers(changes, table)
    said += _remarks(table)
    overview = Section("changes", "What else changed", others, [], [])
    shown = [each for each in (overview, *sections) if not each.empty]
    return page.render("When it changed", machines, said, shown, answer=[answer])


def _section(
    key: tuple[Any, ...],
    rows: pd.DataFrame,
    changes: Sequence[ChangePoint],
    name: str,
    *,
    several: bool,
) -> Section:
    fingerprint, case_id = map(str, key)
    return Section(
        f"{fingerprint}-{case_id}",
        f"{name} on {rows['machine'].iloc[0]} ({fingerprint})" if several else name,
        [],
        [],
        [Block("", figure=drawing.html(_figure(rows, changes)), tables=_changes(changes))],
        about=case_id,
    )


def _changes(changes: Sequence[ChangePoint]) -> list[Table]:
    rows = [
        [
            _what(change),
            text.change(1 + change.change),
            f"{change.date:%Y-%m-%d}",
            change.commit[:10],
            _subject(change.message),
            _sure(change),
        ]
        for change in changes
    ]
    return [Table(("what", "change", "since", "commit", "message", "sure"), rows)] if rows else []


def _what(change: ChangePoint) -> str:
    return " of ".join(filter(None, (change.metric, ARM_NAMES.get(change.arm, change.arm))))


def _figure(rows: pd.DataFrame, changes: Sequence[ChangePoint]) -> go.Figure:
    shown = rows[[not is_control(arm) for arm in rows["arm"]]].sort_values("date", kind="stable")
    arms = [arm for arm in dict.fromkeys(map(str, shown["arm"])) if arm]
    colors = {arm: drawing.color_of(arm, rank) for rank, arm in enumerate(arms)}
    known = set[str]()  # a line of every panel, and one name for all of them
    metrics = [metric for metric in ROWS if (rows["metric"] == metric).any()]
    height = 90 + 230 * len(metrics)
    figure = make_subplots(
        rows=len(metrics),
        shared_xaxes=True,
        vertical_spacing=GAP_PX / height,
        figure=drawing.blank(),
    )
    for place, metric in enumerate(metrics, start=1):
        scale = 1e3 if metric in SECONDS else 1.0
        of_metric = shown[shown["metric"] == metric]
        for arm, series in of_metric.groupby("arm", sort=False):
            named = str(arm) or NAMES[metric]
            line = _line(series, named, colors.get(named, OTHER_COLOR), scale)
            line.showlegend = named not in known
            figure.add_trace(line, row=place, col=1)
            known.add(named)
        title = NAMED_ROWS.get(metric, ROWS[metric]) if all(of_metric["arm"]) else ROWS[metric]
        figure.update_yaxes(title=title, row=place, col=1)
        for change in changes:
            if change.metric == metric:
                figure.add_vline(
                    x=change.date.timestamp() * 1e3,
                    line={"dash": "dot", "width": 1.5, "color": MARK_COLOR},
                    annotation_text=text.change(1 + change.change),
                    annotation_position="top left" if change.change > 0 else "bottom left",
                    row=place,
                    col=1,
                )
    return drawing.sized(figure, height)


def _line(rows: pd.DataFrame, arm: str, color: str, scale: float) -> go.Scatter:
    return go.Scatter(
        x=rows["date"],
        y=rows["value"] * scale,
        error_y={
            "type": "data",
            "array": ((rows["high"] - rows["value"]) * scale).fillna(0.0),
            "arrayminus": ((rows["value"] - rows["low"]) * scale).fillna(0.0),
            "thickness": 1,
        },
        mode="lines+markers",
        name=ARM_NAMES.get(arm, arm),
        legendgroup=arm,
        line={"color": color, "width": 1},
        customdata=[_hover(row) for row in rows_of(rows)],
        hovertemplate="<b>%{y:.4g}</b> on %{x|%Y-%m-%d %H:%M}<br>%{customdata[0]}<br>"
        "%{customdata[1]}<extra></extra>",
    )


def _hover(row: dict[Any, Any]) -> list[str]:
    """Return run and commit; what comes from outside must not become markup."""
    commit = f"{str(row['commit'])[:10]} {_subject(str(row['message']))}"
    return [html.escape(str(row["run_id"])), html.escape(commit)]
