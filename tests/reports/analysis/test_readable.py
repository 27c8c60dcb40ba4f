"""What people read of a cost table in the terminal."""

from pathlib import Path

import pandas as pd

from bench.schema.records import CaseResult, Status
from reports.analysis.readable import brief, reasons
from reports.data import frames
from reports.data.costs import cost
from tests.support.factories import case, result
from tests.support.result_files import result_file


def table_of(folder: Path, *results: CaseResult) -> pd.DataFrame:
    return cost(frames.load(result_file(folder, results)))


def test_skipped_cases_are_told_in_a_line_and_not_in_rows(tmp_path: Path) -> None:
    skipped = result(Status.SKIPPED, "no GPU", case=case(device="cuda:0"), replicates=())
    table = table_of(tmp_path, result(), skipped)
    assert list(brief(table)["status"]) == ["ok"]
    assert reasons(table) == ["skipped: no GPU [neck cnn b1 224 nchw cuda:0]"]


def test_rows_stay_where_all_is_skipped(tmp_path: Path) -> None:
    skipped = result(Status.SKIPPED, "no GPU", case=case(device="cuda:0"), replicates=())
    assert list(brief(table_of(tmp_path, skipped))["status"]) == ["skipped"]
