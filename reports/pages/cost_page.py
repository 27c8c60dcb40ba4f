"""``report.html``: all about a run, or several side by side, in one file that opens offline.

On top the answer, then every case with what can be asked of it, then the drawings. Up to
`MOST_WITH_ROUNDS` cases every round is inside; above, the page has the aggregates, and the rounds
lie beside it as Parquet.
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.records import SCHEMA_HISTORY, differences
from reports.analysis import breakeven, compilation, peers_and_caches, reproduce, words
from reports.analysis.breakeven import Limits
from reports.analysis.names import ARM_NAMES, case_name, machine_of
from reports.analysis.readable import readable, reasons
from reports.data import frames, profiles, published
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.pages import cost_plots, page, profile_page
from reports.pages.page import COLORS, Block, Section, Table

PAGE, ROUNDS = "report.html", "rounds.parquet"

MOST_WITH_ROUNDS = 200
"""Cases whose rounds are inside the page: about 8 MB with plotly's script."""

MOST_SHOWN = 400
"""Cases in the page; it says how many it leaves out, and the files beside it have them all."""

MICROSECONDS = 1e6

NOISE_ARM = "fpn_again"


def write(
    files: Sequence[ResultFile],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    folder: Path,
    limits: Limits | None = None,
) -> list[Path]:
    """Write the report of some runs; return the files.

    Args:
        files: of the runs.
        frame: of `reports.data.frames.frame_of`.
        table: of `reports.data.costs.cost`.
        folder: where to.
        limits: of the break-evens.

    Raises:
        ReportError: the folder cannot be written.
    """
    table = _keyed(table)
    inside = len(table) <= MOST_WITH_ROUNDS
    traces = {file.run["run_id"]: _traces(file, folder) for file in files}
    text = _render(files, frame, table, limits or Limits(), traces, with_rounds=inside)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(text, encoding="utf-8")
        if inside:
            return [folder / PAGE]
        frames.rounds_of(frame).to_parquet(folder / ROUNDS, index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / PAGE, folder / ROUNDS]


def _traces(file: ResultFile, folder: Path) -> dict[str, str]:
    """Return where the traces of a run's cases are, as seen from the folder of the page."""
    found = sorted((file.path.parent / "traces").glob("*/"))
    return {path.name: Path(os.path.relpath(path, folder)).as_posix() for path in found}


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table with a key per row: the case, and the run where there are several."""
    several = len(set(table["run_id"])) > 1
    keys = [
        f"{row['run_id']}/{row['case_id']}" if several else str(row["case_id"])
        for row in table.to_dict("records")
    ]
    return breakeven.with_pixels(table.assign(key=keys))


def _render(
    files: Sequence[ResultFile],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    limits: Limits,
    traces: Mapping[str, Mapping[str, str]],
    *,
    with_rounds: bool,
) -> str:
    runs = [file.run for file in files]
    answer, left_out = list(words.sentences(table)), len(table) - MOST_SHOWN
    table = table.head(MOST_SHOWN)
    text = readable(table)
    rows = [
        {"key": key, "cells": list(cells)}
        for key, cells in zip(table["key"], text.itertuples(index=False), strict=True)
    ]
    answered = table[table["ratio"].notna()]
    folders = list(dict.fromkeys(file.path.parent for file in files))
    breakevens = list(_breakeven_blocks(answered, limits))
    sections = [
        Section("cost", "What it costs", [], [], list(_cost_blocks(answered))),
        Section("buys", "What it could buy instead", [BUYS], [], breakevens),
        *_profile_sections(folders),
        *_extra_sections(folders),
        Section("compiling", "What compiling costs", list(_compiling(frame)), [], []),
        Section("others", "What others report", [OTHERS], [], [_published()]),
        Section("environment", "Where it was measured", [], [], _environments(files)),
    ]
    named = f"{len(runs)} runs" if len(runs) > 1 else f"run {runs[0]['run_id']}"
    return page.render(
        f"What PANet costs: {named}",
        "; ".join(dict.fromkeys(map(machine_of, runs))),
        [],
        [s for s in sections if s.blocks or s.sentences or s.warnings],
        template="report.html",
        answer=answer,
        warnings=[*_older(runs), *_differing(runs), *_too_many(left_out)],
        filters=_filters(table),
        columns=list(text.columns),
        rows=rows,
        reasons=reasons(table),
        data=page.as_json(_data(traces, frame, table, with_rounds=with_rounds)),
    )


BUYS = (
    "Interpolated between measured cases that differ in one axis alone, and never beyond them; "
    "intervals follow from those of the latencies."
)

OTHERS = (
    "Published figures of others, on other machines and in other networks; none of them is ours."
)


def _too_many(left_out: int) -> Iterator[str]:
    if left_out > 0:
        yield (
            f"{left_out} more cases are not in this page: cost.csv and cost.parquet have all of "
            f"them, {ROUNDS} their rounds."
        )


def _older(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the runs that cannot have told everything."""
    for run in runs:
        later = [what for schema, what in SCHEMA_HISTORY.items() if schema > run["schema"]]
        if later:
            yield f"Run {run['run_id']} was written before there was: {'; '.join(later)}."


def _differing(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name what differs between the runs: times are then not comparable, ratios are."""
    for other in runs[1:]:
        unequal = differences(runs[0]["environment"], other["environment"])
        if unequal:
            yield (
                f"Runs {runs[0]['run_id']} and {other['run_id']} differ in "
                f"{', '.join(unequal)}: compare their ratios, not their times."
            )


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
    traces: Mapping[str, Mapping[str, str]],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    *,
    with_rounds: bool,
) -> dict[str, Any]:
    """Return what the page's script needs of every case.

    Args:
        traces: run id -> case id -> folder of its traces, as seen from the page.
        frame: of `reports.data.frames.load`.
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
        cases[row["key"]] = {
            "axes": _axes(row),
            "command": reproduce.repeat(row),
            "traces": traces[row["run_id"]].get(row["case_id"], ""),
            "rounds": rounds.get((row["run_id"], row["case_id"]), {}),
        }
    arms = {**ARM_NAMES, NOISE_ARM: "FPN again"}
    return {
        "cases": cases,
        "arms": arms,
        "colors": {arm: COLORS.get(arm, cost_plots.NOISE_COLOR) for arm in arms},
    }


def _cost_blocks(table: pd.DataFrame) -> Iterator[Block]:
    if not len(table):
        return
    yield Block(
        "Cost and noise",
        "A difference is worth believing when its interval is clear of 0 and of the noise.",
        page.drawing(cost_plots.costs(table)),
    )
    for title, figure in cost_plots.heat_maps(table):
        yield Block(f"Over resolution and batch: {title}", "", page.drawing(figure), wide=False)
    for title, said, figure in cost_plots.latency_lines(table):
        yield Block(f"Latency over pixels: {title}", said, page.drawing(figure), wide=False)
    for title, figure in cost_plots.slopes(table):
        yield Block(f"From {title}", "", page.drawing(figure), wide=False)
    peaks = cost_plots.memory(table)
    if peaks is not None:
        note = "Of one call, without weights and inputs."
        yield Block("Peak of tensor memory", note, page.drawing(peaks))


def _breakeven_blocks(table: pd.DataFrame, limits: Limits) -> Iterator[Block]:
    rows = [row for along in breakeven.ALONG for row in _largest_rows(table, along, limits)]
    if rows:
        columns = ("question", "otherwise", "FPN", "FPN + PANet")
        yield Block("Largest within a limit", tables=[Table(columns, rows)], wide=False)
    elif len(table):
        note = (
            f"{limits.seconds * 1e3:.3g} ms and {limits.nbytes / 2**30:.3g} GiB separate none of "
            "the cases; ask for others with --within."
        )
        yield Block("Largest within a limit", note, wide=False)
    larger = [
        [case_name(row), _share(found)]
        for _, group in breakeven.groups(table, "pixels")
        for row in group.to_dict("records")
        if (found := breakeven.equal_resolution(group, row["case_id"])) is not None
    ]
    if larger:
        note = "Side of the image by which FPN alone could grow for the price of PANet."
        tables = [Table(("case", "larger by"), larger)]
        yield Block("PANet, or a larger image", note, tables=tables, wide=False)
    deeper = [
        [case_name(row), backbone, _share(found)]
        for row, backbone, found in breakeven.deeper(table)
    ]
    if deeper:
        note = "What PANet costs, as a share of what the next dearer backbone would, with FPN."
        tables = [Table(("case", "instead", "of its price"), deeper)]
        yield Block("PANet, or a deeper backbone", note, tables=tables, wide=False)


def _share(found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{value:.0%} ({low:.0%} to {high:.0%})"


def _largest_rows(table: pd.DataFrame, along: str, limits: Limits) -> Iterator[list[str]]:
    asked = (
        ("s", limits.seconds, f"within {limits.seconds * 1e3:.3g} ms"),
        ("peak_bytes", limits.nbytes, f"within {limits.nbytes / 2**30:.3g} GiB"),
    )
    for _, rows in breakeven.groups(table, along):
        for column, limit, words_of_limit in asked:
            if rows[[f"{arm}_{column}" for arm in ARM_NAMES]].isna().any(axis=None):
                continue
            found = breakeven.largest(rows, along, column, limit)
            if not (all(x.beyond for x in found) or all(x.value is None for x in found)):
                question = f"largest {breakeven.ALONG[along]} {words_of_limit}"
                name = case_name(rows.iloc[0].to_dict())
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


MOST_PROFILED = 12
"""Cases whose profile is in the page; `profile.html` has them all, and more of each."""


def _profile_sections(folders: Sequence[Path]) -> Iterator[Section]:
    """Yield where the time goes, of the runs that were profiled."""
    for folder in folders:
        if not (folder / "traces").is_dir():
            continue
        name = "Where the time goes" + (f", {folder.name}" if len(folders) > 1 else "")
        try:
            found, tables = profile_page.sections(profiles.load(folder))
        except ReportError as error:
            yield Section(f"profile-{folder.name}", name, [], [str(error)], [])
            continue
        if len(tables["stages"]):
            figure = page.drawing(cost_plots.stages(tables["stages"]))
            overview = Block("FPN + PANet, stage by stage", figure=figure)
            yield Section(f"profile-{folder.name}", name, [], [], [overview])
        for section in found[:MOST_PROFILED]:
            more = f"More in profile.html (python -m reports profile {folder})."
            yield replace(
                section,
                id=f"profile-{folder.name}-{section.id}",
                name=f"{name}: {section.name}",
                sentences=[*section.sentences, more],
                blocks=[replace(block, tables=[]) for block in section.blocks if block.figure],
            )


def _extra_sections(folders: Sequence[Path]) -> Iterator[Section]:
    """Yield what was measured beside the runs: others' networks, other caches."""
    for folder, comparison in itertools.product(folders, peers_and_caches.COMPARISONS):
        name = f"{comparison.name}-{folder.name}"
        try:
            table = peers_and_caches.table(folder, comparison)
        except ReportError as error:
            yield Section(name, comparison.title, [], [str(error)], [])
            continue
        rows = [
            [row["case_id"], row["pair"], row["reason"] or _ratio(row)]
            for row in table.to_dict("records")
        ]
        if rows:
            block = Block("", comparison.note, tables=[Table(("case", "pair", "ratio"), rows)])
            yield Section(name, comparison.title, [], [], [block])


def _ratio(row: Mapping[Any, Any]) -> str:
    text = f"{row['ratio']:.3f}"
    if pd.isna(row["ratio_low"]):
        return text
    return f"{text} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"


def _compiling(frame: pd.DataFrame) -> Iterator[str]:
    yield from compilation.sentences(compilation.table(frame))


def _published() -> Block:
    rows = [
        [each.what, each.fpn, each.panet, each.gain, each.source] for each in published.figures()
    ]
    return Block("", tables=[Table(("what", "FPN", "with PANet", "difference", "source"), rows)])


def _environments(files: Sequence[ResultFile]) -> list[Block]:
    dates = [_plain(file.document.get("datetime")) for file in files]
    environments = [file.run["environment"] for file in files]
    names = dict.fromkeys(name for environment in environments for name in environment)
    rows = [
        ["written", *dates],
        *([name, *(_plain(each.get(name)) for each in environments)] for name in names),
    ]
    columns = ("", *(str(file.run["run_id"]) for file in files))
    return [Block("", tables=[Table(columns, rows)])]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)
