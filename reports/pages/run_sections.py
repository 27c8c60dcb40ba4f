"""The sections of the report on what runs have beside their rounds: profiles, further arms."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from bench.schema.energy import CaseEnergy
from bench.schema.files import TRACES
from bench.stats.energy import HEADS, reasons, shown
from reports.analysis import peers_and_caches
from reports.data import profiles
from reports.data.errors import ReportError, damaged
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of
from reports.pages import cost_plots, drawing, profile_page
from reports.pages.page import Block, Section, Table


def profile(files: Sequence[ResultFile], out: Path) -> Iterator[Section]:
    """Yield where the time goes, of the runs that were profiled.

    Args:
        files: of the runs.
        out: folder of the page.
    """
    for file in files:
        folder = file.path.parent
        if not (folder / TRACES).is_dir():
            continue
        name = "What the profile says" + (f", {folder.name}" if len(files) > 1 else "")
        try:
            yield from _profile(file.path, name, out)
        except ReportError as error:
            yield Section(f"profile-{folder.name}", name, [], [str(error)], [])


def _profile(path: Path, name: str, out: Path) -> Iterator[Section]:
    run = path.parent.name
    cases, tables = profile_page.sections(profiles.load(path), drawn=False)
    blocks, links = list[Block](), dict[str, str]()
    if len(tables["stages"]) and (tables["stages"]["arm"] == "panet").any():
        figure = drawing.html(cost_plots.stages(tables["stages"]))
        blocks.append(Block("FPN + PANet, stage by stage", figure=figure))
    said = [[case.name, " ".join([*case.sentences, *case.warnings])] for case in cases]
    blocks.append(Block("", tables=[Table(("case", "in words"), said)]))
    if (page := path.parent / profile_page.PAGE).exists():
        place = Path(os.path.relpath(page, out)).as_posix()
        links["Stages, operators, memory and distance from the limit"] = quote(place)
    sentences = [] if links else [f"All of it: python -m reports profile {path.parent}"]
    yield Section(f"profile-{run}", name, sentences, [], blocks, links)


def further_arms(files: Sequence[ResultFile]) -> Iterator[Section]:
    """Yield what was measured beside the runs: others' networks, other caches."""
    for file, comparison in itertools.product(files, peers_and_caches.COMPARISONS):
        folder = file.path.parent
        name = f"{comparison.name}-{folder.name}"
        try:
            table = peers_and_caches.table(folder, comparison)
        except ReportError as error:
            yield Section(name, comparison.title, [], [str(error)], [])
            continue
        rows = [
            [row["case_id"], row["pair"], row["reason"] or _ratio(row)] for row in rows_of(table)
        ]
        if rows:
            block = Block("", comparison.note, tables=[Table(("case", "pair", "ratio"), rows)])
            yield Section(name, comparison.title, [], [], [block])


def energy(files: Sequence[ResultFile]) -> Iterator[Section]:
    """Yield joules per image of the runs with ``--energy``."""
    for file in files:
        run_id = str(file.run["run_id"])
        own, name = f"energy-{run_id}", "Energy" + (f", run {run_id}" if len(files) > 1 else "")
        try:
            with damaged(file.path, "measure again"):
                cases = [CaseEnergy.from_json(of) for of in file.run.get("energy", [])]
                lines = [shown(of) for of in cases if of.used]
        except ReportError as error:
            yield Section(own, name, [], [str(error)], [])
            continue
        blocks = [Block("", line, tables=[Table(HEADS, rows)]) for line, rows in lines]
        yield Section(own, name, [f"{line}." for line in reasons(cases)], [], blocks)


def _ratio(row: Mapping[Any, Any]) -> str:
    text = f"{row['ratio']:.3f}"
    if pd.isna(row["ratio_low"]):
        return text
    return f"{text} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"
