"""The price list, from the files of a run to its table, its sentences and its drawing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.schema.case import Case
from reports.data import frames, prices, result_files, stages
from reports.data.costs import cost
from reports.pages import price_section
from tests.reports.pages.test_cost_page import measured, written
from tests.support.factories import case
from tests.support.result_files import extra_arms

NECK = case(scope="neck", backbone="resnet50")
HEADS = replace(NECK, scope="heads", boxes=100)
COMPILED = replace(HEADS, compile_mode="default")

SECONDS = {"one_level": 1.0, "pooling": 3.0, "fusion": 3.5, "heavier": 5.0, "one_level_again": 1.0}
FACTS = {
    arm: {"params": 10 * place, "macs": 100 * place**2, "peak_bytes": 2**20 * place}
    for place, arm in enumerate(SECONDS, start=1)
}


def run(folder: Path, *heads: Case) -> tuple[list[result_files.ResultFile], Path]:
    path = written(folder, [measured(backbone="resnet50")])
    rounds = {arm: [took, took * 1.1, took * 0.9] for arm, took in SECONDS.items()}
    aside = extra_arms(folder / "heads.json", {one: [rounds] * 4 for one in heads})
    content = json.loads(aside.read_text())
    for entry in content["cases"]:
        entry["facts"] = FACTS
    aside.write_text(json.dumps(content))
    return result_files.read_all(path), path


def test_every_part_is_the_difference_to_the_one_before(tmp_path: Path) -> None:
    files, _ = run(tmp_path, HEADS, COMPILED)
    frame = frames.frame_of(files)
    table = prices.prices(files, frame, cost(frame)).set_index("part")
    assert list(table["letter"]) == ["b", "c", "e", "d"]
    assert table["eager_s"].iloc[1:].tolist() == pytest.approx([2.0, 0.5, 1.5])
    assert table["compiled_s"].iloc[1:].tolist() == pytest.approx([2.0, 0.5, 1.5])
    assert table["macs"].iloc[1:].tolist() == [300, 500, 700]
    assert table["params"].iloc[1:].tolist() == [10, 10, 10]
    of_neck = cost(frame).iloc[0]
    assert table.loc["bottom-up path", "eager_s"] == pytest.approx(of_neck["difference_s"])
    assert table.loc["bottom-up path", "mask_ap"] == 0.7
    assert set(table["boxes"]) == {100}


def test_section_says_what_a_point_costs_and_whose_it_is(tmp_path: Path) -> None:
    files, _ = run(tmp_path, HEADS)
    frame = frames.frame_of(files)
    table = prices.prices(files, frame, cost(frame))
    section = price_section.section(table, stages.stages(frame), cost(frame))
    (block,) = section.blocks
    assert "training of 2018" in block.note
    rows = {row[0]: row for row in block.tables[0].rows}
    assert rows["(c) adaptive feature pooling"][1:4] == [*("+0.5", "36.9 - 36.4", "+0.7")]
    assert rows["(c) adaptive feature pooling"][-1] == "4,000"
    assert rows["(e) fully-connected fusion"][3] == ""
    (sentence,) = section.sentences
    assert sentence.index("heavier head") < sentence.index("adaptive feature pooling")


def test_runs_without_heads_have_no_list(tmp_path: Path) -> None:
    path = written(tmp_path, [measured(backbone="resnet50")])
    files = result_files.read_all(path)
    frame = frames.frame_of(files)
    table = prices.prices(files, frame, cost(frame))
    assert table.empty
    assert price_section.section(table, stages.stages(frame), cost(frame)).empty


def test_stack_is_drawn_from_image_to_mask() -> None:
    drawn = price_section.svg(
        [("backbone", "backbone", 0.04), ("box", "(c) box pooling", 0.01)], "detector <b>"
    )
    assert drawn.index("backbone") < drawn.index("(c) box pooling")
    assert "detector &lt;b&gt;" in drawn
    assert ">40.0</text>" in drawn
    assert "50 in all" in drawn
