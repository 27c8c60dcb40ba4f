"""Time per stage from the spans of a run, and the section of the page that shows it."""

import doctest
from pathlib import Path

import pandas as pd
import pytest

from reports.data import costs, frames
from reports.data import stages as stage_frames
from reports.data.stages import STAGE_COLUMNS, stages
from reports.pages import cost_cases, stage_section
from reports.pages.page import Section
from tests.support.factories import case, result, split_replicate
from tests.support.result_files import measured, result_file


def frame_of(folder: Path) -> pd.DataFrame:
    split = result(replicates=tuple(split_replicate(i) for i in range(5)))
    return frames.load([result_file(folder, [split, measured(1.5, batch_size=2)])])


def test_stages_add_up_to_the_call(tmp_path: Path) -> None:
    table = stages(frame_of(tmp_path))
    panet = table[table["arm"] == "panet"]
    assert list(panet["stage"]) == ["fpn p3 smooth", "fpn p2 smooth", "panet n3 fuse"]
    assert panet["share"].sum() == pytest.approx(1)
    assert float(panet["share"].iloc[-1]) == pytest.approx(0.5 / 1.5)
    assert (panet["time_s_low"] <= panet["time_s"]).all()


def test_calls_that_were_not_split_have_no_stages(tmp_path: Path) -> None:
    table = stages(frame_of(tmp_path))
    assert set(table["case_id"]) == {case().case_id}
    old = frames.load([result_file(tmp_path, [measured(1.5)])])
    assert len(stages(old)) == 0
    assert {n: str(kind) for n, kind in stages(old).dtypes.items()} == {
        n: kind for n, (kind, _) in STAGE_COLUMNS.items()
    }


def section_of(frame: pd.DataFrame) -> Section:
    found = stages(frame[frame["arm"] == "panet"])
    return stage_section.section(found, cost_cases.keyed(costs.cost(frame)))


def test_page_draws_the_shares_and_has_a_table_behind_them(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    section = section_of(frame)
    drawn, listed = section.blocks
    assert "panet n3 fuse" in drawn.figure
    (table,) = listed.tables
    assert table.caption == "neck cnn b1 224 nchw"
    assert table.rows[-1][0] == "panet n3 fuse"
    assert table.rows[-1][2] == "33.3 ±0.7 %"


def test_run_without_split_calls_has_no_section(tmp_path: Path) -> None:
    frame = frames.load([result_file(tmp_path, [measured(1.5)])])
    assert section_of(frame).empty


def test_examples_run() -> None:
    assert doctest.testmod(stage_frames).failed == 0
