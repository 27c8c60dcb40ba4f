"""What others report for the price of PANet, from ``published.toml``."""

import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Figure:
    """One published figure and where it is from."""

    what: str
    gain: str
    source: str
    fpn: str = ""
    panet: str = ""


def figures() -> tuple[Figure, ...]:
    """Return the published figures: theirs, not ours."""
    text = resources.files("reports.data").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Figure(**entry) for entry in tomllib.loads(text)["figure"])
