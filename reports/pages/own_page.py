"""A run of `panet-bench cost` for people and programs: page, drawings, tables, terminal.

The words and tables are those that the command printed; here are the drawings with them, every
process by itself, how quiet the machine was, and what it is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from rich.console import Console

from bench.schema.records import MEASURED, Replicate, Status
from bench.schema.text import machine
from bench.stats.readings import all_spans_s, centre, part_s
from reports.data import own_runs
from reports.data.errors import ReportError
from reports.data.own_runs import OwnCase, OwnRun
from reports.data.spreadsheet import inert
from reports.pages import call_picture, drawing, machine_sections, page, run_sections
from reports.pages.cost_page import PAGE
from reports.pages.cost_table import NAMES
from reports.pages.drawing import NOISE_COLOR, PALETTE
from reports.pages.page import Block, Section, Table

PICTURES = "pictures"
"""Folder of the drawings, a file per case."""

PICTURE = '<div class="picture">{}</div>'

FEW = 2
"""Cases whose answer leads the page."""

PROCESSES = (
    "A point per fresh process that counts: the median of its calls. How far these lie apart makes "
    "the intervals."
)


def write(run: OwnRun, folder: Path) -> list[Path]:
    """Write page, drawings and tables; return the files.

    Raises:
        ReportError: the folder cannot be written.
    """
    csv, parquet, markdown = (folder / name for name in NAMES)
    table, drawn = own_runs.rows(run), _pictures(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(_render(run, drawn, folder), encoding="utf-8")
        inert(table).to_csv(csv, index=False)
        table.to_parquet(parquet, index=False)
        markdown.write_text(_markdown(run), encoding="utf-8")
        for case_id, picture in drawn.items():
            path = folder / PICTURES / f"{case_id}.svg"
            path.parent.mkdir(exist_ok=True)
            path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / PAGE, csv, parquet, markdown, *([folder / PICTURES] if drawn else [])]


def show(run: OwnRun, console: Console) -> None:
    """Print what the command printed."""
    for line in _text(run):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _text(run: OwnRun) -> Iterator[str]:
    for case in run.cases:
        yield from (f"{case.name}:",) if case.name else ()
        yield from case.answer
        yield ""
        for heads, rows in case.tables:
            yield pd.DataFrame(rows, columns=list(heads)).to_string(index=False, justify="right")
            yield ""
        yield from case.notes


def _markdown(run: OwnRun) -> str:
    paragraphs = [f"{_title(run)}; {machine(run.document['run']['environment'])}"]
    for case in run.cases:
        paragraphs += [f"## {case.name}"] if case.name else []
        paragraphs += case.answer
        paragraphs += [
            pd.DataFrame(rows, columns=list(heads)).to_markdown(index=False, disable_numparse=True)
            for heads, rows in case.tables
        ]
        paragraphs += case.notes
    return "\n\n".join(paragraphs) + "\n"


def _title(run: OwnRun) -> str:
    return f"{'What parts cost' if run.parts else 'What networks cost'}: {run.named}"


def _pictures(run: OwnRun) -> dict[str, str]:
    drawn = {case.result.case.case_id: call_picture.svg(case.rows) for case in run.cases}
    return {case_id: picture for case_id, picture in drawn.items() if picture}


def _render(run: OwnRun, drawn: dict[str, str], folder: Path) -> str:
    few = len(run.cases) <= FEW
    sections = [_section(run, case, drawn, answered=few) for case in run.cases]
    return page.render(
        _title(run),
        machine(run.document["run"]["environment"]),
        [f"Measured by {run.document['command']}"],
        [*sections, *run_sections.profile([run.file], folder), *_machine(run)],
        answer=[_plain(" ".join((*_named(case), *case.answer))) for case in run.cases[:FEW]],
    )


def _named(case: OwnCase) -> tuple[str, ...]:
    return (f"{case.name}:",) if case.name else ()


def _plain(text: str) -> str:
    return text.replace("`", "")


def _section(run: OwnRun, case: OwnCase, drawn: dict[str, str], *, answered: bool) -> Section:
    result = case.result
    notes = " ".join(map(_plain, case.notes))
    tables = [Table(heads, rows) for heads, rows in case.tables]
    blocks = []
    if picture := drawn.get(result.case.case_id):
        blocks.append(Block("", figure=PICTURE.format(picture), wide=False))
    if tables:
        blocks.append(Block("", notes, tables=tables))
    if (figure := _processes(run, case)) is not None:
        blocks.append(Block("Process by process", PROCESSES, drawing.html(figure)))
    return Section(
        result.case.case_id,
        case.name or run.named
        if result.status == Status.OK
        else f"{case.name or run.named}: {result.status}",
        [] if answered else list(map(_plain, case.answer)),
        [result.reason] if result.status in MEASURED - {Status.OK} else [],
        blocks,
    )


def _processes(run: OwnRun, case: OwnCase) -> go.Figure | None:
    """Draw what each process says by itself; nothing of a case without any."""
    used = case.result.used
    series = _shares(run, case, used) if run.parts else _ratios(run, used)
    if not used or not series:
        return None
    figure = drawing.blank()
    numbers = list(range(1, len(used) + 1))
    for (name, values), color in zip(series.items(), (*PALETTE, NOISE_COLOR), strict=False):
        figure.add_scatter(
            x=numbers,
            y=[100 * value for value in values],
            mode="markers",
            name=name,
            marker={"color": NOISE_COLOR if name == run.again else color, "size": 8},
            hovertemplate="process %{x}: %{y:.2f} %<extra>" + name + "</extra>",
        )
    title = "more than on average, %" if run.parts else f"more than {run.base}, %"
    figure.update_xaxes(title="process", dtick=max(1, len(used) // 10))
    figure.update_yaxes(title=title, tickformat=".3~f")
    return drawing.sized(figure, height=340).update_layout(showlegend=True)


def _shares(run: OwnRun, case: OwnCase, used: Sequence[Replicate]) -> dict[str, list[float]]:
    """Return by how much the share of the costliest parts differs from its mean, per process."""
    times: dict[str, Any] = {
        str(row["part"]): row["time_s"]
        for row in case.rows
        if row["part"] in run.parts and row["time_s"] is not None
    }
    costliest = sorted(times, key=lambda part: -times[part])[: len(PALETTE)]
    found: dict[str, list[float]] = {part: [] for part in run.parts if part in costliest}
    for replicate in used:
        spans_s = all_spans_s(replicate, run.base)
        call_s = np.sum([*spans_s.values()], axis=0)
        for part, values in found.items():
            taken_s = part_s(spans_s, part) if part in spans_s else np.zeros_like(call_s)
            values.append(centre(taken_s / call_s))
    means = {part: float(np.mean(values)) for part, values in found.items()}
    return {part: [x / means[part] - 1 for x in found[part]] for part in found if means[part]}


def _ratios(run: OwnRun, used: Sequence[Replicate]) -> dict[str, list[float]]:
    """Return what each network takes more than the base, process by process."""
    return {
        arm: [
            centre(np.asarray(r.rounds_s[arm]) / np.asarray(r.rounds_s[run.base])) - 1
            for r in used
            if r.round_count
        ]
        for arm in run.networks
        if arm != run.base
    }


def _machine(run: OwnRun) -> Iterator[Section]:
    cases = [case.result.case for case in run.cases]
    table = pd.DataFrame(
        [{"run_id": run.run_id, **case.to_json(), "case_id": case.case_id} for case in cases]
    )
    yield from machine_sections.quiet([run.file], table)
    yield machine_sections.environment([run.file], pd.DataFrame({"run_id": [], "images": []}))
