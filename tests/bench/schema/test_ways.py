"""Ways of running a case: what they change, and that an arm brings its own along."""

from pathlib import Path
from typing import Any

import pytest

from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.schema.ways import in_way, way_name, way_of
from tests.support.factories import case, check_task

WAYS: dict[str, dict[str, Any]] = {
    "eager": {},
    "eager-nhwc": {"channels_last": True},
    "inductor": {"compile_mode": "default"},
    "inductor-frozen-nhwc": {"compile_mode": "frozen", "channels_last": True},
    "openvino": {"runtime": "openvino"},
}


@pytest.mark.parametrize("name", WAYS)
def test_way_leads_from_any_case_to_the_same(name: str) -> None:
    there = case(batch_size=2, **WAYS[name])
    assert way_name(there) == name
    for axes in WAYS.values():
        assert in_way(case(batch_size=2, **axes), way_of(there)) == there


def test_no_way_leaves_the_case_as_it_is() -> None:
    of = case(runtime="openvino")
    assert in_way(of, "") == of


def test_arm_brings_its_way_along_in_json(tmp_path: Path) -> None:
    there = case(runtime="openvino")
    recipe = Recipe("panet", caches="cold", way=way_of(there))
    assert Recipe.parse(str(recipe)) == recipe
    task = check_task(tmp_path, case(), arms={"fast": recipe, "slow": Recipe("panet")})
    again = type(task).from_json(task.to_json()).in_way_of(["fast"])
    assert (again.case, list(again.arms)) == (there, ["fast"])


def test_one_process_runs_in_one_way(tmp_path: Path) -> None:
    arms = {"a": Recipe("panet", way=way_of(case())), "b": Recipe("panet")}
    with pytest.raises(BenchError, match="in one way"):
        check_task(tmp_path, case(), arms=arms).in_way_of(["a", "b"])
