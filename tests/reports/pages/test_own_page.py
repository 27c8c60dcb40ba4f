"""The page of anyone's network, from what `panet-bench cost` left on a simulated machine."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.__main__ import main as bench
from bench.profiling.attribution import timeline
from bench.schema.files import COST, PROFILE, profile_folder
from reports.__main__ import main
from reports.data import own_runs
from reports.pages import call_picture
from tests.support import profiles, traces
from tests.support.own_networks import simulated

KINDS = {
    "parts": ("{net}:make", "--parts-of", "neck", "--resolutions", "32,64"),
    "exchange": ("{net}:make", "--part", "neck", "--with", "{net}:wider", "--resolutions", "32"),
    "networks": ("a={net}:make", "b={net}:Net", "--input", "1x3x8x8"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Measure each kind of question once; return their folders."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind, words in KINDS.items():
            folder = tmp_path_factory.mktemp(kind)
            simulated(patch, folder)
            asked = [word.format(net=folder / "mynet.py") for word in words]
            where = ["--devices", "cpu", "--threads", "1", "--run-dir", str(folder)]
            assert bench(["cost", *asked, *where]) == 0
            (found[kind],) = folder.glob("cost-*")
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_report_says_what_the_command_said(
    kind: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", str(runs[kind]), "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    markdown = (tmp_path / "cost.md").read_text()
    run = own_runs.read(runs[kind])
    assert run.cases
    for case in run.cases:
        assert case.answer
        for sentence in (*case.answer, *case.notes):
            assert sentence in shown
            assert sentence in markdown
            assert sentence.replace("`", "").replace("'", "&#39;") in page
        for heads, rows in case.tables:
            assert all(f">{cell}</t" in page for cell in (*heads, *rows[0]) if "µ" not in cell)
    assert page.count('<svg class="pyramid"') == len(run.cases)
    assert "Process by process" in page
    assert "How quiet the machine was" in page
    assert "Where it was measured" in page


def test_report_says_how_parts_moved_since_the_run_before(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = shutil.copytree(runs["parts"], tmp_path / runs["parts"].name)
    document = json.loads((first / COST).read_text())
    slower, half = f"{first.name}-2", document["cases"][0]["replicates"]
    for replicate in half:  # a part becomes a tenth slower, and so does its call
        for of_arm in ("spans_s", "more_spans_s"):
            for spans_s in replicate[of_arm].values():
                spans_s["neck.bottom_up"] = [1.1 * s for s in spans_s["neck.bottom_up"]]
        for arm, spans_s in replicate["spans_s"].items():
            replicate["rounds_s"][arm] = [sum(c) for c in zip(*spans_s.values(), strict=True)]
    document["run"]["run_id"] = slower
    (tmp_path / slower).mkdir()
    (tmp_path / slower / COST).write_text(json.dumps(document))
    assert main(["cost", str(tmp_path / slower)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Against the run before it, {first.name}, 4 ratios moved by -" in said
    assert "; most: neck.bottom_up, mynet.py:make " in said

    document["run"]["networks_code"] = {"mynet": "another"}
    (tmp_path / slower / COST).write_text(json.dumps(document))
    assert main(["cost", str(tmp_path / slower)]) == 0
    assert "Against the run" not in capsys.readouterr().out


def test_rows_are_those_of_the_frame(runs: dict[str, Path], tmp_path: Path) -> None:
    assert main(["cost", str(runs["parts"]), "--out", str(tmp_path)]) == 0
    table = pd.read_parquet(tmp_path / "cost.parquet")
    assert list(table["part"]) == ["neck.lateral", "neck.bottom_up", "rest", "call"] * 2
    assert set(table["status"]) == {"ok"}
    assert table["share"][:3].sum() == pytest.approx(1)
    assert pd.read_csv(tmp_path / "cost.csv")["time_s"].notna().all()
    for picture in (tmp_path / "pictures").iterdir():
        ET.parse(picture)  # noqa: S314 - our own


def test_arms_are_read_like_those_of_ours(runs: dict[str, Path]) -> None:
    frame = own_runs.frame(own_runs.read(runs["exchange"]))
    assert list(frame["arm"]) == ["network", "network_again", "exchanged"]
    assert frame["latency_s"].notna().all()
    assert set(frame["spans_s"][0]) == {"neck", "other"}


def test_names_of_the_picture_are_escaped_and_short() -> None:
    row: dict[Any, Any] = {"network": "<b>", "part": "a" * 99, "time_s": 0.002, "share": 1.0}
    drawn = call_picture.svg([row, {**row, "part": "call"}])
    ET.fromstring(drawn)  # noqa: S314 - our own
    assert ">2 ms per call<" in drawn
    assert "&lt;b&gt;: what its parts take" in drawn
    assert "..." in drawn
    assert call_picture.svg([]) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{run}", "{run}"), "ask for its report alone"),
        (("{run}", "--within", "33ms"), "--within: break-evens are of PANet on FPN"),
        (("{old}",), "schema 1, this version reads 2"),
        (("{damaged}",), "damaged result file (KeyError"),
    ],
)
def test_wrong_use_is_one_line(
    words: tuple[str, ...],
    said: str,
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = json.loads((runs["parts"] / COST).read_text())
    for name, change in (("old", {"schema": 1}), ("damaged", {"asked": {}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / COST).write_text(json.dumps(content | change))
    places = {"run": runs["parts"], "old": tmp_path / "old", "damaged": tmp_path / "damaged"}
    asked = [word.format(**places) for word in words]
    assert main(["cost", *asked, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_profile_is_of_the_networks_that_were_asked_for(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traces are made up; the stages in them are the parts of the run."""
    run = tmp_path / "cost-1"
    shutil.copytree(runs["exchange"], run)
    (case,) = own_runs.read(run).cases
    for arm in ("network", "exchanged"):
        folder = profile_folder(run, case.result.case.case_id, arm)
        folder.mkdir(parents=True)
        events = [
            traces.step(0, 0, 100),
            traces.stage("neck", 0, 65),
            traces.operator("aten::conv2d", 2, 62),
            traces.memory(4, 2**20, 1),
        ]
        stage = profiles.stage("neck part all") | {"name": "neck", "level": "neck"}
        stage |= {"part": "", "step": ""}
        made = timeline(events, ["neck"]).to_json()
        (folder / PROFILE).write_text(
            json.dumps(profiles.profile(arm, stages=[stage], timeline=made))
        )
    assert main(["profile", str(run)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    net = runs["exchange"].parent / "mynet.py"
    assert re.search(r"Of 10\.80 ±1\.04 ms: neck 20\.0 % \(100\.0 % of the MACs\)", said)
    page = (run / "profile.html").read_text()
    assert f"{net}:wider ms" in page
    assert f"{net}:make ms" in page
    stages = pd.read_csv(run / "profile-stages.csv")
    assert list(stages["arm"]) == [f"{net}:wider", f"{net}:make"]
    assert set(stages["time_from"]) == {"timed"}
    assert main(["cost", str(run)]) == 0
    assert "profile.html" in (run / "report.html").read_text()


def test_run_without_profiles_says_how_to_get_them(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(runs["parts"])]) == 2
    assert "has no profile; measure with --traces" in capsys.readouterr().err
