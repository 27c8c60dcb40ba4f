"""Two stored runs: what is judged, what is only reported, and what is never passed over."""

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.schema.records import CaseResult, Status
from bench.stats.verdict import Verdict, overall
from reports.__main__ import main
from reports.analysis import compare_files
from reports.analysis.metrics import Thresholds
from reports.data import result_files, run_series
from reports.data.errors import ReportError
from reports.data.rows import rows_of
from reports.pages.compare_files_page import readable
from tests.support.factories import (
    case,
    facts,
    finding,
    replicate,
    result,
    rounds,
    split_replicate,
)
from tests.support.result_files import document

SHAPES: list[dict[str, Any]] = [{"batch_size": size} for size in (1, 2, 4, 8)]


def run(folder: Path, name: str, results: list[CaseResult], **environment: Any) -> Path:
    made = document(results, run_id=name)
    made["panet"]["environment"] |= environment
    path = folder / f"{name}.json"
    path.write_text(json.dumps(made))
    return path


def measured(slower: float = 1.0, ratio: float = 1.5, seed: int = 0, **axes: Any) -> CaseResult:
    """A case of eight replicates that differ by a percent; all arms ``slower`` times as slow."""
    chance = random.Random(seed)
    replicates = []
    for index in range(8):
        factor = slower * (1 + chance.gauss(0, 0.01))
        taken = rounds(ratio * (1 + chance.gauss(0, 0.005)))
        scaled = {arm: [x * factor for x in xs] for arm, xs in taken.items()}
        replicates.append(replicate(index, rounds_s=scaled))
    return result(case=case(**axes), replicates=tuple(replicates))


def suite(slower: dict[int, float] | None = None, seed: int = 0) -> list[CaseResult]:
    factors = slower or {}
    return [
        measured(factors.get(shape["batch_size"], 1.0), seed=seed + i, **shape)
        for i, shape in enumerate(SHAPES)
    ]


def compared(base: Path, head: Path, **asked: Any) -> pd.DataFrame:
    request = {"thresholds": Thresholds(), **asked}
    return compare_files.compare(run_series.read(base), run_series.read(head), **request)


def verdicts(table: pd.DataFrame, metric: str) -> dict[int, Verdict]:
    rows = table[table["metric"] == metric]
    return {
        int(row["case_id"].split("-b")[1].split("-")[0]): row["verdict"]
        for row in rows.to_dict("records")
    }


def test_equal_runs_are_within_noise(tmp_path: Path) -> None:
    table = compared(run(tmp_path, "a", suite()), run(tmp_path, "b", suite(seed=50)))
    assert set(table["verdict"]) == {Verdict.WITHIN_NOISE}
    assert overall(table["verdict"]) is Verdict.WITHIN_NOISE


def test_a_case_that_became_slower_by_more_than_the_threshold(tmp_path: Path) -> None:
    base, head = run(tmp_path, "a", suite()), run(tmp_path, "b", suite({4: 1.12}, seed=50))
    table = compared(base, head)
    found = verdicts(table, "latency")
    assert found == {
        **dict.fromkeys((1, 2, 8), Verdict.WITHIN_NOISE),
        4: Verdict.REGRESSED,
    }
    assert set(verdicts(table, "cost").values()) == {Verdict.WITHIN_NOISE}
    assert main(["compare", str(base), str(head)]) == 1
    assert main(["compare", str(base), str(head), "--threshold", "20%"]) == 0


def test_less_than_the_threshold_is_no_alarm(tmp_path: Path) -> None:
    table = compared(run(tmp_path, "a", suite()), run(tmp_path, "b", suite({4: 1.04}, seed=50)))
    assert set(table["verdict"]) == {Verdict.WITHIN_NOISE}


def test_most_cases_together_are_the_machine(tmp_path: Path) -> None:
    slower = dict.fromkeys((1, 2, 4), 1.2)
    table = compared(run(tmp_path, "a", suite()), run(tmp_path, "b", suite(slower, seed=50)))
    assert set(verdicts(table, "latency").values()) == {Verdict.UNDECIDED}
    assert "python -m bench compare" in " ".join(table["reason"].dropna())
    assert overall(table["verdict"]) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("threshold", "slower", "verdict"),
    [("20%", 1.1, Verdict.WITHIN_NOISE), ("3%", 1.045, Verdict.UNDECIDED)],
)
def test_cases_move_together_beyond_their_own_thresholds(
    threshold: str, slower: float, verdict: Verdict, tmp_path: Path
) -> None:
    base = run(tmp_path, "a", suite())
    head = run(tmp_path, "b", suite(dict.fromkeys((1, 2, 4, 8), slower), seed=50))
    table = compared(base, head, thresholds=Thresholds.parse([threshold]))
    assert set(verdicts(table, "latency").values()) == {verdict}


def test_on_another_machine_only_what_carries_over_is_judged(tmp_path: Path) -> None:
    costlier = [measured(2.0, ratio=1.8, seed=i, **shape) for i, shape in enumerate(SHAPES)]
    table = compared(run(tmp_path, "a", suite()), run(tmp_path, "b", costlier, cpu="another"))
    assert set(verdicts(table, "latency").values()) == {Verdict.INCOMPARABLE}
    assert set(verdicts(table, "cost").values()) == {Verdict.REGRESSED}
    assert "cpu differ" in " ".join(table["reason"].dropna())


def in_runtime(version: str, slower: float = 1.0, **axes: Any) -> CaseResult:
    base = measured(slower, runtime="openvino", **axes)
    known = facts(read_back={"version": version, "threads": "2"})
    arms = dict.fromkeys(("fpn", "panet", "fpn_again"), known)
    return result(case=base.case, replicates=base.replicates, finding=finding(facts=arms))


def test_cases_of_another_version_of_their_runtime_are_compared_as_on_another_machine(
    tmp_path: Path,
) -> None:
    base = run(tmp_path, "a", [in_runtime("1.1"), *suite()])
    table = compared(base, run(tmp_path, "b", [in_runtime("1.2", 2.0), *suite()]))
    moved = table[table["verdict"] == Verdict.INCOMPARABLE]
    assert set(moved["case_id"]) == {in_runtime("1.1").case.case_id}
    assert "versions of its runtime (1.1, 1.2) differ" in moved["reason"].iloc[0]
    table = compared(base, run(tmp_path, "c", [in_runtime("1.1", 2.0), *suite()]))
    assert set(table.loc[table["verdict"] == Verdict.REGRESSED, "metric"]) == {"latency"}
    unknown = [measured(2.0, runtime="openvino"), *suite()]
    table = compared(base, run(tmp_path, "d", unknown))
    assert Verdict.INCOMPARABLE not in set(table["verdict"])


def with_facts(**values: Any) -> CaseResult:
    panet = facts(params=20, macs=143, peak_bytes=1500, operators=30)
    changed = {**panet.to_json(), **values}
    arms = {"fpn": facts(operators=20), "panet": type(panet)(**changed), "fpn_again": facts()}
    base = measured()
    return result(case=base.case, replicates=base.replicates, finding=finding(facts=arms))


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ({"macs": 144}, "macs"),
        ({"peak_bytes": 1501}, "peak_bytes"),
        ({"operators": 31}, "operators"),
    ],
)
def test_what_is_counted_is_judged_exactly(
    values: dict[str, int], metric: str, tmp_path: Path
) -> None:
    base = run(tmp_path, "a", [with_facts()])
    table = compared(base, run(tmp_path, "b", [with_facts(**values)]))
    worse = table[table["verdict"] == Verdict.REGRESSED]
    assert list(worse["metric"]) == [metric]
    less = {name: value - 5 for name, value in values.items()}
    table = compared(base, run(tmp_path, "c", [with_facts(**less)]))
    assert list(table.loc[table["verdict"] == Verdict.IMPROVED, "metric"]) == [metric]


def test_elsewhere_memory_is_reported_and_arithmetic_is_judged(tmp_path: Path) -> None:
    base = run(tmp_path, "a", [with_facts()])
    head = run(tmp_path, "b", [with_facts(peak_bytes=9999, macs=200)], cpu="another")
    table = compared(base, head)
    assert list(table.loc[table["verdict"] == Verdict.REGRESSED, "metric"]) == ["macs"]


def test_a_case_that_is_gone_is_never_passed_over(tmp_path: Path) -> None:
    base, head = run(tmp_path, "a", suite()), run(tmp_path, "b", suite()[:3])
    table = compared(base, head)
    (row,) = table[table["verdict"] == Verdict.MISSING].to_dict("records")
    assert "missing in the head" in row["reason"]
    (shown,) = (each for each in rows_of(readable(table)) if each["verdict"] == "missing")
    assert shown["metric"] == "status"
    assert main(["compare", str(base), str(head)]) == 1
    assert main(["compare", str(head), str(base)]) == 0  # a new case is no loss
    common = result_files.read(head).document["benchmarks"][0]["extra_info"]["case_id"]
    assert main(["compare", str(base), str(head), "--case", common]) == 0
    assert main(["compare", str(base), str(head), "--case", "zzz"]) == 2


def test_a_case_that_no_longer_runs_is_never_passed_over(tmp_path: Path) -> None:
    lost = result(Status.OOM, "no memory", case=suite()[0].case, replicates=())
    table = compared(run(tmp_path, "a", suite()), run(tmp_path, "b", [lost, *suite()[1:]]))
    assert "ok became oom: no memory" in set(table["reason"])
    assert overall(table["verdict"]) is Verdict.MISSING


def test_a_contended_case_decides_nothing(tmp_path: Path) -> None:
    calm = measured(1.5)
    busy = CaseResult(calm.case, Status.CONTENDED, "busy", calm.finding, calm.replicates)
    table = compared(
        run(tmp_path, "a", [measured()]), run(tmp_path, "b", [busy]), metrics=["latency"]
    )
    assert set(table["verdict"]) == {Verdict.UNDECIDED}


def test_thresholds_hold_for_the_cases_that_they_name() -> None:
    found = Thresholds.parse(["3%", "resnet50-*=0.1", "*-training-*=2%"])
    assert found.of("cnn-neck") == 0.03
    assert found.of("resnet50-neck") == 0.1
    assert found.of("resnet50-neck-training-t2") == 0.02


@pytest.mark.parametrize("text", ["much", "-3%", "a=b", "nan"])
def test_a_wrong_threshold_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ReportError, match="give a share such as 3%"):
        Thresholds.parse([text])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"panet": {"schema": 99}}'])
def test_a_bad_file_is_one_line_and_exit_code_2(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = run(tmp_path, "a", suite()), tmp_path / "bad.json"
    bad.write_text(content)
    for pair in ([good, bad], [bad, good]):
        assert main(["compare", *map(str, pair)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_metric_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(run(tmp_path, "a", suite()))
    assert main(["compare", path, path, "--metrics", "speed"]) == 2
    assert "choose from latency, time, cost" in capsys.readouterr().err


def test_what_is_worse_is_shown_first_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, head = run(tmp_path, "a", suite()), run(tmp_path, "b", suite({4: 1.12}, seed=50))
    main(["compare", str(base), str(head)])
    shown = capsys.readouterr().out
    assert "\n2 regressed, " in shown
    assert not [*tmp_path.rglob("compare.*")], "beside a run it might overwrite somebody's"
    main(["compare", str(base), str(head), "--out", str(tmp_path)])
    written = (tmp_path / "compare.md").read_text().splitlines()
    assert "regressed" in written[4]
    assert len(pd.read_csv(tmp_path / "compare.csv")) > 8


def busy(slower: float) -> CaseResult:
    """A split case of which one replicate has undisturbed rounds, and all have other calls."""
    whole = split_replicate(0)
    none = {arm: list[float]() for arm in whole.rounds_s}
    cut = {arm: {stage: list[float]() for stage in stages} for arm, stages in whole.spans_s.items()}
    more = [split_replicate(i, more=20, rounds_s=none, spans_s=cut) for i in (1, 2)]
    scaled = {arm: [x * slower for x in seconds] for arm, seconds in whole.rounds_s.items()}
    return result(case=case(), replicates=(split_replicate(0, rounds_s=scaled), *more))


def test_disturbed_rounds_are_no_calm_ones(tmp_path: Path) -> None:
    table = compared(run(tmp_path, "a", [busy(1.0)]), run(tmp_path, "b", [busy(3.0)]))
    latency = table[table["metric"] == "latency"]
    assert set(latency["verdict"]) == {Verdict.UNDECIDED}
    assert (latency["head"] / latency["base"]).tolist() == pytest.approx([3.0, 3.0])


def test_what_moved_between_runs_of_the_same_code_is_the_machine(tmp_path: Path) -> None:
    def of(code: str, name: str, slower: dict[int, float]) -> Path:
        path = run(tmp_path, name, suite(slower, seed=len(name)))
        made = json.loads(path.read_text())
        made["panet"]["code"] = code
        path.write_text(json.dumps(made))
        return path

    base, later, other = of("a", "base", {}), of("a", "later", {8: 1.5}), of("b", "other", {8: 1.5})
    table = compared(base, later)
    assert verdicts(table, "latency")[8] == Verdict.UNDECIDED
    assert set(table["reason"]) == {"", compare_files.SAME_CODE}
    assert overall(table["verdict"]) == Verdict.UNDECIDED
    assert verdicts(compared(base, other), "latency")[8] == Verdict.REGRESSED
