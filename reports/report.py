"""``report.html``: all about a run, or several side by side, in one file that opens offline.

On top the answer, then every case with what can be asked of it, then the drawings. Up to
`MOST_WITH_ROUNDS` cases every round is inside; above, the page has the aggregates, and the rounds
lie beside it as Parquet.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.records import differences
from reports import (
    breakeven,
    commands,
    compilation,
    frames,
    page,
    profile_plots,
    profiles,
    render,
    report_plots,
    words,
)
from reports.errors import ReportError
from reports.page import COLORS, Block, Section, Table
from reports.published import PUBLISHED
from reports.words import ARM_NAMES

PAGE, ROUNDS = "report.html", "rounds.parquet"

MOST_WITH_ROUNDS = 200
"""Cases whose rounds are inside the page: about 8 MB with plotly's script."""

MOST_DRAWN = 400
"""Cases in one drawing; the page says how many it leaves out."""

LIMIT_S, LIMIT_BYTES = 1 / 30, 8 * 2**30
"""What the break-evens are asked for: 30 images a second, and a usual GPU's memory."""

MICROSECONDS = 1e6

NOISE_ARM = "fpn_again"


def write(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write the report of some runs; return the files.

    Raises:
        ReportError: a file cannot be read, or the folder not written.
    """
    documents = [frames.read_document(path)["panet"] for path in paths]
    frame = frames.load(paths)
    table = _keyed(frames.cost(frame, documents[0]["half_width"]))
    inside = len(table) <= MOST_WITH_ROUNDS
    files = {PAGE: _render(paths, documents, frame, table, with_rounds=inside)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        if not inside:
            frames.rounds_of(frame).to_parquet(folder / ROUNDS, index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / name for name in (*files, *(() if inside else (ROUNDS,)))]


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table with a key per row: the case, and the run where there are several."""
    several = len(set(table["run_id"])) > 1
    keys = [
        f"{row['run_id']}/{row['case_id']}" if several else str(row["case_id"])
        for row in table.to_dict("records")
    ]
    return breakeven.with_pixels(table.assign(key=keys))


def _render(
    paths: Sequence[Path],
    documents: Sequence[Mapping[str, Any]],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    *,
    with_rounds: bool,
) -> str:
    text = render.readable(table)
    rows = [
        {"key": key, "cells": list(cells)}
        for key, cells in zip(table["key"], text.itertuples(index=False), strict=True)
    ]
    answered = table[table["ratio"].notna()] if "ratio" in table else table.iloc[:0]
    sections = [
        Section("cost", "What it costs", [], [], list(_cost_blocks(answered))),
        Section("buys", "What it could buy instead", [BUYS], [], list(_breakeven_blocks(answered))),
        *_profile_sections(paths),
        Section("compiling", "What compiling costs", list(_compiling(frame)), [], []),
        Section("others", "What others report", [OTHERS], [], [_published()]),
        Section("environment", "Where it was measured", [], [], _environments(documents)),
    ]
    folders = {str(d["run_id"]): path.parent for d, path in zip(documents, paths, strict=True)}
    runs = f"{len(documents)} runs" if len(documents) > 1 else f"run {documents[0]['run_id']}"
    return page.render(
        f"What PANet costs: {runs}",
        "; ".join(dict.fromkeys(map(render.machine_of, documents))),
        [],
        [section for section in sections if section.blocks or section.sentences],
        template="report.html",
        answer=list(words.sentences(table)),
        warnings=_warnings(documents),
        filters=_filters(table),
        columns=list(text.columns),
        rows=rows,
        reasons=render.reasons(table),
        data=page.as_json(_data(folders, frame, table, with_rounds=with_rounds)),
    )


BUYS = (
    "Interpolated between measured cases that differ in one axis alone, and never beyond them; "
    "intervals follow from those of the latencies."
)

OTHERS = (
    "Published figures of others, on other machines and in other networks; none of them is ours."
)


def _warnings(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name what differs between the runs: times are then not comparable, ratios are."""
    first = documents[0]["environment"]
    said = []
    for other in documents[1:]:
        unequal = differences(first, other["environment"])
        if unequal:
            said.append(
                f"Runs {documents[0]['run_id']} and {other['run_id']} differ in "
                f"{', '.join(unequal)}: compare their ratios, not their times."
            )
    return said


FILTERED = {
    "scope": "scope",
    "backbone": "backbone",
    "batch_size": "batch",
    "device": "device",
    "dtype": "dtype",
    "pass_name": "pass",
    "compile_mode": "compile",
    "threads": "threads",
    "run_id": "run",
}


def _axes(row: Mapping[Any, Any]) -> dict[str, str]:
    layout = "channels-last" if row["channels_last"] else "contiguous"
    size = f"{row['height_px']}x{row['width_px']}"
    shown = {label: str(row[axis]) for axis, label in FILTERED.items()}
    return {**shown, "resolution": size, "layout": layout}


def _filters(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the axes that differ, with their values."""
    values: dict[str, list[str]] = {}
    for row in table.to_dict("records"):
        for axis, value in _axes(row).items():
            if value not in values.setdefault(axis, []):
                values[axis].append(value)
    return {axis: found for axis, found in values.items() if len(found) > 1}


def _data(
    folders: Mapping[str, Path], frame: pd.DataFrame, table: pd.DataFrame, *, with_rounds: bool
) -> dict[str, Any]:
    """Return what the page's script needs of every case.

    Args:
        folders: run id -> folder of the run.
        frame: of `reports.frames.load`.
        table: the cost table, with keys.
        with_rounds: whether every round goes into the page.
    """
    rounds: dict[tuple[str, str], dict[str, Any]] = {}
    if with_rounds and "latency_s" in frame:
        for row in frame[frame["latency_s"].notna()].to_dict("records"):
            # Tenths of microseconds: far below what a clock tells.
            micro = [[round(x * MICROSECONDS, 1) for x in r] for r in row["replicates_s"]]
            rounds.setdefault((row["run_id"], row["case_id"]), {})[row["arm"]] = micro
    cases = {}
    for row in table.to_dict("records"):
        traces = folders[str(row["run_id"])] / "traces" / str(row["case_id"])
        cases[row["key"]] = {
            "axes": _axes(row),
            "command": commands.repeat(row),
            "traces": f"traces/{row['case_id']}" if traces.is_dir() else "",
            "rounds": rounds.get((row["run_id"], row["case_id"]), {}),
        }
    arms = {**ARM_NAMES, NOISE_ARM: "FPN again"}
    return {
        "cases": cases,
        "arms": arms,
        "colors": {arm: COLORS.get(arm, report_plots.NOISE_COLOR) for arm in arms},
    }


def _cost_blocks(table: pd.DataFrame) -> Iterator[Block]:
    if not len(table):
        return
    drawn = table.head(MOST_DRAWN)
    left_out = f" The first {MOST_DRAWN} of {len(table)} cases." if len(table) > MOST_DRAWN else ""
    yield Block(
        "Cost and noise",
        "A difference is worth believing when its interval is clear of 0 and of the noise."
        + left_out,
        page.drawing(report_plots.costs(drawn)),
    )
    for title, figure in report_plots.heat_maps(table):
        yield Block(f"Over resolution and batch: {title}", figure=page.drawing(figure))
    for title, said, figure in report_plots.latency_lines(table):
        yield Block(f"Latency over pixels: {title}", said, page.drawing(figure))
    for title, figure in report_plots.slopes(table):
        yield Block(f"From {title}", figure=page.drawing(figure))


def _breakeven_blocks(table: pd.DataFrame) -> Iterator[Block]:
    rows = [row for along in breakeven.ALONG for row in _largest_rows(table, along)]
    if rows:
        columns = ("question", "otherwise", "FPN", "FPN + PANet")
        yield Block("Largest within a limit", tables=[Table(columns, rows)])
    larger = [
        [render.case_name(row), f"{value:.1%} ({low:.1%} to {high:.1%})"]
        for _, group in breakeven.groups(table, "pixels")
        for row in group.to_dict("records")
        for found in [breakeven.equal_resolution(group, row["case_id"])]
        if found is not None
        for value, low, high in [found]
    ]
    if larger:
        note = "Side of the image by which FPN alone could grow for the price of PANet."
        yield Block("PANet, or a larger image", note, tables=[Table(("case", "larger by"), larger)])


def _largest_rows(table: pd.DataFrame, along: str) -> Iterator[list[str]]:
    limits = (
        ("s", LIMIT_S, f"within {LIMIT_S * 1e3:.0f} ms"),
        ("peak_bytes", LIMIT_BYTES, f"within {LIMIT_BYTES / 2**30:.0f} GiB"),
    )
    for _, rows in breakeven.groups(table, along):
        for column, limit, words_of_limit in limits:
            if f"fpn_{column}" not in rows or rows[f"fpn_{column}"].isna().any():
                continue
            found = breakeven.largest(rows, along, column, limit)
            if not all(each.beyond for each in found):
                question = f"largest {breakeven.ALONG[along]} {words_of_limit}"
                name = render.case_name(rows.iloc[0].to_dict())
                yield [question, name, *map(_how_large, found)]


def _how_large(found: breakeven.Largest) -> str:
    if found.value is None:
        return "none that was measured"
    text = _one_size(found.along, found.value)
    if found.beyond:
        return f"{text} or more"
    if found.low is None or found.high is None:
        return text
    return f"{text} ({_one_size(found.along, found.low)} to {_one_size(found.along, found.high)})"


def _one_size(along: str, value: float) -> str:
    return f"{int(value)}" if along == "batch_size" else f"{int(value**0.5)} px squared"


def _profile_sections(paths: Sequence[Path]) -> Iterator[Section]:
    """Yield where the time goes, of the runs that were profiled."""
    for path in paths:
        if not (path.parent / "traces").is_dir():
            continue
        found = profiles.load(path.parent)
        stages = profiles.stages(found)
        blocks = []
        for case_id, rows in stages.groupby("case_id", sort=False):
            figure = page.drawing(profile_plots.stage_bars(rows))
            blocks.append(Block(f"Time per stage: {case_id}", figure=figure))
        link = "More in profile.html beside this page (python -m reports profile RUN)."
        yield Section(f"stages-{path.parent.name}", "Where the time goes", [link], [], blocks)


def _compiling(frame: pd.DataFrame) -> Iterator[str]:
    yield from compilation.sentences(compilation.table(frame))


def _published() -> Block:
    rows = [[each.what, each.fpn, each.panet, each.gain, each.source] for each in PUBLISHED]
    return Block("", tables=[Table(("what", "FPN", "with PANet", "difference", "source"), rows)])


def _environments(documents: Sequence[Mapping[str, Any]]) -> list[Block]:
    names = dict.fromkeys(name for document in documents for name in document["environment"])
    rows = [
        [name, *(_plain(document["environment"].get(name)) for document in documents)]
        for name in names
    ]
    columns = ("", *(str(document["run_id"]) for document in documents))
    return [Block("", tables=[Table(columns, rows)])]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)
