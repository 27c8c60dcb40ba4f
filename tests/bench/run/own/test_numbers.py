"""Sizes are three digits and a unit, whatever they are."""

import pytest

from bench.run.own.numbers import size


@pytest.mark.parametrize(
    ("number_bytes", "said"),
    [
        (512, "0.5 KiB"),
        (999 * 2**10, "999 KiB"),
        (1000 * 2**10, "0.977 MiB"),
        (64.5 * 2**20, "64.5 MiB"),
        (1040 * 2**20, "1.02 GiB"),
        (-3 * 2**20, "-3 MiB"),
    ],
)
def test_size_has_three_digits(number_bytes: int, said: str) -> None:
    assert size(number_bytes) == said
