"""The page of a profile: everything inside, everything escaped."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from reports.__main__ import main
from tests.support import profiles as made


def page(run: Path) -> str:
    assert main(["profile", str(run)]) == 0
    return (run / "profile.html").read_text()


def text_of(html: str) -> str:
    """Return what a reader sees, without the drawings."""
    without = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without))


def test_page_says_where_the_time_goes(tmp_path: Path) -> None:
    text = text_of(page(made.run_dir(tmp_path)))
    assert re.search(r"Of 18\.75 ±\d+\.\d\d ms: FPN 75\.0 %", text)
    assert "neck cnn b1 224 nchw" in text
    assert "n3 fuse" in text
    assert "Memory peaks at 2.0 MiB" in text
    assert "PANet adds 1.0 MiB to the peak" in text
    assert "Do the parts add up?" in text


@pytest.mark.parametrize(("fuse_share", "said"), [(0.4, True), (0.26, False)])
def test_profiler_that_divides_otherwise_than_the_timed_calls_is_said(
    tmp_path: Path, fuse_share: float, *, said: bool
) -> None:
    text = text_of(page(made.run_dir(tmp_path, case=made.split(fuse_share))))
    assert ("n3 fuse 25.0 % instead of 40.0 %" in text) is said
    assert ("divides the time otherwise" in text) is said


def test_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    html = page(made.run_dir(tmp_path))
    assert not re.search(r"<(script|link|img|iframe)[^>]*\s(src|href)\s*=", html)
    assert "@import" not in html.split("</style>")[0]


def test_frames_are_written_beside_the_page(tmp_path: Path) -> None:
    page(made.run_dir(tmp_path))
    stages = pd.read_csv(tmp_path / "profile-stages.csv")
    assert list(stages["stage"]) == [made.LATERAL, made.LATERAL, made.FUSE]
    for name in ("differences", "operators", "parts"):
        assert len(pd.read_csv(tmp_path / f"profile-{name}.csv"))


def test_texts_from_outside_are_escaped(tmp_path: Path) -> None:
    stages = [
        made.stage(made.LATERAL, weights=["<script>alert(1)</script>"]),
        made.stage(made.FUSE),
    ]
    html = page(made.run_dir(tmp_path, panet=made.profile("panet", stages=stages)))
    assert "<script>alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_profile_of_the_parts_alone_has_a_page(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    for path in run.rglob("profile.json"):
        path.unlink()
    assert "Do the parts add up?" in text_of(page(run))


def test_parts_that_were_not_measured_say_why(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    stored = json.loads((run / "parts.json").read_text())
    stored["cases"][0] |= {"replicates": [], "reason": "the budget was spent"}
    (run / "parts.json").write_text(json.dumps(stored))
    assert "They were not measured: the budget was spent." in text_of(page(run))


def test_damaged_profile_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made.run_dir(tmp_path)
    path = next(run.rglob("profile.json"))
    stored = json.loads(path.read_text())
    del stored["timeline"]["stages"]
    path.write_text(json.dumps(stored))
    assert main(["profile", str(run)]) == 2
    error = capsys.readouterr().err
    assert "damaged profile" in error
    assert error.count("\n") == 1


def test_parts_of_a_case_that_the_run_has_not_are_named(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    path = run / "parts.json"
    stored = json.loads(path.read_text())
    stored["cases"][0]["case"]["height_px"] += 32
    path.write_text(json.dumps(stored))
    assert "damaged profile" in text_of(page(run))


def test_a_profile_that_cannot_be_read_costs_its_arm_and_no_more(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    path = next(path for path in run.rglob("profile.json") if path.parent.name == "fpn")
    path.write_text("[[[")
    text = text_of(page(run))
    assert "FPN has no profile" in text
    assert "damaged JSON" in text
    assert "FPN 75.0 %" in text


def test_what_only_a_disturbed_profile_tells_is_grey_or_left_out(tmp_path: Path) -> None:
    disturbed = made.profile("panet", disturbed_steps=1)  # of one
    html = page(made.run_dir(tmp_path, panet=disturbed))
    text = text_of(html)
    assert "FPN + PANet: the profile was disturbed: other programs ran in 1 of its 1 steps" in text
    assert "FPN 75.0 %" not in text
    assert "of it in n3 fuse" not in text
    assert "bbbbbb" in html
    assert text.count("own ms (profile)") == 1  # of FPN's operators


def test_marks_tell_the_time_of_stages_whatever_the_profile(tmp_path: Path) -> None:
    disturbed = made.profile("panet", disturbed_steps=1)
    html = page(made.run_dir(tmp_path, case=made.split(0.4), panet=disturbed))
    assert "FPN 60.0 %" in text_of(html)
    assert "bbbbbb" not in html


@pytest.mark.parametrize(
    ("work", "limit", "said"),
    [
        ({"bytes": 10**9, "macs": 0}, "cache", False),
        ({"macs": 10**10}, "low ceiling", True),
        ({}, "compute", False),
    ],
)
def test_no_stage_is_shown_above_its_ceiling(
    tmp_path: Path, work: dict[str, int], limit: str, *, said: bool
) -> None:
    stages = [made.stage(made.LATERAL), made.stage(made.FUSE, **work)]
    run = made.run_dir(tmp_path, panet=made.profile("panet", stages=stages))
    text = text_of(page(run))
    (found,) = pd.read_csv(run / "profile-stages.csv").tail(1).to_dict("records")
    assert found["bound_by"] == limit
    assert pd.isna(found["ceiling_share"]) is (limit != "compute")
    assert ("faster than the ceiling of this machine" in text) is said


def test_parts_of_too_few_replicates_lead_to_no_conclusion(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    stored = json.loads((run / "parts.json").read_text())
    del stored["cases"][0]["replicates"][2:]
    (run / "parts.json").write_text(json.dumps(stored))
    assert "too few replicates to say whether that is noise" in text_of(page(run))
