"""Profiles as frames: shares of the profile, amounts of the timed rounds, limits of the machine."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.data import profile_frames, profiles
from reports.data.errors import ReportError
from reports.data.parts import parts
from tests.support import profiles as made


@pytest.fixture
def found(tmp_path: Path) -> profiles.Profiles:
    return profiles.load(made.run_dir(tmp_path))


def row(table: pd.DataFrame, *key: str) -> dict[Any, Any]:
    """Return the one row with this index."""
    (found,) = table.loc[[key[0] if len(key) == 1 else key]].to_dict("records")
    return found


def test_time_of_a_stage_is_its_share_of_the_measured_latency(found: profiles.Profiles) -> None:
    table = profile_frames.stages(found).set_index(["arm", "stage"])
    lateral, fuse = row(table, "panet", made.LATERAL), row(table, "panet", made.FUSE)
    assert lateral["share"] == pytest.approx(0.75)
    assert fuse["share"] == pytest.approx(0.25)
    assert lateral["time_s"] + fuse["time_s"] == pytest.approx(0.01875)
    assert row(table, "fpn", made.LATERAL)["time_s"] == pytest.approx(0.0125)


def test_time_of_a_stage_is_that_of_the_timed_calls_where_they_are_split(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path, case=made.split(fuse_share=0.4))
    table = profile_frames.stages(profiles.load(run)).set_index(["arm", "stage"])
    fuse = row(table, "panet", made.FUSE)
    assert fuse["share"] == pytest.approx(0.4)
    assert fuse["profile_share"] == pytest.approx(0.25)
    assert fuse["time_s"] == pytest.approx(0.4 * 0.01875)
    assert row(table, "fpn", made.LATERAL)["time_s"] == pytest.approx(0.0125)


def test_rates_and_distance_from_the_limit(found: profiles.Profiles) -> None:
    table = profile_frames.stages(found).set_index(["arm", "stage"])
    fuse = row(table, "panet", made.FUSE)
    assert fuse["intensity"] == pytest.approx(100)
    assert fuse["flops_per_s"] == pytest.approx(1e8 / 0.0046875)
    # 0.1 GFLOP at 100 GFLOP/s take longer than 1 MB at 10 GB/s.
    assert fuse["bound_by"] == "compute"
    assert fuse["bound_s"] == pytest.approx(1e-3)
    assert fuse["ceiling_share"] == pytest.approx(1e-3 / 0.0046875)


def test_a_stage_without_arithmetic_is_bound_by_memory(tmp_path: Path) -> None:
    stages = [made.stage(made.LATERAL, macs=0), made.stage(made.FUSE)]
    run = made.run_dir(tmp_path, panet=made.profile("panet", stages=stages))
    table = profile_frames.stages(profiles.load(run)).set_index(["arm", "stage"])
    assert row(table, "panet", made.LATERAL)["bound_by"] == "memory"


def test_without_ceilings_there_is_no_limit(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    (run / "ceilings.json").write_text(json.dumps({"cpu-float32-t2": None}))
    assert profile_frames.stages(profiles.load(run))["ceiling_share"].isna().all()


def test_difference_per_stage_counts_what_fpn_does_not_have(found: profiles.Profiles) -> None:
    table = profile_frames.differences(profile_frames.stages(found)).set_index("stage")
    assert row(table, made.FUSE)["adds_s"] == pytest.approx(0.0046875)
    assert table["adds_s"].sum() == pytest.approx(0.01875 - 0.0125)


def test_operators_are_ranked_by_their_own_time(found: profiles.Profiles) -> None:
    table = profile_frames.operators(found)
    first = table[table["arm"] == "panet"].iloc[0]
    assert (first["operator"], first["calls"], first["share"]) == ("aten::conv2d", 2, 1.0)


def test_parts_alone_and_as_what_they_add(found: profiles.Profiles) -> None:
    table = parts(found).set_index("part")
    assert list(table.index) == ["fpn", "panet", "all", "residual"]
    assert row(table, "panet")["alone_s"] == pytest.approx(0.005 * 1.025)
    assert row(table, "panet")["adds_s"] == pytest.approx(0.00625 * 1.025)
    assert row(table, "all")["alone_s"] == pytest.approx(0.0175 * 1.025)
    assert row(table, "all")["adds_s"] == pytest.approx(0.01875 * 1.025)
    assert row(table, "panet")["adds_s_low"] < row(table, "panet")["adds_s"]
    assert not row(table, "panet")["disagrees"]
    assert row(table, "residual")["adds_s"] == pytest.approx(0.00125 * 1.025)


def test_a_profile_that_divides_otherwise_is_marked(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    made.write_parts(run, {"panet": 0.014}, {"fpn": 0.004, "panet": 0.018})
    table = parts(profiles.load(run)).set_index("part")
    assert row(table, "panet")["disagrees"]


def test_a_run_without_profiles_says_how_to_get_some(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path, with_parts=False)
    for path in run.rglob("profile.json"):
        path.unlink()
    with pytest.raises(ReportError, match="--traces --parts"):
        profiles.load(run)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}', "[" * 100_000])
def test_a_damaged_profile_is_named_and_the_others_are_read(content: str, tmp_path: Path) -> None:
    run = made.run_dir(tmp_path)
    path = next(run.rglob("profile.json"))
    path.write_text(content)
    found = profiles.load(run)
    (said,) = found.damaged
    assert str(path) in said
    assert len(found.arms) == 1


def test_all_damaged_is_an_error(tmp_path: Path) -> None:
    run = made.run_dir(tmp_path, with_parts=False)
    for path in run.rglob("profile.json"):
        path.write_text("")
    with pytest.raises(ReportError, match=r"profile\.json"):
        profiles.load(run)
