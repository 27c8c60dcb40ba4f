"""Necks beside FPN, from the file of a run to the frame, the page and the CSV."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import reports
from bench.schema.case import Case
from bench.schema.records import CaseResult
from reports.__main__ import main
from reports.data.errors import ReportError
from tests.reports.pages.test_cost_page import grid, written
from tests.support.factories import case
from tests.support.result_files import extra_arms

ALL = grid()

CASES = [found.case for found in ALL[:2]]

ROUNDS = {"fpn": [1.0, 1.2], "panet": [1.5, 1.8], "fpn_again": [1.1, 1.32]}

FACTS = {
    "fpn": {"params": 10, "macs": 1000, "peak_bytes": 2**20},
    "panet": {"params": 20, "macs": 1400, "peak_bytes": None},
    "fpn_again": {"params": 10, "macs": 1000, "peak_bytes": 2**20},
}


def run(folder: Path, *cases: Case, results: Sequence[CaseResult] = ALL[:2]) -> Path:
    """Write a run whose necks were measured in the first of some cases; the others were busy."""
    path = written(folder, results)
    first, *others = cases
    aside = extra_arms(folder / "necks.json", {first: [ROUNDS] * 4, **{x: [] for x in others}})
    content = json.loads(aside.read_text())
    for entry in content["cases"]:
        entry["facts"] = FACTS
    aside.write_text(json.dumps(content))
    return path


def test_frame_has_a_row_per_neck(tmp_path: Path) -> None:
    table = reports.necks(run(tmp_path, *CASES))
    assert list(table) == list(reports.NECK_COLUMNS)
    ours = table[table["case_id"] == CASES[0].case_id].set_index("neck")
    assert list(ours.index) == ["fpn", "panet", "fpn_again"]
    assert ours.loc["panet", "ratio"] == pytest.approx(1.5 / 1.1**0.5)  # of both turns
    assert ours.loc["fpn_again", "ratio"] == pytest.approx(1.1)
    assert ours.loc["fpn", "ratio"] == 1
    assert ours.loc["panet", "macs_ratio"] == 1.4
    assert ours.loc["panet", "macs_per_s"] == pytest.approx(1400 / 1.65)
    assert list(ours["peak_bytes"].isna()) == [False, True, False]
    busy = table[table["case_id"] == CASES[1].case_id]
    assert busy["call_s"].isna().all()
    assert set(busy["reason"]) == {"<b>busy"}


def test_neck_that_cannot_be_in_a_case_has_a_row_that_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(tmp_path, *CASES)
    stored = json.loads((tmp_path / "necks.json").read_text())
    stored["cases"][0]["left_out"] = {
        "nas_fpn": {"status": "skipped", "reason": "it takes <b>5 levels"}
    }
    (tmp_path / "necks.json").write_text(json.dumps(stored))
    (row,) = (r for r in reports.necks(path).to_dict("records") if r["neck"] == "nas_fpn")
    assert row["reason"] == "skipped: it takes <b>5 levels"
    assert pd.isna(row["ratio"])
    assert main(["cost", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"nas_fpn in {CASES[0].case_id}: skipped: it takes <b>5 levels" in said
    assert "nas_fpn skipped: it takes &lt;b&gt;5 levels" in (tmp_path / "report.html").read_text()


def test_rate_is_of_inference_alone(tmp_path: Path) -> None:
    axes: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password
    table = reports.necks(run(tmp_path, case(**axes)))
    assert table["call_s"].notna().all()
    assert table["macs_per_s"].isna().all()


def test_command_writes_the_page_and_the_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", str(run(tmp_path, *CASES))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "time and MACs over fpn: panet 1.430 ±0.9 % and 1.400" in said
    assert len(pd.read_csv(tmp_path / "necks.csv")) == 6
    page = (tmp_path / "report.html").read_text()
    assert "Which neck is worth its MACs" in page
    assert "GMACs of a call" in page
    assert "&lt;b&gt;busy" in page


def test_run_without_necks_says_nothing_of_them(tmp_path: Path) -> None:
    assert reports.necks("reports/reference").empty
    assert main(["cost", str(written(tmp_path, ALL[:2]))]) == 0
    assert not (tmp_path / "necks.csv").exists()
    assert "worth its MACs" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("broken", ["{", '{"schema": 1}', '{"schema": 1, "cases": [3]}'])
def test_damaged_file_is_a_line(
    broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(tmp_path, *CASES)
    (tmp_path / "necks.json").write_text(broken)
    with pytest.raises(ReportError, match=r"necks\.json"):
        reports.necks(path)
    assert main(["cost", str(path)]) == 0
    assert "necks.json" in capsys.readouterr().out
    assert "necks.json" in (tmp_path / "report.html").read_text()


def test_fpn_without_counts_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = run(tmp_path, *CASES)
    content = json.loads((tmp_path / "necks.json").read_text())
    del content["cases"][0]["facts"]["fpn"]
    (tmp_path / "necks.json").write_text(json.dumps(content))
    with pytest.raises(ReportError, match="damaged"):
        reports.necks(path)
