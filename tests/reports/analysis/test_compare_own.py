"""Two stored runs of anyone's network: what is judged, and what is never passed over."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.schema.files import COST
from bench.schema.records import Status
from bench.stats.verdict import Verdict, overall
from reports.__main__ import main
from reports.analysis import compare_files
from reports.analysis.metrics import Thresholds
from reports.data import run_series
from tests.support.own_files import own_run
from tests.support.result_files import measured, result_file

Compare = Callable[..., pd.DataFrame]

SLOWER = {"neck": 0.003, "head": 0.002}


def table_of(base: Path, head: Path) -> pd.DataFrame:
    return compare_files.compare(run_series.read(base), run_series.read(head), Thresholds())


@pytest.fixture
def compared(tmp_path: Path) -> Compare:
    """Compare a run with a neutral one of the same question."""
    numbers = itertools.count()

    def compare(kind: str = "parts", *arguments: Any, **options: Any) -> pd.DataFrame:
        base, head = (f"{side}-{next(numbers)}" for side in ("base", "head"))
        changed = own_run(tmp_path, head, kind, *arguments, **options)
        return table_of(own_run(tmp_path, base, kind), changed)

    return compare


def found(table: pd.DataFrame, verdict: Verdict) -> set[tuple[str, str]]:
    """Return metric and arm of a verdict."""
    rows = table[table["verdict"] == verdict]
    return set(zip(rows["metric"], rows["arm"].fillna(""), strict=True))


@pytest.mark.parametrize("kind", ["parts", "exchange", "networks"])
def test_equal_runs_are_within_noise(kind: str, compared: Compare) -> None:
    table = compared(kind, speed=1.02)
    assert set(table["verdict"]) == {Verdict.WITHIN_NOISE}
    assert not table["arm"].str.endswith("_again").any()


def test_part_that_became_slower_is_named_in_milliseconds_and_as_a_ratio(
    compared: Compare,
) -> None:
    """The call is 12 ms, so the part alone shows what the call shows less of."""
    table = compared("parts", SLOWER)
    assert found(table, Verdict.REGRESSED) == {
        *(("time", "neck"), ("cost", "neck")),
        ("latency", "the network"),
    }
    (row,) = table[(table["metric"] == "time") & (table["arm"] == "neck")].to_dict("records")
    assert row["base"] == pytest.approx(0.002, rel=0.01)
    assert row["ratio"] == pytest.approx(1.5)
    (row,) = table[(table["metric"] == "cost") & (table["arm"] == "neck")].to_dict("records")
    assert (row["base"], row["head"]) == pytest.approx((12 / 10, 13 / 10), rel=0.01)


def test_on_another_machine_only_what_carries_over_is_judged(compared: Compare) -> None:
    other = {"environment": {"cpu": "another", "libraries": {"torch": "2.15.0"}}}
    table = compared("parts", SLOWER, speed=3, macs=31, run=other)
    assert found(table, Verdict.REGRESSED) == {
        *(("cost", "neck"), ("macs", "neck"), ("macs", "head"))
    }
    assert found(table, Verdict.INCOMPARABLE) == {
        *(("latency", "the network"), ("time", "neck"), ("time", "head"))
    }
    assert "measured elsewhere: cpu differ" in set(table["reason"])


def test_exchange_is_compared_on_both_sides_and_with_its_residual(compared: Compare) -> None:
    table = compared("exchange")
    other = "neck=mynet:bifpn"
    timed = table[table["metric"].isin(["latency", "time", "cost", "residual"])]
    assert set(zip(timed["metric"], timed["arm"], strict=True)) == {
        *(("latency", "the network"), ("latency", f"the network with {other}")),
        *(("time", "neck"), ("time", other), ("cost", "neck"), ("cost", other)),
        *(("cost", f"the network with {other}"), ("residual", other)),
    }


@pytest.mark.parametrize(
    ("kind", "options", "lost"),
    [
        ("parts", {"parts": ["neck"]}, "head"),
        ("exchange", {"instead": "mynet:nas"}, "neck=mynet:bifpn"),
    ],
)
def test_part_or_network_that_is_gone_is_never_passed_over(
    kind: str, options: dict[str, Any], lost: str, compared: Compare
) -> None:
    table = compared(kind, **options)
    assert ("status", lost) in found(table, Verdict.MISSING)
    assert "missing in the head: renamed, or not measured" in set(table["reason"])
    assert overall(table["verdict"]) is Verdict.MISSING


def test_case_that_no_longer_runs_or_is_contended_is_told(compared: Compare) -> None:
    table = compared(status=Status.OOM)
    assert list(table["reason"]) == ["ok became oom: because"]
    table = compared("parts", SLOWER, status=Status.CONTENDED)
    assert set(table.loc[table["verdict"] == Verdict.UNDECIDED, "reason"]) == {"contended"}
    assert found(table, Verdict.REGRESSED) == set()


def test_network_that_got_other_inputs_is_another(tmp_path: Path) -> None:
    runs = [
        own_run(tmp_path, shape, "parts", SLOWER, shapes=[shape], given={"devices": "cpu"})
        for shape in ("1x3x64x64", "1x9x64x64")
    ]
    (row,) = table_of(*runs).to_dict("records")
    assert row["verdict"] == Verdict.INCOMPARABLE
    assert row["reason"] == "called with other inputs: 1x3x64x64 and 1x9x64x64"
    assert set(table_of(runs[1], runs[1])["verdict"]) == {Verdict.WITHIN_NOISE}


def test_two_kinds_of_runs_are_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, ours = own_run(tmp_path, "cost-1"), result_file(tmp_path, [measured(1.5)])
    assert main(["compare", str(own), str(ours)]) == 2
    said = capsys.readouterr().err
    assert f"{own / COST} is of `panet-bench cost` and {ours} is of `pytest bench`" in said
    assert said.count("\n") == 1


def test_command_prints_and_draws_files_of_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, part_s in (("monday", 0.002), ("today", SLOWER)):
        file = own_run(tmp_path, name, "parts", part_s) / COST
        files.append(file.rename(tmp_path / f"{name}.json"))
    asked = ["compare", *map(str, files), "--out", str(tmp_path / "out")]
    assert main(asked) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "regressed mynet:make b1 64 nchw time, neck 2.00 ms 3.01 ms +50.0 %" in said
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "Has it become slower? monday → today" in page
    assert '"name":"neck"' in page
    assert main([*asked, "--metrics", "macs"]) == 0
    assert main([*asked, "--case", "*-64x64-*", "--threshold", "60%"]) == 0
    assert main([*asked, "--case", "zzz"]) == 2
