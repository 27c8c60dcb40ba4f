"""What two profiles differ in."""

import json
from pathlib import Path
from typing import Any

from bench.explain import explain


def profile(path: Path, stages: dict[str, tuple[float, int]], calls: dict[str, float]) -> Path:
    timed: dict[str, Any] = {
        name: {"forward_s": s, "backward_s": 0.0, "device_s": 0.0}
        for name, (s, _) in stages.items()
    }
    operators = {name: {"calls": count} for name, count in calls.items()}
    path.write_text(
        json.dumps(
            {
                "stages": [{"name": n, "eager_bytes": b} for n, (_, b) in stages.items()],
                "timeline": {"stages": timed, "operators": operators},
            }
        )
    )
    return path


def test_the_stage_that_grew_comes_first_and_the_operator_that_is_new(tmp_path: Path) -> None:
    stages = {"fpn p2 smooth": (4.0, 10), "panet n3 fuse": (1.0, 8), "panet n4 fuse": (1.0, 2)}
    base = profile(tmp_path / "b.json", stages, {"aten::conv2d": 7, "aten::clone": 0.0})
    slower = stages | {"panet n3 fuse": (1.3, 16), "panet n4 fuse": (1.01, 2)}
    head = profile(tmp_path / "h.json", slower, {"aten::conv2d": 7, "aten::clone": 1})
    found = explain("case", base, head)
    (change,) = found.stages
    assert (change.name, change.base_s, change.head_s) == ("panet n3 fuse", 1.0, 1.3)
    assert (change.base_bytes, change.head_bytes) == (8, 16)
    assert found.operators == {"aten::clone": (0.0, 1.0)}


def test_a_stage_of_one_side_alone_counts_with_all_its_time(tmp_path: Path) -> None:
    base = profile(tmp_path / "b.json", {"a": (1.0, 1)}, {})
    head = profile(tmp_path / "h.json", {"a": (1.0, 1), "b": (0.5, 2)}, {})
    (change,) = explain("case", base, head).stages
    assert (change.name, change.base_s, change.head_s) == ("b", 0.0, 0.5)


def test_equal_profiles_explain_nothing(tmp_path: Path) -> None:
    same = profile(tmp_path / "b.json", {"a": (1.0, 1)}, {"x": 1.0})
    found = explain("case", same, same)
    assert (found.stages, found.operators) == ((), {})
