"""How times and sizes are written in options: one grammar for all of them."""

import re

SECONDS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}

NUMBER = r"(\d+(?:\.\d+)?)\s*"


def read_seconds(text: str) -> float | None:
    """Return ``33ms``, ``90s``, ``10m`` or ``1.5h`` in seconds, as which a bare number counts.

    `None`: it is none of them, or 0.
    """
    found = re.fullmatch(NUMBER + r"(ms|s|m|h)?", text.strip(), re.IGNORECASE)
    if found is None:
        return None
    return float(found[1]) * SECONDS[(found[2] or "").lower()] or None


def read_bytes(text: str) -> int | None:
    """Return ``8GiB``, ``8G`` (the same), ``8GB`` (a billion each) or ``512MiB`` in bytes.

    `None`: it is none of them, or less than 1.
    """
    found = re.fullmatch(NUMBER + r"([KMGT])(i?B)?", text.strip(), re.IGNORECASE)
    if found is None:
        return None
    power = 1 + "KMGT".index(found[2].upper())
    base = 1000 if (found[3] or "").lower() == "b" else 1024
    return int(float(found[1]) * base**power) or None
