"""How numbers and machines are written, in one way wherever people read them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "-"


def percent(share: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a share as ``2.3 %``, or as ``+2.3 %``; `None` and NaN are unknown."""
    if share is None or _missing(share):
        return UNKNOWN
    rounded = round(share * 100, digits) + 0.0  # never -0.0
    return f"{rounded:{'+' if signed else ''}.{digits}f} %"


def change(ratio: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a ratio as a change: ``+2.3 % ±0.8 %``, or ``+2.3 %`` without an interval.

    Args:
        ratio: 1.023 for ``+2.3 %``; `None` and NaN are unknown, as they are of the bounds.
        low: of its interval.
        high: the same.
    """
    if ratio is None or _missing(ratio):
        return UNKNOWN
    text = percent(ratio - 1, signed=True)
    if low is None or high is None or _missing(low) or _missing(high):
        return text
    return f"{text} ±{percent((high - low) / 2)}"


def decibels(levels: Iterable[float | None]) -> str:
    """Return ratios of signal to noise as ``27.3 to 35.1 dB``; `None` has no limit."""
    known = [math.inf if level is None else level for level in levels]
    if not known:
        return UNKNOWN
    return f"{' to '.join(dict.fromkeys(f'{end:.1f}' for end in (min(known), max(known))))} dB"


def duration(seconds: float) -> str:
    """Return ``0.35 s``, ``17 s`` or ``2.5 min``."""
    return f"{seconds:.2g} s" if seconds < 60 else f"{seconds / 60:.3g} min"


def figure(value: float) -> str:
    """Return three digits, and all in front of the point: ``0.345``, ``34.5``, ``3,452``."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def counted(count: int, thing: str) -> str:
    """Return ``1 case``, ``3 cases`` or, of a ``more case``, ``3 more cases``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: ``a, b and c``."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def machine(environment: Mapping[str, Any], *others: Mapping[str, Any]) -> str:
    """Return what was measured on: ``a CPU, 2 cores; torch 2.13.0``.

    Args:
        environment: as `bench.machine.environment.describe` returns it.
        others: of the same machine, such as a comparison's head: ``torch 2.12.0 → 2.13.0``.
    """
    cpu = f"{environment.get('cpu')}, {environment.get('cores')} cores"
    versions = [str(e.get("libraries", {}).get("torch")) for e in (environment, *others)]
    torch = " → ".join(dict.fromkeys(versions))
    return f"{environment.get('accelerator') or cpu}; torch {torch}"


def printable(told: str) -> str:
    """Return a text in which what would control a terminal is written out, as Python escapes it.

    Lines and tabs stay. Names of files, networks and messages of errors come from anyone.
    """
    if told.isprintable():
        return told
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]
        for letter in told
    )


def in_a_line(told: str) -> str:
    """Return a text as `printable` does, in one line."""
    return printable(" ".join(told.split("\n")))


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
