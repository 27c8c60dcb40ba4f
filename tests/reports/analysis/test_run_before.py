"""What the report says of a run against the one before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.schema.records import CaseResult, Status
from reports.analysis import run_before
from reports.data import run_series
from tests.support.result_files import RUN, measured, result_file

FIRST, SECOND = "20261101-100000-aaaa", "20261101-110000-bbbb"


def run(folder: Path, run_id: str, cases: Sequence[CaseResult], **values: Any) -> Path:
    own = folder / run_id
    own.mkdir()
    result_file(own, cases, run_id=run_id, **values).rename(own / "results.json")
    return own


def said(path: Path) -> list[str]:
    run = run_series.read(path)
    return list(run_before.sentences(run.file, lambda: run))


def test_moved_costs_are_told_with_the_case_that_moved_most(tmp_path: Path) -> None:
    run(tmp_path, FIRST, [measured(1.5), measured(1.4, batch_size=2), measured(1.3, batch_size=4)])
    cases = [measured(1.5 * 1.01), measured(1.4 * 0.98, batch_size=2), measured(1.2, batch_size=8)]
    assert said(run(tmp_path, SECOND, cases)) == [
        f"Against the run before it, {FIRST}, 2 ratios moved by -2.0 % to +1.0 %; "
        "most: neck cnn b2 224 nchw."
    ]
    (tmp_path / "latest").symlink_to(SECOND)
    assert said(tmp_path / "latest")[0].startswith(f"Against the run before it, {FIRST}")


@pytest.mark.parametrize(
    ("cases", "values"),
    [
        ([measured(1.5, batch_size=2)], {}),
        ([measured(1.5, Status.TOO_WIDE)], {}),
        ([measured(1.5)], {"code": "other"}),
        ([measured(1.5)], {"environment": RUN["environment"] | {"cpu": "another"}}),
    ],
    ids=["other cases", "not sure", "other code", "other machine"],
)
def test_run_that_cannot_be_compared_is_passed_by(
    tmp_path: Path, cases: Sequence[CaseResult], values: dict[str, Any]
) -> None:
    run(tmp_path, FIRST, cases, **values)
    newest = run(tmp_path, SECOND, [measured(1.5)])
    assert said(newest) == []
    run(tmp_path, "20261101-090000-cccc", [measured(1.5)])
    assert len(said(newest)) == 1


def test_damaged_run_is_passed_by_and_a_file_by_itself_has_none_before_it(tmp_path: Path) -> None:
    (run(tmp_path, FIRST, [measured(1.5)]) / "results.json").write_text("{")
    newest = run(tmp_path, SECOND, [measured(1.5)])
    assert said(newest) == []
    run(tmp_path, "20261101-090000-cccc", [measured(1.5)])
    (tmp_path / "mine").mkdir()
    assert said(result_file(tmp_path / "mine", [measured(1.5)], run_id=SECOND)) == []
