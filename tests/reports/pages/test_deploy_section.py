"""The section on what to deploy: of what `bench.run.deploy` has written."""

import json
from pathlib import Path

from bench.run.deploy_answer import write
from bench.schema.records import LeftOut
from reports.data.result_files import read_all
from reports.pages import deploy_section
from tests.bench.run.test_deploy import INT8, measured, without
from tests.support.factories import case, result
from tests.support.result_files import result_file


def test_every_way_is_shown_and_the_fastest_named(tmp_path: Path) -> None:
    path = result_file(tmp_path, [result()])
    assert deploy_section.section(read_all([path])).empty
    failed = {case(): {"aotinductor": LeftOut("timeout", "after 600 s: too long")}}
    write([measured()], failed, path.parent / "deploy.json")
    (block,) = deploy_section.section(read_all([path])).blocks
    assert block.title == "neck cnn b1 224"
    assert block.note.startswith("Fastest: openvino, 16.")
    assert "integers" not in block.note
    assert "Not told apart from it: onnxruntime. Slower: eager (1.2" in block.note
    table, not_run, close = block.tables
    assert not_run.rows == [["aotinductor", "timeout", "after 600 s: too long"]]
    assert (close.columns, close.rows) == (
        ("way", "n2", "n3"),
        [["openvino", "1.0e-06 (121 dB)", "2.0e-06 (119 dB)"]],
    )
    ways = {row[0]: row for row in table.rows}
    assert set(ways) == {"eager", "eager again (A/A)", "openvino", "onnxruntime", "inductor"}
    assert ways["onnxruntime"][-1] == "30.0 %"
    assert ways["openvino"][3:6] == ["0.5", "1", "3"]
    assert "openvino" in block.figure


def test_damaged_file_is_told(tmp_path: Path) -> None:
    path = result_file(tmp_path, [result()])
    (path.parent / "deploy.json").write_text('{"schema": 1, "cases": [{}]}')
    (warning,) = deploy_section.section(read_all([path])).warnings
    assert "deploy.json: damaged" in warning


def test_way_that_died_and_integers_are_told_apart_from_the_answer(tmp_path: Path) -> None:
    path = result_file(tmp_path, [result()])
    write([without("openvino", measured(INT8))], {}, path.parent / "deploy.json")
    (block,) = deploy_section.section(read_all([path])).blocks
    assert block.note.startswith("Fastest of those that compute the same: onnxruntime, 16.")
    said = "; in integers, which compute something else, surely faster: onnxruntime-int8 (0.6"
    assert said in block.note
    assert "% of it, SQNR 27.3 to 35.2 dB). " in block.note
    table, not_run, _ = block.tables
    assert not_run.rows == [["openvino", "timeout", "no result within 60 s"]]
    assert "openvino (timeout)" in {row[0] for row in table.rows}
    assert '"openvino"' not in block.figure


def test_file_of_before_is_read(tmp_path: Path) -> None:
    """It says nothing of integers and levels, and why a way is left out is one text."""
    path = result_file(tmp_path, [result()])
    write([measured()], {}, path.parent / "deploy.json")
    stored = json.loads((path.parent / "deploy.json").read_text())
    (of,) = stored["cases"]
    of["left_out"] = {"aotinductor": "no compiler"}
    for facts in of["facts"].values():
        for name in ("quantised", "level_differences", "level_sqnr_db"):
            del facts[name]
    (path.parent / "deploy.json").write_text(json.dumps(stored))
    (block,) = deploy_section.section(read_all([path])).blocks
    _, not_run = block.tables
    assert not_run.rows == [["aotinductor", "skipped", "no compiler"]]
