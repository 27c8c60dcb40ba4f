"""Can a profile be believed? What else ran in its steps, and how long they took beside timed calls.

A profile is one process, and its steps are few: what disturbs it stays in it. Pure functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MIN_UNDISTURBED = 3
"""Steps of a profile: the median of five passes over two."""

TWINS_APART = 1.5
"""The profiler slows every operator down, in both arms alike: by how much more one arm may be
slowed down than the other."""


@dataclass(frozen=True)
class ProfiledSteps:
    """How the steps of a profile went."""

    steps: int
    disturbed: int
    """In how many the threads waited for a CPU."""
    step_s: float
    """Median."""
    latency_s: float | None
    """Of the same arm, timed without a profiler; `None` where that is not known."""

    @property
    def slowdown(self) -> float | None:
        """How many times as long a step takes as a timed call."""
        return self.step_s / self.latency_s if self.latency_s else None


def profiled_steps(profile: Mapping[str, Any], latency_s: float | None) -> ProfiledSteps:
    """Return how the steps of a profile (`PROFILE`) went.

    Args:
        profile: as it is stored.
        latency_s: of the same arm, timed without a profiler.
    """
    timeline = profile["timeline"]
    steps, step_s = timeline["steps"], timeline["step_s"]
    return ProfiledSteps(steps, profile["disturbed_steps"], step_s, latency_s)


def too_many(disturbed: int, steps: int) -> bool:
    """Whether too few steps are left for their median."""
    return disturbed > max(0, steps - MIN_UNDISTURBED)


def why_disturbed(arms: Mapping[str, ProfiledSteps]) -> dict[str, str]:
    """Return which profiles of the arms of a case are not to be believed, and why.

    Args:
        arms: name -> its profile; of two arms each tells how far the other is slowed down.
    """
    reasons = {
        arm: f"other programs ran in {of.disturbed} of its {of.steps} steps"
        for arm, of in arms.items()
        if too_many(of.disturbed, of.steps)
    }
    known = {arm: of.slowdown for arm, of in arms.items() if of.slowdown is not None}
    least = min(known.values(), default=0.0)
    for arm, slowdown in known.items():
        if slowdown > TWINS_APART * least:
            reasons.setdefault(
                arm,
                f"its steps take {slowdown:.1f} times as long as the timed calls, those of the "
                f"other network {least:.1f} times",
            )
    return reasons
