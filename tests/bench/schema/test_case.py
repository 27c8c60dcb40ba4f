"""A case as a command."""

from typing import Any

import pytest

from bench.schema.case import AXES, Case, repeat
from bench.workload import axes, presets
from tests.support.factories import case


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 4, "channels_last": True},
        {"height_px": 224, "width_px": 320, "compile_mode": "default", "threads": 1},
        {"scope": "model", "dtype": "amp-bfloat16", "pass_name": "training"},
        {"levels": "p3-p7"},
    ],
)
def test_command_repeats_exactly_the_case(values: dict[str, Any]) -> None:
    found = case(**values)
    command, *words = repeat(found.to_json()).removeprefix("pytest ").split()
    assert command == "bench"
    given = dict(zip(words[::2], words[1::2], strict=True))
    texts = {axis.option: given[axis.flag] for axis in AXES}
    assert axes.sweep(presets.GRID, texts) == (found,)


def test_levels_are_the_article_s_where_a_file_does_not_say_them() -> None:
    stored = case().to_json()
    assert stored.pop("levels") == "p2-p5"
    before = Case.from_json(stored)
    assert before == case()
    assert before.case_id == "cnn-neck-b1-224x224-cpu-float32-nchw-eager-inference-t2"
    assert case(levels="p3-p7").case_id == f"{before.case_id}-p3_p7"
