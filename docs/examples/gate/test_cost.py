"""What a part of the trunk may cost: a limit that pytest holds it to."""

from typing import Any

from workload import make


def test_last_block_is_a_third_of_the_call_at_most(cost: Any) -> None:  # noqa: ANN401 - `bench.cost`
    """The end of the interval decides, not the point."""
    found = cost(make, part="blocks.2", resolution=128, threads=1, half_width="5%", budget="30s")
    assert found.inside.high < 0.4
