"""The paper's parts, measured for real: their file, their table, and the list in the report."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="an extra; make test installs it")

from bench.run.heads import wanted
from bench.schema.paper_parts import HEADS_AGAIN, HEADS_ARMS, added
from bench.workload.networks import NETWORKS, network_of
from panet.heads import PARTS
from reports.__main__ import main
from tests.support.factories import case
from tests.support.harness import bench_here


def test_parts_are_measured_of_the_scope_heads_alone() -> None:
    assert wanted([case()]) == ()
    (extra,) = wanted([case(), case(scope="heads", boxes=10)])
    arms = extra.by_scope["heads"]
    assert list(arms) == [*HEADS_ARMS, HEADS_AGAIN]
    assert arms[HEADS_AGAIN] == arms["one_level"]
    assert {network_of(recipe).build for recipe in arms.values()} == {NETWORKS["heads"].build}
    assert {recipe.factory for recipe in arms.values()} <= set(PARTS)


def test_every_part_is_compared_with_the_one_before() -> None:
    assert dict(added()) == {
        "one_level": ("one_level_again",),
        "pooling": ("one_level", "one_level_again"),
        "fusion": ("pooling",),
        "heavier": ("fusion",),
        "one_level_again": ("one_level",),
    }


@pytest.mark.process
def test_real_run_ends_with_the_price_list(tmp_path: Path) -> None:
    done = bench_here(
        *("--scopes", "neck,heads", "--resolutions", "64", "--boxes", "2", "--threads", "1"),
        *("--devices", "cpu", "--half-width", "90%", "--budget", "4m", "--run-dir", tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the paper's parts, heads cnn" in done.stdout
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink())
    (entry,) = json.loads((run / "heads.json").read_text())["cases"]
    assert entry["reason"] == ""
    facts = entry["facts"]
    assert [facts[arm]["params"] for arm in HEADS_ARMS] == [
        *(16_954_342, 57_262_822, 77_817_718, 42_362_230)
    ]
    assert main(["cost", str(run), "--out", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page" / "report.html").read_text()
    assert "What the paper&#39;s parts cost" in page
    assert "(c) adaptive feature pooling" in page
    assert "(c) box pooling" in page
