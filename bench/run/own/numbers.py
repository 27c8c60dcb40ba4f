"""How the numbers of an answer are written, in its sentences and in its tables."""

from bench.schema import text
from bench.stats.intervals import Estimate

UNITS = ((2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB"))

STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

DIGITS = ((100.0, 1), (10.0, 2), (0.0, 3))
"""From so many milliseconds on so many digits behind the point."""


def milliseconds(estimate: Estimate) -> str:
    """Return ``3.210 ms (±0.8 %)``."""
    return f"{ms(estimate.value)} ms ({plus_minus(estimate)})"


def signed_milliseconds(estimate: Estimate) -> str:
    """Return ``+3.210 ms ±0.020``."""
    half = estimate.half_width
    sign = "+" if estimate.value >= 0 else "-"
    return f"{sign}{ms(abs(estimate.value))} ms" + ("" if half is None else f" ±{ms(half)}")


def share(estimate: Estimate) -> str:
    """Return ``7.4 % ±0.2 %``, both of the call."""
    half = estimate.half_width
    return text.percent(estimate.value) + ("" if half is None else f" ±{text.percent(half)}")


def plus_minus(estimate: Estimate) -> str:
    """Return half of the interval relative to the value, ``±0.8 %``; ``±?`` where it is unknown."""
    half = estimate.half_width
    if half is None or not estimate.value:
        return "±?"
    return f"±{text.percent(abs(half / estimate.value))}"


def change(estimate: Estimate | None) -> str:
    """Return a ratio as a change: ``+0.2 % ±0.3 %``."""
    if estimate is None:
        return text.UNKNOWN
    return text.change(estimate.value, estimate.low, estimate.high)


def count(number: int) -> str:
    """Return ``1.24 G``, ``3.5 M`` or ``12``."""
    for factor, letter in STEPS:
        if number >= factor:
            return f"{number / factor:.3g} {letter}"
    return str(number)


def size(number_bytes: int | None) -> str:
    """Return ``12.3 MiB``, or ``0.5 KiB`` of little; three digits always say it."""
    if number_bytes is None:
        return text.UNKNOWN
    unit, name = next((u for u in UNITS if abs(number_bytes) < 999.5 * u[0]), UNITS[-1])
    return f"{number_bytes / unit:.3g} {name}"


def ms(seconds: float) -> str:
    """Return milliseconds, with no digit below a microsecond."""
    value = 1e3 * seconds
    digits = next(digits for least, digits in DIGITS if abs(value) >= least)
    return f"{value:.{digits}f}"
