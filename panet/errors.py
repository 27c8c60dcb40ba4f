"""The one error of this package, and what it says of a name that is none."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """An input that the networks refuse: says what is wrong, where, and what would be right."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str, most: int = 1) -> str:
    """Return which known names, so many at most, are like a wrong one; ``otherwise`` if none."""
    near = difflib.get_close_matches(name, list(known), n=most)
    return f"did you mean {', '.join(near)}?" if near else otherwise
