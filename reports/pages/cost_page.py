"""``report.html``: all about a run, or several side by side, in one file that opens offline.

On top the answer, then every case with what can be asked of it, then the drawings. Up to
`MOST_WITH_ROUNDS` cases every round is inside; above, the page has the aggregates, and the rounds
lie beside it as Parquet.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema.records import SCHEMA_HISTORY, differences
from bench.schema.text import counted, machine
from reports.analysis import breakeven, words
from reports.analysis.breakeven import Limits
from reports.analysis.readable import EXPLAINED, readable, reasons
from reports.data import frames
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.pages import (
    breakeven_blocks,
    cost_cases,
    cost_sections,
    deploy_section,
    fleet_section,
    machine_sections,
    neck_section,
    page,
    price_section,
    pyramid,
    run_sections,
    stage_section,
)
from reports.pages.page import Block, Section

PAGE, ROUNDS = "report.html", "rounds.parquet"

MOST_WITH_ROUNDS = 200
"""Cases whose rounds are inside the page: of 30 processes 5 MB."""

MOST_SHOWN = 400
"""Cases in the page; it says how many it leaves out, and the files beside it have them all."""


def write(
    files: Sequence[ResultFile],
    frame: pd.DataFrame,
    table: pd.DataFrame,
    found: pd.DataFrame,
    of_necks: tuple[pd.DataFrame, list[str]],
    of_paper: pd.DataFrame,
    drawn: pyramid.Drawings,
    folder: Path,
    limits: Limits | None = None,
) -> list[Path]:
    """Write the report of some runs; return the files.

    Args:
        files: of the runs.
        frame: of `reports.data.frames.frame_of`.
        table: of `reports.data.costs.cost`.
        found: of `reports.data.stages.stages`, of FPN + PANet.
        of_necks: of `reports.data.necks.of_files`.
        of_paper: of `reports.data.prices.prices`.
        drawn: of `reports.pages.pyramid.of_cases`.
        folder: where to.
        limits: of the break-evens.

    Raises:
        ReportError: the folder cannot be written.
    """
    keyed = breakeven.with_pixels(cost_cases.keyed(table))
    inside, shown = len(keyed) <= MOST_WITH_ROUNDS, keyed.head(MOST_SHOWN)
    price_list = price_section.section(of_paper, found, table)
    sections = [
        *([] if price_list.empty else [price_list]),
        *_sections(files, frame, found, of_necks, shown, folder, limits or Limits()),
    ]
    data = cost_cases.data(files, frame, shown, folder, with_rounds=inside)
    keys = _keys(shown)
    drawn = {key: picture for key, picture in drawn.items() if key in keys}
    text = _render(files, keyed, [*_pictures(drawn, shown), *sections], data, drawn)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(text, encoding="utf-8")
        if inside:
            return [folder / PAGE]
        frames.rounds_of(frame).to_parquet(folder / ROUNDS, index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return [folder / PAGE, folder / ROUNDS]


def _sections(
    files: Sequence[ResultFile],
    frame: pd.DataFrame,
    found: pd.DataFrame,
    of_necks: tuple[pd.DataFrame, list[str]],
    table: pd.DataFrame,
    folder: Path,
    limits: Limits,
) -> list[Section]:
    answered = table[table["ratio"].notna()]
    sections = [
        cost_sections.cost(answered),
        stage_section.section(found, answered),
        breakeven_blocks.section(cost_cases.timed(answered), limits),
        *run_sections.profile(files, folder),
        deploy_section.section(files),
        neck_section.section(*of_necks, _keys(table)),
        *run_sections.further_arms(files),
        *run_sections.energy(files),
        cost_sections.compiling(frame),
        cost_sections.others(),
        *fleet_section.sections(files, table),
        *machine_sections.quiet(files, table),
        machine_sections.environment(files, frame),
    ]
    return [section for section in sections if not section.empty]


def both(picture: pyramid.Picture) -> str:
    """Return both drawings of a case: the style of the page hides one."""
    return picture.wide + picture.tall


def _keys(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return by what the script knows a case of a run."""
    cases = zip(table["run_id"], table["case_id"], strict=True)
    return dict(zip(cases, table["key"], strict=True))


PICTURE = '<div class="picture" data-case="{key}">{drawn}</div>'


def _pictures(drawn: pyramid.Drawings, table: pd.DataFrame) -> Iterator[Section]:
    """Yield the drawings that follow the leading ones; paper has them where all cases have one."""
    keys = _keys(table)
    blocks = [
        Block(
            "",
            figure=PICTURE.format(key=html.escape(keys[key]), drawn=both(drawn[key])),
            wide=False,
        )
        for key in pyramid.shown(drawn, table)[1]
    ]
    if blocks:
        few = len(table) <= pyramid.MOST_DRAWN
        title = "The other cases, drawn" if few else f"{counted(len(blocks), 'more case')}, drawn"
        yield Section("pyramids", title, [], [], blocks, paper=few)


def _render(
    files: Sequence[ResultFile],
    table: pd.DataFrame,
    sections: Sequence[Section],
    data: Mapping[str, Any],
    drawn: pyramid.Drawings,
) -> str:
    runs = [file.run for file in files]
    shown = table.head(MOST_SHOWN)
    keys = _keys(shown)
    text = readable(shown)
    text = text[["case", *text.columns.drop("case")]]
    rows = [
        {"key": key, "cells": list(cells)}
        for key, cells in zip(shown["key"], text.itertuples(index=False), strict=True)
    ]
    said = list(words.remarks(table))
    leading, others = pyramid.shown(drawn, shown)
    further = {keys[key]: both(drawn[key]) for key in drawn if key not in {*leading, *others}}
    named = f"{len(runs)} runs" if len(runs) > 1 else f"run {runs[0]['run_id']}"
    return page.render(
        f"What PANet costs: {named}",
        "; ".join(dict.fromkeys(machine(run["environment"]) for run in runs)),
        [" ".join(said)] if said else [],
        sections,
        template="report.html",
        answer=list(words.answers(table)),
        pictures=[(keys[key], both(drawn[key])) for key in leading],
        further=page.packed(json.dumps(further)) if further else "",
        warnings=[*_older(runs), *_differing(runs), *_too_many(len(table) - MOST_SHOWN)],
        filters=cost_cases.filters(shown),
        columns={name: EXPLAINED.get(name, "").replace("`", "") for name in text.columns},
        rows=rows,
        reasons=reasons(shown),
        data=page.as_json(data),
    )


def _too_many(left_out: int) -> Iterator[str]:
    if left_out > 0:
        yield (
            f"This page leaves out {counted(left_out, 'case')}: cost.csv and cost.parquet have "
            f"all of them, {ROUNDS} their rounds."
        )


def _older(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the runs that cannot know everything."""
    for run in runs:
        later = [what for schema, what in SCHEMA_HISTORY.items() if schema > run["schema"]]
        if later:
            yield (
                f"Run {run['run_id']} was written with schema {run['schema']}. Since then: "
                f"{'; '.join(later)}."
            )


def _differing(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name what differs between the runs: times are then not comparable, ratios are."""
    for other in runs[1:]:
        unequal = differences(runs[0]["environment"], other["environment"])
        if unequal:
            yield (
                f"Runs {runs[0]['run_id']} and {other['run_id']} differ in "
                f"{', '.join(unequal)}: compare their ratios, not their times."
            )
