"""The section on what to deploy: of what `bench.run.deploy` has written."""

from pathlib import Path

from bench.run import deploy
from reports.data.result_files import read_all
from reports.pages import deploy_section
from tests.bench.run.test_deploy import measured
from tests.support.factories import case, result
from tests.support.result_files import result_file


def test_every_way_is_shown_and_the_fastest_named(tmp_path: Path) -> None:
    path = result_file(tmp_path, [result()])
    assert deploy_section.section(read_all([path])).empty
    failed = {case(): {"aotinductor": "timeout: after 600 s: too long"}}
    deploy.write([measured()], failed, path.parent / "deploy.json")
    (block,) = deploy_section.section(read_all([path])).blocks
    assert block.title == "neck cnn b1 224"
    assert block.note.startswith("Fastest: openvino, 16.")
    assert "Not told apart from it: onnxruntime. Slower: eager (1.2" in block.note
    table, not_run = block.tables
    assert not_run.rows == [["aotinductor", "timeout", "after 600 s: too long"]]
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
