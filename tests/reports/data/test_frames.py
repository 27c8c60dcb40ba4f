"""Result files become frames: every value is the one that was measured."""

import doctest
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from bench import stats
from bench.machine.environment import ROOT
from bench.schema.records import SCHEMA, CaseResult, Status
from reports.analysis.readable import readable
from reports.analysis.words import closing_paragraph
from reports.data import costs, frames
from reports.data.errors import ReportError
from tests.support.factories import case, replicate, result, rounds, split_replicate
from tests.support.result_files import document, measured, result_file


def cost_of(path: Path) -> pd.DataFrame:
    return costs.cost(frames.load(path))


def test_row_per_arm_and_case(tmp_path: Path) -> None:
    path = result_file(tmp_path, [measured(1.5), measured(1.4, batch_size=2)])
    frame = frames.load([path])
    assert list(frame["arm"]) == ["fpn", "panet", "fpn_again"] * 2
    panet = frame[(frame["arm"] == "panet") & (frame["batch_size"] == 2)].iloc[0]
    assert panet["latency_s"] == pytest.approx(1.4 * 0.0125)
    assert panet["images_per_s"] == pytest.approx(2 / (1.4 * 0.0125))
    assert panet["params"] == 20


def test_cost_is_recomputed_from_the_rounds_and_equals_what_the_run_said(tmp_path: Path) -> None:
    found = result()
    path = result_file(tmp_path, [found])
    row = cost_of(path).iloc[0]
    said = stats.cost(found.used, 0.02)
    assert said is not None
    assert row["ratio"] == pytest.approx(said.ratio.value)
    assert row["ratio_low"] == pytest.approx(said.ratio.low)
    assert row["aa_ratio"] == pytest.approx(1.0)
    assert row["difference_s"] == pytest.approx(said.difference_s.value)
    assert row["macs_ratio"] == pytest.approx(1.43)
    assert row["peak_difference_bytes"] == 500


def test_cost_inside_the_calls_is_recomputed_from_the_spans(tmp_path: Path) -> None:
    replicates = [split_replicate(i, 1.5 + 0.01 * (i % 3), 1.02, more=i) for i in range(6)]
    found = result(replicates=tuple(replicates))
    said = stats.cost(found.used, 0.02)
    row = cost_of(result_file(tmp_path, [found])).iloc[0]
    assert said is not None
    assert said.residual is not None
    assert row["inside"]
    assert row["ratio"] == pytest.approx(said.ratio.value)
    assert row["ratio_low"] == pytest.approx(said.ratio.low)
    assert row["residual"] == pytest.approx(1.02)
    assert row["whole_ratio"] == pytest.approx(said.ratio.value * 1.02)


def test_replicates_whose_rounds_were_all_disturbed_keep_the_calls_behind_them(
    tmp_path: Path,
) -> None:
    none_left = tuple(range(6))
    replicates = [
        split_replicate(i, 1.5 + 0.01 * (i % 3), disturbed=none_left if i else ()) for i in range(5)
    ]
    row = cost_of(result_file(tmp_path, [result(replicates=tuple(replicates))])).iloc[0]
    assert row["replicates"] == 5
    assert row["rounds"] == 6
    assert row["ratio"] == pytest.approx(np.exp(np.log([1.5, 1.51, 1.52, 1.5, 1.51]).mean()))
    behind = [1.5, 1.51, 1.52, 1.5, 1.51]  # two calls of 0.02 s beside the part, in each
    median = float(np.median([*(1.5 * x for x in rounds()["fpn"]), 0.03, 0.03]))
    assert row["panet_s"] == pytest.approx(np.mean([median, *(0.02 * x for x in behind[1:])]))
    assert row["fpn_s"] == pytest.approx(0.0125)
    assert row["whole_ratio"] == pytest.approx(1.5)


def test_case_without_an_undisturbed_round_has_a_cost_and_no_fpn(tmp_path: Path) -> None:
    lost = tuple(split_replicate(i, disturbed=tuple(range(6))) for i in range(5))
    path = result_file(tmp_path, [result(replicates=lost)])
    row = cost_of(path).iloc[0]
    assert row["ratio"] == pytest.approx(1.5)
    assert row["status"] == "ok"
    assert row["panet_s"] == pytest.approx(0.03)
    for unknown in ("fpn_s", "whole_ratio", "aa_ratio", "residual"):
        assert pd.isna(row[unknown])
    assert frames.rounds([path]).empty


def test_a_case_of_a_file_from_before_the_marks_is_read_whole(tmp_path: Path) -> None:
    row = cost_of(result_file(tmp_path, [measured(1.5)])).iloc[0]
    assert not row["inside"]
    assert row["ratio"] == row["whole_ratio"]
    assert pd.isna(row["residual"])


def test_cases_of_a_run_tell_each_other_their_spread(tmp_path: Path) -> None:
    """Alone a case hardly knows its spread from three replicates; beside others it does."""

    def case_of(batch: int, spread: float) -> CaseResult:
        ratios = [1.5 * (1 + spread * step) for step in (-1, 1, 0)]
        made = tuple(split_replicate(i, ratio) for i, ratio in enumerate(ratios))
        return result(case=case(batch_size=batch), replicates=made)

    cases = [case_of(2**i, 0.01 * k) for i, k in enumerate((1.0, 1.1, 0.9, 1.05, 0.95))]
    together = cost_of(result_file(tmp_path, cases))["half_width_ratio"]
    (tmp_path / "alone").mkdir()
    alone = cost_of(result_file(tmp_path / "alone", cases[:1]))["half_width_ratio"]
    assert float(together.min()) < 0.8 * float(alone.min())


def test_columns_are_the_documented_ones_with_their_types(tmp_path: Path) -> None:
    lost = result(Status.OOM, "no memory", case=case(batch_size=64), replicates=())
    for results in ([measured(1.5), lost], [lost]):
        frame = frames.load([result_file(tmp_path, results)])
        table = costs.cost(frame)
        for found, documented in ((frame, frames.COLUMNS), (table, costs.COST_COLUMNS)):
            types = {name: str(kind) for name, kind in found.dtypes.items()}
            assert types == {name: kind for name, (kind, _) in documented.items()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("other", [1.0, None])
def test_a_number_that_fits_no_column_is_refused_without_a_warning(other: float | None) -> None:
    with pytest.raises((TypeError, ValueError), match=r"safely cast|too large"):
        frames.typed([{"macs": 1e308}, {"macs": other}], {"macs": ("Int64", "")})


@pytest.mark.parametrize(
    "values", [["panet", None, "fpn", "panet"], ["x"], [None], [], ["a", float("nan")], [2, 1]]
)
def test_categories_are_those_that_pandas_makes(values: list[Any]) -> None:
    frame = frames.typed([{"arm": value} for value in values], {"arm": ("category", "")})
    expected = pd.DataFrame({"arm": pd.array(values, dtype="category")})
    pd.testing.assert_frame_equal(frame, expected, check_categorical=True)


def test_examples_of_the_documentation_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for module in (frames, costs):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 2) == (0, True)


def test_parquet_is_read_by_duckdb_and_polars(tmp_path: Path) -> None:
    path = tmp_path / "cost.parquet"
    cost_of(result_file(tmp_path, [measured(1.5), measured(1.4, batch_size=2)])).to_parquet(path)
    sql = f"SELECT backbone, max(ratio) FROM '{path}' GROUP BY backbone"  # noqa: S608 - our own path
    assert duckdb.connect().sql(sql).fetchall() == [("cnn", pytest.approx(1.5))]
    assert pl.read_parquet(path)["batch_size"].to_list() == [1, 2]


def test_case_without_rounds_keeps_its_row_and_its_reason(tmp_path: Path) -> None:
    lost = result(Status.OOM, "no memory", case=case(batch_size=64), replicates=())
    table = cost_of(result_file(tmp_path, [measured(1.5), lost]))
    row = table[table["batch_size"] == 64].iloc[0]
    assert (row["status"], row["reason"]) == ("oom", "no memory")
    assert pd.isna(row["ratio"])


def test_cases_are_sorted_so_that_neighbours_differ_in_one_axis(tmp_path: Path) -> None:
    results = [
        measured(1.5, batch_size=b, channels_last=layout)
        for layout in (True, False)
        for b in (2, 1)
    ]
    table = cost_of(result_file(tmp_path, results))
    assert list(table["batch_size"]) == [1, 1, 2, 2]
    assert list(table["channels_last"]) == [False, True, False, True]


def test_several_files_are_one_frame(tmp_path: Path) -> None:
    paths = [
        result_file(tmp_path, [measured(ratio)], run_id=f"run-{ratio}") for ratio in (1.5, 1.6)
    ]
    table = costs.cost(frames.load(paths))
    assert list(table["run_id"]) == ["run-1.5", "run-1.6"]
    assert list(table["ratio"]) == pytest.approx([1.5, 1.6])


def _broken(change: dict[str, Any]) -> dict[str, Any]:
    broken = document([measured(1.5)])
    broken["panet"] |= change
    return broken


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no result file, or a damaged one"),
        ("{", "no result file, or a damaged one"),
        ("[]", "no result file of pytest-benchmark"),
        ('{"benchmarks": []}', "not written by `pytest bench`"),
        (json.dumps(_broken({"schema": 99})), f"schema 99, this version reads up to {SCHEMA}"),
        (json.dumps(_broken({"outcomes": [{"case": {}}]})), "damaged result file"),
        (
            json.dumps(document([measured(1.5)])).replace('"replicates": [6', '"replicates": [7'),
            "do not divide into replicates",
        ),
    ],
)
def test_damaged_file_is_refused_with_its_name_and_what_is_wrong(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=r"results\.json") as caught:
        frames.load([path])
    assert sentence in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="No such file"):
        frames.load([tmp_path / "nothing.json"])


def test_rounds_stay_with_their_replicate(tmp_path: Path) -> None:
    frame = frames.load([result_file(tmp_path, [measured(1.5)])])
    assert frame.iloc[0]["replicates_s"] == [rounds()["fpn"]] * 5


def launched(share: float, panet_share: float) -> dict[str, list[float]]:
    """Return when the calls of `rounds` came back, as shares of them."""
    return {
        arm: [x * (panet_share if arm == "panet" else share) for x in values]
        for arm, values in rounds().items()
    }


@pytest.mark.parametrize(
    ("shares", "bound"),
    [((0.9, 0.95), "launch"), ((0.1, 0.2), "device"), ((0.9, 0.2), "launch / device")],
)
def test_what_limits_a_call_is_told_where_it_is_known(
    tmp_path: Path, shares: tuple[float, float], bound: str
) -> None:
    on_device = tuple(
        replicate(i, launch_rounds_s=launched(*shares), device_rounds_s=rounds(1.2))
        for i in range(5)
    )
    found = result(case=case(device="cuda:0"), replicates=on_device)
    path = result_file(tmp_path, [found, measured(1.5)])
    frame = frames.load([path])
    panet = frame[(frame["arm"] == "panet") & (frame["device"] == "cuda:0")].iloc[0]
    assert panet["launch_share"] == pytest.approx(shares[1])
    assert panet["device_s"] == pytest.approx(1.2 * 0.0125)
    table = costs.cost(frame)
    assert sorted(readable(table)["bound"]) == ["", bound]
    said = "1 of 1 cases are bound by launches" in closing_paragraph(table)
    assert said is (shares[1] > 0.8)
