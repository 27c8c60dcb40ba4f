"""What the cost of PANet could buy instead: the largest batch or image within a limit, with either.

Interpolated between measured points only, on logarithmic axes (what a call takes grows by powers of
the batch and of the pixels); beyond them there is no answer. An interval follows from the intervals
of the points.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd

from bench.schema.amounts import read_bytes, read_seconds
from bench.schema.case import FIELDS
from bench.stats import Floats
from reports.analysis.names import ARM_NAMES
from reports.data.errors import ReportError
from reports.data.rows import rows_of

ALONG = {"batch_size": "batch", "pixels": "resolution"}
"""Column -> what it is called."""


@dataclass(frozen=True)
class Limits:
    """Of the questions: by default 30 images a second, and a usual GPU's memory."""

    seconds: float = 1 / 30
    nbytes: int = 8 * 2**30

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``33ms,8GiB``, or one of them.

        Raises:
            ReportError: it is neither a time nor a size, or two of the same.
        """
        found: dict[str, Any] = {}
        for part in text.split(","):
            seconds, nbytes = read_seconds(part), read_bytes(part)
            name, value = ("nbytes", nbytes) if nbytes is not None else ("seconds", seconds)
            if value is None or name in found:
                raise ReportError(f"--within {text!r}: give 33ms, 8GiB, or both")
            found[name] = value
        return cls(**found)


@dataclass(frozen=True)
class Largest:
    """The largest batch or resolution within a limit, for one arm."""

    arm: str
    along: str
    """Of `ALONG`."""
    value: float | None
    """Batch, or pixels of an image; `None` where the smallest measured one is over the limit."""
    low: float | None
    high: float | None
    beyond: bool
    """Whether even the largest measured one is within the limit: then `value` is that one."""


def with_pixels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cost table with the pixels of an image as a column."""
    return table.assign(pixels=table["height_px"] * table["width_px"])


def groups(table: pd.DataFrame, along: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the cases that differ in one axis alone, two of them or more, in its order.

    Args:
        table: of `reports.data.costs.cost`, with pixels.
        along: of `ALONG`.
    """
    measured = table[table["ratio"].notna()] if "ratio" in table else table.iloc[:0]
    varying = {"batch_size"} if along == "batch_size" else {"height_px", "width_px"}
    fixed = ["run_id", *(axis for axis in FIELDS if axis not in varying)]
    for values, rows in measured.groupby(fixed, sort=False, observed=True):
        if len(set(rows[along])) > 1:
            yield dict(zip(fixed, values, strict=True)), rows.sort_values(along)


def largest(rows: pd.DataFrame, along: str, column: str, limit: float) -> list[Largest]:
    """Return for both arms how far they come within a limit.

    Args:
        rows: one of the `groups`.
        along: of `ALONG`.
        column: ``s`` (seconds of a call) or ``peak_bytes``, behind ``fpn_`` and ``panet_``.
        limit: in the unit of the column.
    """
    return [_largest(rows, arm, along, f"{arm}_{column}", limit) for arm in ARM_NAMES]


def _largest(rows: pd.DataFrame, arm: str, along: str, column: str, limit: float) -> Largest:
    points = rows[along].to_numpy(float)
    values = rows[column].to_numpy(float)
    if values[-1] <= limit:
        return Largest(arm, along, points[-1], None, None, beyond=True)
    found = crossing(points, values, limit)
    bounds: list[float | None] = [None, None]
    for place, end in enumerate(("high", "low")):  # slower than measured: fewer fit
        name = f"{column}_{end}"
        bound = rows[name].to_numpy(float) if name in rows and rows[name].notna().all() else None
        if bound is not None and bound.min() > 0 and bound[-1] > limit:
            bounds[place] = crossing(points, bound, limit)
    return Largest(arm, along, found, bounds[0], bounds[1], beyond=False)


def crossing(points: Floats, values: Floats, limit: float) -> float | None:
    """Return where a rising curve reaches a limit; `None` where it starts above.

    Args:
        points: positive, ascending.
        values: positive, one per point.
        limit: positive.
    """
    if values[0] > limit:
        return None
    xs, ys = np.log(points), np.log(values)
    above = next((i for i in range(len(ys)) if ys[i] > math.log(limit)), None)
    if above is None:
        return float(points[-1])
    share = (math.log(limit) - ys[above - 1]) / (ys[above] - ys[above - 1])
    return float(math.exp(xs[above - 1] + share * (xs[above] - xs[above - 1])))


@dataclass(frozen=True)
class Line:
    """Latency of an arm against the pixels of a call: fixed cost, and cost per megapixel."""

    fixed_s: float
    """Extrapolated to no pixels at all: below 0 it is within the noise of 0."""
    per_megapixel_s: float

    def __str__(self) -> str:
        """Say it in words."""
        slope = f"{self.per_megapixel_s * 1e3:.1f} ms a megapixel"
        if self.fixed_s < 0:
            return f"{slope}, and no fixed cost that can be told from 0"
        return f"{self.fixed_s * 1e3:.2f} ms a call and {slope}"


MEGAPIXEL = 1e6

MIN_POINTS = 3


def line(rows: pd.DataFrame, arm: str) -> Line | None:
    """Return the least-squares line through the resolutions of a group; `None` of fewer than three.

    Two points are always on a line. Relative residuals: a small image is as good a point as a large
    one.
    """
    pixels = (rows["pixels"] * rows["batch_size"]).to_numpy(float) / MEGAPIXEL
    seconds = rows[f"{arm}_s"].to_numpy(float)
    if len(set(pixels)) < MIN_POINTS:
        return None
    design = np.stack([1 / seconds, pixels / seconds], axis=1)
    (fixed_s, per_megapixel_s), *_ = np.linalg.lstsq(design, np.ones(len(seconds)), rcond=None)
    return Line(float(fixed_s), float(per_megapixel_s))


def deeper(table: pd.DataFrame) -> Iterator[tuple[dict[Any, Any], str, tuple[float, float, float]]]:
    """Yield what PANet costs as a share of what the next dearer backbone would, with FPN.

    Args:
        table: of `reports.data.costs.cost`; backbones are compared where all else is equal.

    Yields:
        A case, the next dearer backbone, and the share with its interval: the ends are those of
        both prices, the worst together.
    """
    measured = table[(table["scope"] == "model") & table["ratio_low"].notna()]
    fixed = ["run_id", *(axis for axis in FIELDS if axis != "backbone")]
    for _, rows in measured.groupby(fixed, sort=False, observed=True):
        ordered = rows_of(rows.sort_values("fpn_s"))
        for row, dearer in pairwise(ordered):
            least = dearer["fpn_s_low"] - row["fpn_s_high"]
            if least > 0:  # otherwise their prices are not told apart
                most = dearer["fpn_s_high"] - row["fpn_s_low"]
                share = row["difference_s"] / (dearer["fpn_s"] - row["fpn_s"])
                ends = [
                    row[f"difference_s_{end}"] / of
                    for end in ("low", "high")
                    for of in (most, least)
                ]
                yield row, str(dearer["backbone"]), (share, min(ends), max(ends))


def equal_resolution(
    rows: pd.DataFrame, row: Mapping[Any, Any]
) -> tuple[float, float, float] | None:
    """Return how much larger an image FPN alone could take for the price of PANet, per side.

    Args:
        rows: a group along ``pixels``.
        row: of them, that of the case whose price it is.

    Returns:
        Relative growth of a side (0.1: 10 % more) with its interval; `None` where the larger image
        is outside the measured range.
    """
    points, values = rows["pixels"].to_numpy(float), rows["fpn_s"].to_numpy(float)
    found = []
    for name in ("difference_s", "difference_s_low", "difference_s_high"):
        if pd.isna(row[name]):
            return None
        price_s = float(row["fpn_s"] + row[name])
        if price_s > values[-1] or price_s < values[0]:
            return None
        pixels = crossing(points, values, price_s)
        assert pixels is not None  # noqa: S101 - between the ends
        found.append(math.sqrt(pixels / float(row["pixels"])) - 1)
    value, low, high = found
    return value, low, high
