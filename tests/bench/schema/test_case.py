"""A case as a command."""

from typing import Any

import pytest

from bench.schema.case import AXES, repeat
from bench.workload import axes, presets
from tests.support.factories import case


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 4, "channels_last": True},
        {"height_px": 224, "width_px": 320, "compile_mode": "default", "threads": 1},
        {"scope": "model", "dtype": "amp-bfloat16", "pass_name": "training"},
    ],
)
def test_command_repeats_exactly_the_case(values: dict[str, Any]) -> None:
    found = case(**values)
    command, *words = repeat(found.to_json()).removeprefix("pytest ").split()
    assert command == "bench"
    given = dict(zip(words[::2], words[1::2], strict=True))
    texts = {axis.option: given[axis.flag] for axis in AXES}
    assert axes.sweep(presets.GRID, texts) == (found,)
