"""Files that grow by lines, and were cut by a kill."""

from pathlib import Path

import pytest

from bench.schema import json_lines


def test_cut_line_is_left_out_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    assert json_lines.read(path) == []
    json_lines.add(path, {"a": 1})
    path.write_bytes(path.read_bytes() + b'{"b": 2, "cut": "o')
    assert json_lines.read(path) == [{"a": 1}]
    json_lines.add(path, {"c": "ü\u2028"})
    assert json_lines.read(path) == [{"a": 1}, {"c": "ü\u2028"}]


def test_whole_line_that_is_damaged_is_no_cut_one(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'{"a": 1\n{"b": 2}\n')
    with pytest.raises(ValueError, match="delimiter"):
        json_lines.read(path)
