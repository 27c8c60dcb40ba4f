"""The report: answer, cases, drawings, and that nothing from outside becomes markup."""

import dataclasses
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.schema.records import SCHEMA, SCHEMA_HISTORY, CaseResult, Status
from reports.__main__ import main
from reports.analysis import breakeven, peers_and_caches
from reports.data import frames, necks, prices, result_files
from reports.data.costs import cost
from reports.data.stages import stages
from reports.pages import cost_page, pyramid
from tests.support.factories import (
    CALM,
    case,
    facts,
    finding,
    replicate,
    result,
    rounds,
    split_replicate,
)
from tests.support.result_files import document, extra_arms

SIZES = (64, 128, 256)


def measured(ratio: float = 1.5, seconds: float = 1.0, **axes: Any) -> CaseResult:
    times = {arm: [x * seconds for x in xs] for arm, xs in rounds(ratio).items()}
    replicates = tuple(
        replicate(i, rounds_s={a: [x * (1 + i / 1000) for x in xs] for a, xs in times.items()})
        for i in range(6)
    )
    peaks = {arm: facts(peak_bytes=round(seconds * 1e6)) for arm in times}
    return result(case=case(**axes), replicates=replicates, finding=finding(facts=peaks))


def grid() -> list[CaseResult]:
    return [
        measured(
            1.4 + batch / 20,
            batch * size * size / 1e4,
            batch_size=batch,
            height_px=size,
            width_px=size,
            channels_last=layout,
        )
        for batch in (1, 2)
        for size in SIZES
        for layout in (False, True)
    ]


def written(folder: Path, results: Sequence[CaseResult], **run: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(json.dumps(document(results, **run)))
    return path


def write(paths: Sequence[Path], folder: Path) -> list[Path]:
    files = result_files.read_all(paths)
    frame = frames.frame_of(files)
    found = stages(frame[frame["arm"] == "panet"])
    table, of_necks = cost(frame), necks.of_files(files)
    of_paper = prices.prices(files, frame, table)
    drawn = pyramid.of_cases(found, table)
    return cost_page.write(files, frame, table, found, of_necks, of_paper, drawn, folder)


def page_of(folder: Path, results: list[CaseResult], **run: Any) -> str:
    (page,) = write([written(folder, results, **run)], folder)
    return page.read_text(encoding="utf-8")


def test_case_without_an_undisturbed_round_has_a_page(tmp_path: Path) -> None:
    def of(size: int, lost: tuple[int, ...]) -> CaseResult:
        made = tuple(split_replicate(i, disturbed=lost) for i in range(5))
        return result(case=case(height_px=size, width_px=size), replicates=made)

    results = [of(size, tuple(range(6))) for size in (224, 320, 640)]
    assert "1.500" in page_of(tmp_path / "all", results)
    page = page_of(tmp_path / "one", [*results[1:], of(224, ()), of(800, ()), of(1024, ())])
    assert "ms a megapixel" in page


def data_of(page: str) -> dict[str, Any]:
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    found = json.loads(text.group(1))
    assert isinstance(found, dict)
    return found


def text_of(page: str) -> str:
    return html.unescape(page)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grid, with its page beside it: for those that look at it and change nothing."""
    path = written(tmp_path_factory.mktemp("grid"), grid())
    write([path], path.parent)
    return path


def page_beside(run: Path) -> str:
    return (run.parent / cost_page.PAGE).read_text(encoding="utf-8")


def test_answer_cases_and_drawings_are_in_the_page(run: Path) -> None:
    page = text_of(page_beside(run))
    assert "PANet adds 45-50 % to the time of the neck" in page
    for title in (
        "Cost and noise",
        "Over resolution and batch: neck cnn nchw",
        "Latency over pixels: neck cnn nhwc, batch 2",
        "From nchw → nhwc",
        "Largest within a limit",
        "What others report",
    ):
        assert title in page
    assert page.count('class="open"') == len(grid())


def test_every_round_is_in_the_page(run: Path) -> None:
    cases = data_of(page_beside(run))["cases"]
    frame = frames.load(run)
    for row in frame.to_dict("records"):
        inside = cases[row["case_id"]]["rounds"][row["arm"]]
        assert [len(replicate) for replicate in inside] == [len(r) for r in row["replicates_s"]]
        assert inside[0][0] == pytest.approx(row["replicates_s"][0][0] * 1e6, abs=0.06)
    assert (run.parent / cost_page.PAGE).stat().st_size < 3 * 2**20


def test_filters_are_the_axes_that_differ(run: Path) -> None:
    legends = re.findall(r"<legend>(.*?)</legend>", page_beside(run))
    assert legends == ["batch sizes", "resolutions", "channels last"]


def test_several_runs_stand_side_by_side_and_differences_are_named(tmp_path: Path) -> None:
    few = grid()[:3]
    first = written(tmp_path / "a", few, run_id="run-a")
    other = document(few, run_id="run-b")
    other["panet"]["environment"]["cpu"] = "another"
    second = tmp_path / "b" / "results.json"
    second.parent.mkdir()
    second.write_text(json.dumps(other))
    (page,) = write([first, second], tmp_path / "out")
    text = text_of(page.read_text())
    assert "Runs run-a and run-b differ in cpu: compare their ratios, not their times." in text
    assert set(data_of(page.read_text())["cases"]) == {
        f"{run}/{each.case.case_id}" for run in ("run-a", "run-b") for each in few
    }


EVIL = "<script>alert(1)</script>\"'</script><!--\u202e" + "x" * 10_000


def test_no_text_from_outside_becomes_markup(run: Path, tmp_path: Path) -> None:
    broken = result(case=case(batch_size=4), status=Status.CRASHED, reason=EVIL, replicates=())
    made = document([*grid(), broken], run_id="run")
    made["panet"]["environment"] = dict.fromkeys(
        (*made["panet"]["environment"], "extra" + EVIL[:30]), EVIL
    ) | {"libraries": {"torch": EVIL}}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(made))
    (page,) = write([path], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    own = text.count("<script")
    clean = page_beside(run).count("<script")
    assert own == clean
    assert data_of(text)["cases"]


def test_many_cases_have_their_rounds_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_page, "MOST_WITH_ROUNDS", 3)
    cases = grid()[:4]
    page, rounds_file = write([written(tmp_path, cases)], tmp_path)
    assert all(not found["rounds"] for found in data_of(page.read_text())["cases"].values())
    stored = pd.read_parquet(rounds_file)
    assert len(stored) == sum(
        len(values) for each in cases for one in each.replicates for values in one.rounds_s.values()
    )


def test_break_evens_are_asked_for_within_limits(tmp_path: Path) -> None:
    path = written(tmp_path, grid()[::6])  # they differ in batch alone
    for within, said in (("120ms", "largest batch within 120 ms"), ("99999ms", "within 1e+05 ms")):
        assert main(["cost", str(path), "--within", within]) == 0
        assert said in text_of((tmp_path / cost_page.PAGE).read_text()), within
    assert breakeven.Limits.parse("20ms, 2gib") == breakeven.Limits(0.02, 2 * 2**30)


@pytest.mark.parametrize("text", ["fast", "", "-1ms", "0ms", "4GiB,5GiB", "50ms,50ms"])
def test_limit_that_is_none_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", str(written(tmp_path, [])), f"--within={text}"]) == 2
    assert "give 33ms, 8GiB, or both" in capsys.readouterr().err


def test_profile_that_is_damaged_is_said_so_in_the_page(tmp_path: Path) -> None:
    path = written(tmp_path, grid()[:1])
    damaged = tmp_path / "traces" / grid()[0].case.case_id / "fpn" / "profile.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    (page,) = write([path], tmp_path)
    assert 'class="warning"' in page.read_text()
    assert "profile.json" in text_of(page.read_text())


def test_older_run_says_what_it_cannot_know(tmp_path: Path) -> None:
    older = document(grid()[:1], run_id="run-a")
    older["panet"]["schema"] = SCHEMA - 1
    path = tmp_path / "results.json"
    path.write_text(json.dumps(older))
    (page,) = write([path], tmp_path)
    said = f"Run run-a was written with schema {SCHEMA - 1}. Since then: {SCHEMA_HISTORY[SCHEMA]}"
    assert said in text_of(page.read_text())


def test_company_of_a_run_is_in_the_page(tmp_path: Path) -> None:
    taken = dataclasses.replace(CALM, waited_s=0.4)
    busy = [replicate(i, load=taken, contended=i < 2) for i in range(6)]
    found = result(case=case(), replicates=tuple(busy))
    page = text_of(page_of(tmp_path, [found], hints=["chromium takes 76 % of a core: stop it"]))
    assert "When it began: chromium takes 76 % of a core: stop it." in page
    for cell in ("neck cnn b1 224 nchw", "2 of 6", "20.0 %", "waited for a CPU (2)"):
        assert f">{cell}</td>" in page
    assert ">scikit-image: astronaut</td>" in page


def test_damaged_load_is_said_so_in_the_page(tmp_path: Path) -> None:
    made = document(grid()[:1])
    made["panet"]["loads"] = {"a": [3]}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(made))
    (page,) = write([path], tmp_path)
    assert re.search(r'class="warning">[^<]*damaged load', page.read_text())


def test_run_without_an_answer_has_a_page_that_says_so(tmp_path: Path) -> None:
    failed = result(status=Status.OOM, reason="too large", replicates=())
    page = text_of(page_of(tmp_path, [failed]))
    assert "Nothing was measured." in page
    assert "oom: too large" in page


def test_peers_stand_beside_ours(tmp_path: Path) -> None:
    path = written(tmp_path, grid()[:2])
    ours = {"fpn": [1.0, 1.1], "panet": [2.0, 2.1]}
    theirs = {"torchvision_fpn": [1.5, 1.65], "mmdet_pafpn": [1.8, 1.89]}
    found, busy = (each.case for each in grid()[:2])
    extra_arms(tmp_path / "peers.json", {found: [ours | theirs] * 4, busy: []})
    text = write([path], tmp_path)[0].read_text()
    assert "<td>1.500 (1.500 to 1.500)</td>" in text
    assert "<td>0.900 (0.900 to 0.900)</td>" in text
    assert "&lt;b&gt;busy" in text


def test_caches_stand_beside_each_other(tmp_path: Path) -> None:
    path = written(tmp_path, grid()[:1])
    arms = {
        "fpn_cold": [1.2, 1.32],
        "fpn_warm": [1.0, 1.1],
        "panet_cold": [2.1, 2.31],
        "panet_warm": [1.4, 1.54],
    }
    extra_arms(tmp_path / "caches.json", {grid()[0].case: [arms] * 4})
    text = write([path], tmp_path)[0].read_text()
    assert "With caches cold and warm" in text
    found = re.findall(r">(FPN[^<]*)</td><td>([0-9.]+) \(", text)
    assert found == [
        ("FPN, cold over warm", "1.200"),
        ("FPN + PANet, cold over warm", "1.500"),
        ("FPN + PANet over FPN, cold", "1.750"),
        ("FPN + PANet over FPN, warm", "1.400"),
    ]
    assert list(peers_and_caches.sentences(tmp_path)) == [
        f"{pair}: {ratio} in 1 case" for pair, ratio in found
    ]


def test_damaged_peers_are_a_line_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_text("{")
    (line,) = peers_and_caches.sentences(tmp_path)
    assert "peers.json" in line


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 1, "cases": [3]}'])
def test_damaged_peers_are_said_so_in_the_page(content: str, tmp_path: Path) -> None:
    path = written(tmp_path, grid()[:1])
    (tmp_path / "peers.json").write_text(content)
    text = write([path], tmp_path)[0].read_text()
    assert re.search(r'class="warning">[^<]*peers.json', text)
