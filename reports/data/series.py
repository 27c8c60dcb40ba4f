"""The numbers by which runs are compared and followed: one form for every kind of run.

What `pytest bench` left has FPN and FPN + PANet, what `panet-bench cost` left anyone's networks and
parts. Whoever looks at several runs (`reports compare`, `history`, `export`) sees only this.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.stats import between_runs
from bench.stats.readings import centre
from reports.data.result_files import ResultFile

SECONDS = ("latency", "time", "mean")
"""Metrics that are times; the others are ratios. ``mean`` is of others' files."""


@dataclass(frozen=True)
class Series:
    """A number of a case, as one run found it; lower is better."""

    metric: str
    """``latency`` of a network and ``time`` of a part, in seconds; ``inside``, a call over the same
    call without the part; ``cost``, whole calls over those of the base; ``residual``."""
    arm: str
    """Which network, or which part; empty: PANet, of the runs of `pytest bench`."""
    logs: list[float]
    """Of every replicate that has such rounds the logarithm of its number."""
    estimate: stats.Estimate | None
    """Of all of them; `None` without any."""

    def apart(self, other: "Series") -> float:
        """Return the standard deviation of what two runs of the machine differ by.

        Known of what is added to a call; of times it is the speed of the machine, which is not.
        """
        if self.metric not in {"inside", "cost"}:
            return 0.0
        return math.hypot(*(between_runs.sd(float(np.mean(each.logs))) for each in (self, other)))


@dataclass(frozen=True)
class CaseSeries:
    """What a run knows of a case."""

    name: str
    """As people read it; others may be called alike."""
    status: str
    reason: str
    series: Mapping[tuple[str, str], Series]
    """By metric and arm."""
    counted: Mapping[str, Mapping[Any, Any]]
    """Network or part -> what is counted of it: ``macs``, ``params``, ``peak_bytes``, ..."""
    runtime_version: str
    """Empty where torch runs the network."""

    @property
    def asked(self) -> list[str]:
        """What the case was measured for: the parts, and the networks beside the base."""
        return list(dict.fromkeys(arm for metric, arm in self.series if metric != "latency"))


@dataclass(frozen=True)
class RunSeries:
    """What a run knows of all its cases."""

    file: ResultFile
    command: str
    """That measured it."""
    cases: Mapping[str, CaseSeries]
    """By their ids, also those of which nothing was measured."""
    inputs: tuple[str, ...] = ()
    """What the networks were called with, as far as their cases do not tell it."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """The machine, and what is installed on it."""
        environment: Mapping[str, Any] = self.file.run["environment"]
        return environment


def is_control(arm: str) -> bool:
    """Whether an arm runs the base once more: ``fpn_again``, ``network_again``, ``a_again``.

    Networks that somebody names have ``=`` in the names of their series.
    """
    return arm.endswith("_again") and "=" not in arm


def by_key(found: Iterable[Series]) -> dict[tuple[str, str], Series]:
    """Return series by metric and arm; of several with the same the last."""
    return {(each.metric, each.arm): each for each in found}


def logs_of(values: Iterable[float]) -> list[float]:
    """Return the logarithms of a number per replicate."""
    return [math.log(value) for value in values]


def latencies(by_arm: Mapping[str, Mapping[Any, Any]]) -> Iterator[Series]:
    """Yield how long the calls of every arm take.

    Args:
        by_arm: arm -> its row of `reports.data.frames.load`.
    """
    for arm, row in by_arm.items():
        # One whose rounds were all disturbed has other calls.
        medians = [centre(rounds) for rounds in row["replicates_s"] if rounds]
        ends = (row[f"latency_s{end}"] for end in ("", "_low", "_high"))
        value, low, high = (None if pd.isna(end) else float(end) for end in ends)
        estimate = None if value is None else stats.Estimate(value, low, high)
        yield Series("latency", arm, logs_of(medians), estimate)
