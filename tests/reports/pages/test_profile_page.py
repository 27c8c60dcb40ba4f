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
    assert "Of 18.75 ms: FPN 75.0%" in text
    assert "n3 fuse" in text
    assert "Memory peaks at 2.0 MiB" in text
    assert "PANet adds 1.0 MiB to the peak" in text
    assert "Do the parts add up?" in text


@pytest.mark.parametrize(("fuse_share", "said"), [(0.4, True), (0.26, False)])
def test_profiler_that_divides_otherwise_than_the_timed_calls_is_said(
    tmp_path: Path, fuse_share: float, *, said: bool
) -> None:
    text = text_of(page(made.run_dir(tmp_path, case=made.split(fuse_share))))
    assert ("n3 fuse 25.0% instead of 40.0%" in text) is said
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
