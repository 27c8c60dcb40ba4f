"""What the texts of options mean: numbers, shares, durations, sizes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from bench.schema.amounts import read_bytes, read_seconds
from bench.schema.errors import BenchError


def one_of(name: str, values: Mapping[str, Any] | tuple[str, ...]) -> Callable[[str], Any]:
    """Return a parser that takes one of ``values``."""

    def parse(text: str) -> Any:  # noqa: ANN401 - the values decide
        if text not in values:
            raise BenchError(f"{name} {text!r}: choose from {', '.join(values)}")
        return values[text] if isinstance(values, Mapping) else text

    return parse


def positive(name: str) -> Callable[[str], int]:
    """Return a parser that takes a whole number of 1 or more."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text)):
            raise BenchError(f"{name} {text!r}: give a whole number of 1 or more")
        return int(text)

    return parse


def whole(name: str) -> Callable[[str], int]:
    """Return a parser that takes a whole number, 0 included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise BenchError(f"{name} {text!r}: give a whole number")
        return int(text)

    return parse


def parse_half_width(text: str) -> float:
    """Return a relative half-width: ``2%`` or ``0.02``."""
    value = _share(text)
    if not 0 < value < 1:
        raise BenchError(f"--half-width {text!r}: give a share such as 2% or 0.02")
    return value


def parse_tolerance(text: str) -> float:
    """Return a share of a call: ``0.5%`` or ``0.005``; 0 tolerates nothing."""
    value = _share(text)
    if not 0 <= value < 1:
        raise BenchError(f"--tolerance {text!r}: give a share of a call such as 0.5% or 0.005")
    return value


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        return float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        return math.nan


def parse_duration(option: str, text: str) -> float:
    """Return seconds, as `bench.schema.amounts.read_seconds` does."""
    seconds = read_seconds(text)
    if seconds is None:
        raise BenchError(f"{option} {text!r}: give a duration such as 90s, 10m or 1.5h")
    return seconds


def parse_bytes(option: str, text: str) -> int:
    """Return bytes, as `bench.schema.amounts.read_bytes` does."""
    size = read_bytes(text)
    if size is None:
        raise BenchError(f"{option} {text!r}: give a size such as 8GiB or 512MiB")
    return size
