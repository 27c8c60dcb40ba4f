"""What of two stored runs is compared, and how much slower is too slow."""

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.data.errors import ReportError

DEFAULT_THRESHOLD = 0.05
"""Two runs of equal code, one after the other, differ by 2-4 % on shared machines."""


@dataclass(frozen=True)
class Metric:
    """Something that is compared; lower is better for all of them."""

    name: str
    read: tuple[str, ...]
    """What is compared: the first `reports.data.series.Series.metric` that both sides have; nothing
    where it is counted, under its name."""
    carries_over: bool
    """Means the same on another machine."""
    gates_elsewhere: bool = False
    """Whether it may fail a comparison of different environments."""

    @property
    def exact(self) -> bool:
        """Counted, not measured: any difference is real."""
        return not self.read

    @property
    def timed(self) -> bool:
        """In seconds, which the machine's speed is in."""
        return not self.exact and not self.carries_over


METRICS = {
    metric.name: metric
    for metric in (
        Metric("latency", ("latency",), carries_over=False),
        Metric("time", ("time",), carries_over=False),
        Metric("cost", ("inside", "cost"), carries_over=True, gates_elsewhere=True),
        Metric("residual", ("residual",), carries_over=True, gates_elsewhere=True),
        Metric("macs", (), carries_over=True, gates_elsewhere=True),
        Metric("params", (), carries_over=True, gates_elsewhere=True),
        Metric("peak_bytes", (), carries_over=True),
        Metric("operators", (), carries_over=True),
        Metric("graph_breaks", (), carries_over=True),
    )
}
"""Those of parts, ``time`` and ``residual``, are of runs of `panet-bench cost` alone."""


def parse(text: str | None) -> tuple[str, ...]:
    """Read ``latency,cost``; all of `METRICS` where nothing is given.

    Raises:
        ReportError: one is unknown.
    """
    names = list(METRICS) if text is None else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ReportError(f"--metrics {', '.join(unknown)}: choose from {', '.join(METRICS)}")
    return tuple(names)


@dataclass(frozen=True)
class Thresholds:
    """How much slower is too slow, relative; the last pattern that fits a case decides."""

    patterns: tuple[tuple[str, float], ...] = (("*", DEFAULT_THRESHOLD),)

    def of(self, case_id: str) -> float:
        """Return the threshold of a case."""
        return next(
            value for pattern, value in reversed(self.patterns) if fnmatch.fnmatch(case_id, pattern)
        )

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Thresholds":
        """Read ``3%``, ``0.03`` and ``resnet50-*=5%``.

        Raises:
            ReportError: a text is none of these.
        """
        found = [("*", DEFAULT_THRESHOLD)]
        for text in texts:
            pattern, _, size = text.rpartition("=")
            try:
                value = float(size.removesuffix("%")) / (100 if size.endswith("%") else 1)
            except ValueError:
                value = math.nan
            if not 0 <= value < math.inf:
                raise ReportError(
                    f"--threshold {text!r}: give a share such as 3%, or 'resnet50-*=5%'"
                )
            found.append((pattern or "*", value))
        return cls(tuple(found))
