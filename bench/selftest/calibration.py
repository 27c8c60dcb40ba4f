"""How much extra work is a slow-down of 5 %? Measured alone, in processes of its own.

The work without the network runs right behind the network without the work, as in the slowed
network. So the size is known to a few hundredths of itself, which no comparison of the slowed
network with the plain one could give.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from bench import stats
from bench.engine.plan import CaseState
from bench.schema.case import Case
from bench.schema.recipe import Arms, Recipe
from bench.schema.records import Finding
from bench.selftest.slowdown import EVERYWHERE, KINDS, Work, alone, kept, slowed

PLACES = ("fpn p2 lateral", "panet n3 fuse", EVERYWHERE, "fpn p3 smooth")
"""Where the work is done, in turn from case to case."""

FIRST_CHANNELS = (256, 2048)
"""Two sizes of the work, through which the first line is drawn."""

PASSES = (1, 2, 4)
"""Replicates: for the line, for the channels that it gives, and for these corrected once more. Only
the size that the last ones show is believed."""

MISSED = 0.5
"""How far a slow-down may be from the size that was requested, relative to that."""

BASE = "base"
"""The arms that run the network."""


@dataclass(frozen=True)
class Slowing:
    """A slow-down of a case: how large it shall be, what does it, and how large it truly is."""

    requested: float
    """Relative, such as 0.05, as `size` is."""
    kind: str
    channels: int
    size: float
    """As calibrated, of the network's time."""
    low: float | None
    high: float | None
    place: str = ""
    """A stage, or every one; empty in older self-tests: behind the network."""

    @property
    def fits(self) -> bool:
        """Whether it is about as large as requested: two more operators in every stage are not."""
        return abs(self.size / self.requested - 1) <= MISSED

    @property
    def recipe(self) -> Recipe:
        """FPN + PANet with the work in it."""
        return slowed(Work(self.kind, self.channels, self.place))

    @property
    def stage(self) -> str | None:
        """Where it is, if in one stage alone."""
        return None if self.place in ("", EVERYWHERE) else self.place

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping."""
        return cls(**data)


ArmsOfCases = Mapping[str, Arms]
"""Case id -> what takes turns in it."""


@dataclass(frozen=True)
class Calibrated:
    """The slow-downs of the cases, and what their check said of all arms that they will have."""

    slowings: dict[str, list[Slowing]]
    """By case, as `findings`."""
    findings: dict[str, Finding]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` has written."""
        stored = json.loads(path.read_text())
        return cls(
            {i: [Slowing.from_json(s) for s in entry["slowings"]] for i, entry in stored.items()},
            {i: Finding.from_json(entry["finding"]) for i, entry in stored.items()},
        )

    def write(self, path: Path) -> None:
        """Write it, as JSON."""
        stored = {
            case_id: {
                "slowings": [slowing.to_json() for slowing in slowings],
                "finding": self.findings[case_id].to_json(),
            }
            for case_id, slowings in self.slowings.items()
        }
        path.write_text(json.dumps(stored, indent=1))


Measure = Callable[[ArmsOfCases, int], Sequence[CaseState]]
"""From the arms of every case, to be run one behind the other in that order, and the number of
replicates, to the cases with their rounds."""


def calibrate(
    cases: Sequence[Case], sizes: Sequence[float], measure: Measure
) -> dict[str, list[Slowing]]:
    """Return for every case a slow-down of each size, of kind and place that change with the case.

    Args:
        cases: where to slow down.
        sizes: relative, such as 0.05.
        measure: runs processes.
    """
    if not sizes:
        return {case.case_id: [] for case in cases}
    works = {
        c.case_id: Work(list(KINDS)[i % len(KINDS)], 0, PLACES[i % len(PLACES)])
        for i, c in enumerate(cases)
    }
    first, second, last = PASSES
    few, many = FIRST_CHANNELS
    shares = _shares(works, dict.fromkeys(works, FIRST_CHANNELS), measure, first)
    channels = {
        case_id: [_on_line(size, (few, a.value), (many, b.value)) for size in sizes]
        for case_id, (a, b) in shares.items()
    }
    shares = _shares(works, channels, measure, second)
    channels = {
        case_id: [
            max(1, round(n * size / share.value))
            for n, size, share in zip(channels[case_id], sizes, of_case, strict=True)
        ]
        for case_id, of_case in shares.items()
    }
    shares = _shares(works, channels, measure, last)
    return {
        case_id: [
            Slowing(
                *(size, works[case_id].kind, n, share.value, share.low, share.high),
                place=works[case_id].place,
            )
            for size, n, share in zip(sizes, channels[case_id], of_case, strict=True)
        ]
        for case_id, of_case in shares.items()
    }


def _shares(
    works: Mapping[str, Work],
    channels: Mapping[str, Sequence[int]],
    measure: Measure,
    replicates: int,
) -> dict[str, list[stats.Estimate]]:
    """Return, for every case and number of channels, the work's time relative to the network's."""
    arms = {
        case_id: {
            name: recipe
            for i, n in enumerate(channels[case_id])
            for name, recipe in _pair(i, replace(work, channels=n))
        }
        for case_id, work in works.items()
    }
    return {
        state.case.case_id: [_share(state, i) for i in range(len(channels[state.case.case_id]))]
        for state in measure(arms, replicates)
    }


def _pair(number: int, work: Work) -> tuple[tuple[str, Recipe], tuple[str, Recipe]]:
    return (f"{BASE}_{number}", kept(work)), (f"work_{number}", alone(work))


def _share(state: CaseState, number: int) -> stats.Estimate:
    used = (
        state.undisturbed or state.replicates
    )  # a contended calibration is rough; its interval says so
    bases = tuple(arm for arm in used[0].rounds_s if arm.startswith(BASE))
    contrast = stats.Contrast((f"work_{number}",), bases)
    log_ratios = stats.log_ratios([replicate.rounds_s for replicate in used], contrast)
    return stats.t_ratio(log_ratios)


def _on_line(size: float, few: tuple[int, float], many: tuple[int, float]) -> int:
    """Return the channels that take ``size`` by the line through two points."""
    slope = (many[1] - few[1]) / (many[0] - few[0])
    return max(1, round(few[0] + (size - few[1]) / max(slope, 1e-9)))
