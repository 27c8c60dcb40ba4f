"""What two profiles differ in, by more than two profiles of the same code do."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.profiling.profile_diff import IN_NO_STAGE, Explanation, StageChange, explain
from bench.schema.records import OTHER

SMOOTH, FUSE, FUSE_4 = "fpn p2 smooth", "panet n3 fuse", "panet n4 fuse"
SECONDS = {SMOOTH: 4.0, FUSE: 1.0, FUSE_4: 0.1}


def profile(
    path: Path,
    seconds: dict[str, float],
    nbytes: dict[str, int] | None = None,
    operators: dict[str, int] | None = None,
    calls: dict[str, float] | None = None,
    device_s: dict[str, float] | None = None,
    compile_mode: str = "off",
) -> Path:
    timed: dict[str, Any] = {
        name: {
            "forward_s": s,
            "backward_s": 0.0,
            "device_s": (device_s or {}).get(name, 0.0),
            "operators": (operators or {}).get(name, 1),
        }
        for name, s in ({IN_NO_STAGE: 0.0} | seconds).items()
    }
    timeline = {
        "device_s": sum(device_s.values()) if device_s else None,
        "elsewhere": timed.pop(IN_NO_STAGE),
        "stages": timed,
        "operators": {name: {"calls": count} for name, count in (calls or {}).items()},
    }
    stages = [{"name": name, "eager_bytes": (nbytes or {}).get(name, 8)} for name in timed]
    case = {"compile_mode": compile_mode}
    path.write_text(json.dumps({"case": case, "stages": stages, "timeline": timeline}))
    return path


def explained(
    folder: Path, head: Path, again: dict[str, float] | None = None, named: tuple[str, ...] = ()
) -> Explanation:
    base = profile(folder / "base.json", SECONDS, calls={"aten::conv2d": 7, "aten::clone": 0.0})
    again_at = folder / "again.json"
    again_profile = profile(again_at, again or SECONDS, calls={"aten::conv2d": 7})
    return explain("case", base, head, again_profile, named)


def test_the_stage_that_grew_comes_first_and_the_operator_that_is_new(tmp_path: Path) -> None:
    calls = {"aten::conv2d": 7, "aten::clone": 1.0}
    slower = SECONDS | {FUSE: 1.3, FUSE_4: 0.101}
    found = explained(tmp_path, profile(tmp_path / "h.json", slower, {FUSE: 16}, {FUSE: 2}, calls))
    assert found.stages == (StageChange(FUSE, 1.0, 1.3, 8, 16, 1, 2),)
    assert found.operators == {"aten::clone": (0.0, 1.0)}


def test_what_differs_less_than_the_base_from_itself_is_not_told(tmp_path: Path) -> None:
    head = profile(tmp_path / "h.json", SECONDS | {SMOOTH: 4.3, FUSE: 1.3})
    found = explained(tmp_path, head, again=SECONDS | {SMOOTH: 4.4})
    assert [change.name for change in found.stages] == [FUSE]
    assert found.repeats_within == pytest.approx(0.049, abs=0.001)


def test_one_stage_that_does_not_repeat_hides_no_other(tmp_path: Path) -> None:
    three = {"a": 1.0, "b": 1.0, "c": 1.0}
    base = profile(tmp_path / "b.json", three)
    again = profile(tmp_path / "a.json", three | {"a": 1.5})
    head = profile(tmp_path / "h.json", three | {"a": 1.4, "b": 1.1})
    assert [change.name for change in explain("case", base, head, again).stages] == ["b"]


def test_counts_that_differ_between_the_profiles_of_the_base_are_not_told(tmp_path: Path) -> None:
    base, again, head = (
        profile(tmp_path / f"{i}.json", SECONDS, operators={FUSE: i}, calls={"aten::x": i})
        for i in (3, 4, 4)
    )
    found = explain("case", base, head, again)
    assert (found.stages, found.operators) == ((), {})


def test_what_is_counted_comes_before_longer_times(tmp_path: Path) -> None:
    head = profile(tmp_path / "h.json", SECONDS | {SMOOTH: 5.0}, operators={FUSE_4: 2})
    found = explained(tmp_path, head)
    assert [change.name for change in found.stages] == [FUSE_4, SMOOTH]


def test_on_a_device_only_its_time_counts(tmp_path: Path) -> None:
    on_device = {SMOOTH: 1.0, FUSE: 1.0, FUSE_4: 0.5}
    base, again, head = (
        profile(tmp_path / f"{i}.json", SECONDS | {IN_NO_STAGE: host_s}, device_s=device_s)
        for i, (host_s, device_s) in enumerate(
            [(0.2, on_device), (0.3, on_device), (0.9, on_device | {FUSE: 1.2})]
        )
    )
    (change,) = explain("case", base, head, again).stages
    assert (change.name, change.base_s, change.head_s) == (FUSE, 1.0, 1.2)


def test_bytes_of_the_eager_network_say_nothing_of_a_compiled_one(tmp_path: Path) -> None:
    base, head = (
        profile(tmp_path / f"{i}.json", SECONDS, {FUSE: i}, compile_mode="default") for i in (8, 16)
    )
    assert explain("case", base, head, base).stages == ()


def test_small_stages_do_not_say_how_well_profiles_repeat(tmp_path: Path) -> None:
    head = profile(tmp_path / "h.json", SECONDS | {FUSE: 1.3})
    found = explained(tmp_path, head, again=SECONDS | {FUSE_4: 0.2})
    assert [change.name for change in found.stages] == [FUSE]


def test_another_number_of_operators_is_told_though_the_time_is_within_the_noise(
    tmp_path: Path,
) -> None:
    head = profile(tmp_path / "h.json", SECONDS | {FUSE: 1.05}, operators={FUSE: 2})
    found = explained(tmp_path, head, again=SECONDS | {SMOOTH: 4.4})
    assert [change.name for change in found.stages] == [FUSE]


@pytest.mark.parametrize("name", ["panet n3 sum", IN_NO_STAGE])
def test_what_one_side_alone_has_counts_with_all_its_time(tmp_path: Path, name: str) -> None:
    found = explained(tmp_path, profile(tmp_path / "h.json", SECONDS | {name: 0.5}))
    assert [(c.name, c.base_s, c.head_s) for c in found.stages] == [(name, 0.0, 0.5)]


def test_equal_profiles_explain_nothing(tmp_path: Path) -> None:
    calls = {"aten::conv2d": 7.0, "aten::clone": 0.0}
    found = explained(tmp_path, profile(tmp_path / "h.json", SECONDS, calls=calls))
    assert (found.stages, found.operators) == ((), {})


def test_stages_that_the_gate_named_are_told_and_no_others(tmp_path: Path) -> None:
    """Whatever the profiles differ in: they are one process each, and the gate has many."""
    head = profile(tmp_path / "h.json", SECONDS | {SMOOTH: 4.01, FUSE: 1.5, IN_NO_STAGE: 0.2})
    found = explained(tmp_path, head, named=(SMOOTH, OTHER, "of another network"))
    assert [stage.name for stage in found.stages] == [SMOOTH, IN_NO_STAGE]
    assert found.stages[0].head_s == 4.01
    assert found.named
    assert not explained(tmp_path, head).named
