"""The network with the milliseconds on it: every stage is there, whatever the network."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import reports
from bench.machine.environment import ROOT
from reports.__main__ import main
from reports.data import frames, profile_frames, result_files
from reports.pages import pyramid
from reports.pages.pyramid_layout import COLUMN, GAP, MARGIN
from tests.support import profiles

SVG = "{http://www.w3.org/2000/svg}"
REFERENCE = ROOT / "reports" / "reference"
PICTURE = REFERENCE / "pyramid.svg"


def spans(*names: str) -> list[dict[Hashable, Any]]:
    times: dict[Hashable, Any] = {"time_s": 0.002, "time_s_low": 0.0015, "time_s_high": 0.0025}
    return [{"stage": name, "share": 1 / len(names), **times} for name in names]


def drawn(*names: str) -> ET.Element:
    return ET.fromstring(pyramid.svg(spans(*names), "a case", "an answer"))  # noqa: S314 - our own


def stages_of(picture: ET.Element) -> list[str]:
    """Return what a screen reader says of the stages."""
    return [str(group.get("aria-label")) for group in picture.iter(f"{SVG}g")]


def test_every_stage_says_its_name_time_and_share() -> None:
    names = ("fpn p3 lateral", "fpn p2 lateral", "fpn p2 top-down sum", "panet n3 fuse")
    picture = drawn(*names, "other")
    said = [f"{name}: 2.00 ±0.50 ms, 20.0 %" for name in names]
    assert sorted(stages_of(picture)) == sorted(said)
    assert all(group.get("tabindex") == "0" for group in picture.iter(f"{SVG}g"))
    assert picture.get("aria-label") == "a case. an answer"


def test_a_neck_of_other_levels_draws_itself() -> None:
    names = [f"fpn p{level} lateral" for level in (3, 4, 5, 6, 7)]
    heads = [each.text for each in drawn(*names).iter(f"{SVG}tspan") if each.get("class") == "head"]
    assert heads == ["FPN", "p7", "p6", "p5", "p4", "p3"]


def test_the_level_that_the_path_takes_as_it_is_has_no_time() -> None:
    picture = drawn("fpn p3 lateral", "fpn p2 lateral", "panet n3 sum")
    spoken = ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]
    assert "n2 = p2" in spoken
    assert not any("n2" in said for said in stages_of(picture))


def test_nothing_is_outside_the_picture_and_no_text_runs_into_another() -> None:
    """By the letters of DejaVu, the widest of usual fonts; the longest names are of our stages."""
    picture = ET.fromstring(PICTURE.read_text())  # noqa: S314 - our own
    *_, width, height = map(float, str(picture.get("viewBox")).split())
    for rect in picture.iter(f"{SVG}rect"):
        x, y, w, h = (float(str(rect.get(name))) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= width - w
        assert 0 <= y <= height - h
    for group in picture.iter(f"{SVG}g"):
        name, time, *_ = group.findall(f"{SVG}text")
        letters = len(name.text or "") + len(time.text or "")
        assert 9.2 * letters < COLUMN - 18, (name.text, time.text)


def worked(macs: int, bound_by: str | None, share: float | None) -> str:
    rates = {"flops_per_s": 2e12, "bytes_per_s": 4.25e9}
    more: dict[Hashable, Any] = {"macs": macs, "bound_by": bound_by, "ceiling_share": share}
    row = spans("panet n3 fuse")[0] | more | rates
    picture = ET.fromstring(pyramid.svg([row], "a case", "an answer"))  # noqa: S314 - our own
    (said,) = stages_of(picture)
    seen = [text.text for text in picture.iter(f"{SVG}text") if "work" in str(text.get("class"))]
    assert all(str(text) in said for text in seen)
    return said.partition("100.0 %, ")[2]


def test_stage_says_what_it_computes_and_how_near_the_ceiling_it_comes() -> None:
    assert worked(1_234_000_000, "compute", 0.613) == "1.2 GMAC, 2.0 TFLOP/s, 61 %"
    assert worked(58_000_000, "memory", 0.5) == "58 MMAC, 4.2 GB/s, 50 %"
    assert worked(0, "memory", 0.5) == "4.2 GB/s, 50 %"
    assert worked(0, "cache", None) == "4.2 GB/s"


def test_work_is_that_of_the_profile(tmp_path: Path) -> None:
    run = profiles.run_dir(tmp_path, case=profiles.split(0.4))
    assert main(["cost", str(run)]) == 0
    (picture,) = (run / pyramid.FOLDER).glob("*.svg")
    # 100 MFLOP in 7.5 ms, of 100 GFLOP/s
    assert "panet n3 fuse: 7.50 ±0.00 ms, 40.0 %, 50 MMAC, 13 GFLOP/s, 13 %" in picture.read_text()


@pytest.mark.parametrize("levels", [(2, 3, 4, 5), (1, 2, 3, 4, 5), (3,)])
def test_backbone_is_above_the_others_on_a_phone(levels: tuple[int, ...]) -> None:
    names = [f"{part}{level}" for level in levels for part in ("backbone c", "fpn p", "panet n")]
    wide, tall = (
        ET.fromstring(pyramid.svg(spans(*names), "a case", "an answer", tall=tall))  # noqa: S314
        for tall in (False, True)
    )
    assert sorted(stages_of(wide)) == sorted(stages_of(tall))
    width = float(str(tall.get("viewBox")).split()[2])
    assert width == MARGIN * 2 + COLUMN * 2 + GAP
    boxes = [box for box in tall.iter(f"{SVG}rect") if box.get("fill") == "none"]
    corners = {(str(box.get("x")), str(box.get("y"))) for box in boxes}
    assert len(corners) == len(names)  # none lies on another


def test_stages_of_somebody_else_s_network_are_no_pyramid() -> None:
    assert pyramid.svg(spans("encoder.layer1", "head"), "a case", "an answer") == ""


def test_texts_from_outside_are_escaped() -> None:
    text = pyramid.svg(spans("fpn p2 <b>"), '<i>"a"', "&")
    assert "<b>" not in text
    assert "<i>" not in text
    ET.fromstring(text)  # noqa: S314 - our own


def test_picture_of_the_readme_is_that_of_the_reference_run() -> None:
    files = result_files.read_all(REFERENCE)
    frame = frames.frame_of(files)
    found = reports.stages(frame[frame["arm"] == "panet"])
    pictures = pyramid.of_cases(found, reports.cost(frame), profile_frames.work(files))
    assert PICTURE.read_text() in [picture.wide for picture in pictures.values()]
    assert "reports/reference/pyramid.svg" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("split", [True, False])
def test_report_writes_a_picture_per_case_that_was_split(tmp_path: Path, *, split: bool) -> None:
    case = profiles.split(0.4) if split else None
    run = profiles.run_dir(tmp_path, case=case)
    assert main(["cost", str(run)]) == 0
    assert len([*(run / pyramid.FOLDER).glob("*.svg")]) == split
    assert ("panet n3 fuse: " in (run / "report.html").read_text()) is split
