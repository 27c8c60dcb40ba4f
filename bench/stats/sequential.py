"""How often a comparison looks, and how much evidence each look needs. Arrays in, arrays out.

Two steps. A *screen* looks at every case and flags what might have changed; it is generous, because
a flag costs nothing but time. Then the flagged cases are measured again, and only these fresh
replicates decide: what was flagged by chance is not flagged twice. Both steps look twice: a case
that is neither clearly the same nor clearly changed gets some more replicates and another look.

All cases together (*overall*: their geometric mean) are screened and confirmed as if they were one
more case: most changes of the code touch all cases, and together they show it in a few replicates.
They are looked at early, too: what confirms a large change of all cases are then replicates that
the cases' own screen needs anyway. So it is with every stage that all cases have: what a commit
does to a stage it does in all of them.

Stages are rows beside the whole call of their case. A case has one whole call and many stages, so
its stages are *one* question among the others: the screen corrects each for how many the case has,
and the fresh replicates for how many of them were flagged (Bonferroni). So a case of twenty stages
is flagged little more often than one without, and its whole call needs no more evidence than before
where twenty stages were flagged with it.

The p-values of the fresh replicates are corrected for the looks (Bonferroni) and for what was
flagged (Holm, 1979; the stages of a case together have the weight of one whole call). So the
flagged cases of identical code raise an alarm with a probability of at most `Gate.alarm_p`, and all
of them together, where they are flagged, with no more than that; the self-test draws how often it
is in all.

A row is a whole call of a case of a comparison, or a stage. `bench.stats.standing` has one row at a
time; the self-test draws thousands of them, and so runs the very rules that decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bench.stats.intervals import Floats
from bench.stats.multiplicity import bonferroni, level

Ints = NDArray[np.int64]

RENAMED = {"calm_p": "clear_p", "hopeless_p": "futile_p", "suite_looks": "overall_looks"}
"""Fields of a gate, as self-tests of earlier versions have stored them -> their names now."""


@dataclass(frozen=True)
class Gate:
    """How much evidence a verdict needs, and how many replicates give it."""

    screen_p: float = 0.1
    """Below it a case is flagged. Two-sided, uncorrected: of eight unchanged cases one is flagged
    every other time."""
    clear_p: float = 0.4
    """From here on a case is clear; in between, the screen looks again."""
    alarm_p: float = 0.002
    """Of the fresh replicates, towards the flagged direction, corrected."""
    futile_p: float = 0.1
    """From here on, uncorrected, a second look at fresh replicates would not help."""
    screen_looks: tuple[int, ...] = (6, 10)
    """Replicates at each look."""
    confirm_looks: tuple[int, ...] = (8, 16, 28)
    """The fresh ones decide alone and against a strict level, so they are many; only flagged cases
    get them. The first look ends what was flagged by chance."""
    overall_looks: tuple[int, ...] = (3, 6)
    """Fresh replicates of every case at each look, where all cases together are flagged; none: they
    are not looked at together."""
    early_look: int = 3
    """Replicates of every case at the early look at all of them together; 0: there is none. The
    other one is with the first look at the cases."""
    early_p: float = 0.01
    """Below it all cases together are flagged early: a change so large gets its verdict first."""
    tolerance: float = 0.005
    """Of a call: what is surely there, but costs less, is told and is no alarm."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from a mapping of the fields, whose tuples JSON has made lists of."""
        values: dict[str, Any] = {
            RENAMED.get(k, k): tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**{"tolerance": 0.0} | values)  # the first gates had none

    @property
    def overall_screens(self) -> tuple[tuple[int, float], ...]:
        """Replicates of every case at each look at all, and below which p they are flagged."""
        if not self.overall_looks:
            return ()
        first = ((self.screen_looks[0], self.screen_p),)
        return ((self.early_look, self.early_p), *first) if self.early_look else first


GATE = Gate()


@dataclass(frozen=True)
class StepResult:
    """What a step says, an entry per row."""

    used: Ints
    """Replicates that it looked at; behind those of the screen they are fresh."""
    lacking: Ints
    """Replicates that it lacks for its next look; 0 where it has said what it can."""
    direction: Ints
    """1 slower, -1 faster, 0 not flagged."""
    p_value: Floats
    """Of the fresh replicates, corrected for the looks and among the flagged stages of a case;
    infinite before the first."""

    def row(self, at: int) -> Self:
        """Return what the step says of a row alone."""
        only = slice(at, at + 1)
        return type(self)(
            self.used[only], self.lacking[only], self.direction[only], self.p_value[only]
        )


def screen(rows: Floats, gate: Gate, tests: int = 1) -> StepResult:
    """Look at rows, and again where that is needed and there are replicates for it.

    Args:
        rows: (rows, replicates) log ratios, head over base, in the order of measuring.
        gate: how much is suspicious.
        tests: among how many of the same case each row is: its stages.
    """
    count, available = rows.shape
    used, lacking, direction = (np.zeros(count, np.int64) for _ in range(3))
    unclear = np.ones(count, bool)
    for look in gate.screen_looks:
        if available < look:
            lacking[unclear] = look - available
            break
        used[unclear] = look
        p_value = bonferroni(2 * _tail_p(rows[None, :, :look], 0), tests)
        flagged = unclear & (p_value < gate.screen_p)
        direction[flagged] = np.where(rows[flagged, :look].mean(axis=1) > 0, 1, -1)
        unclear &= (p_value >= gate.screen_p) & (p_value < gate.clear_p)
    return StepResult(used, lacking, direction, np.full(count, np.inf))


def confirm(
    rows: Floats, direction: Ints, flagged: Ints | int, gate: Gate, tests: Ints | int = 1
) -> StepResult:
    """Look at fresh replicates of the flagged rows, and again where that may help.

    Args:
        rows: (rows, replicates) log ratios measured after those of the screen.
        direction: towards which each row was flagged.
        flagged: how much of the same comparison was: whole calls, cases with flagged stages, and
            all together.
        gate: how much evidence is enough.
        tests: among how many flagged ones of the same case each row is: its flagged stages.
    """
    return _confirm(rows[None], direction, flagged, gate, gate.confirm_looks, tests)


def screen_overall(rows: Floats, gate: Gate, tests: int = 1) -> StepResult:
    """Look at all cases of comparisons together, early and when each has had its first look.

    Args:
        rows: (cases, comparisons, replicates) log ratios in the order of measuring; instead of
            comparisons, the stages of one.
        gate: how much is suspicious.
        tests: among how many each row is: the stages that all cases have.
    """
    count, available = rows.shape[1:]
    used, lacking, direction = (np.zeros(count, np.int64) for _ in range(3))
    unclear = np.ones(count, bool)
    for look, suspicious_p in gate.overall_screens:
        if available < look:
            lacking[unclear] = look - available
            break
        used[unclear] = look
        seen = rows[..., :look]
        flagged = unclear & (bonferroni(2 * _tail_p(seen, 0), tests) < suspicious_p)
        direction[flagged] = np.where(seen.mean(axis=(0, 2))[flagged] > 0, 1, -1)
        unclear &= ~flagged
    return StepResult(used, lacking, direction, np.full(count, np.inf))


def confirm_overall(
    rows: Floats,
    screened: StepResult,
    flagged: Ints | int,
    gate: Gate,
    tests: Ints | int = 1,
) -> StepResult:
    """Look at fresh replicates of all cases together, where they were flagged.

    Args:
        rows: (cases, comparisons, replicates) log ratios in the order of measuring; those behind
            the screen's are fresh.
        screened: what the screen said.
        flagged: as for `confirm`.
        gate: how much evidence is enough.
        tests: among how many flagged ones each row is: the flagged stages of all cases together.
    """
    fresh = np.arange(rows.shape[2] - int(screened.used.max(initial=0)))
    rows = np.take_along_axis(rows, screened.used[None, :, None] + fresh, axis=2)
    return _confirm(rows, screened.direction, flagged, gate, gate.overall_looks, tests)


def _confirm(
    rows: Floats,
    direction: Ints,
    flagged: Ints | int,
    gate: Gate,
    looks: Sequence[int],
    tests: Ints | int = 1,
) -> StepResult:
    count, available = rows.shape[1:]
    used, lacking = (np.zeros(count, np.int64) for _ in range(2))
    corrected = np.full(count, np.inf)
    unclear = direction != 0
    for look in looks:
        if available < look:
            lacking[unclear] = look - available
            break
        if not unclear.any():
            break
        used[unclear] = look
        p_value = _tail_p(rows[..., :look], direction)
        of_looks = bonferroni(p_value, len(looks) * tests)
        corrected = np.where(unclear, np.minimum(corrected, of_looks), corrected)
        unclear &= (corrected >= level(gate.alarm_p, flagged)) & (p_value < gate.futile_p)
    return StepResult(used, lacking, direction, corrected)


def _tail_p(rows: Floats, direction: Ints | int) -> Floats:
    """Return the probability of means as far as these, or farther, if there is no difference.

    The mean over the cases of their means, with the degrees of freedom that their variances leave
    (Welch, 1947; Satterthwaite, 1946); of one case that is Student's t.

    Args:
        rows: (cases, comparisons, replicates) log ratios.
        direction: 1 counts slower, -1 faster, 0 whichever the mean has.
    """
    cases, _, count = rows.shape
    errors = rows.var(axis=2, ddof=1) / count
    error = np.sqrt(errors.sum(axis=0)) / cases
    mean = rows.mean(axis=(0, 2))
    mean = np.where(direction == 0, np.abs(mean), mean * direction)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (count - 1) * errors.sum(axis=0) ** 2 / (errors**2).sum(axis=0)
        t = np.where(error > 0, mean / error, np.sign(mean) * np.inf)
    t = np.where((error == 0) & (mean == 0), 0.0, t)
    of_student = special.stdtr(np.where(error > 0, freedom, 1), -t)  # the upper tail
    return np.asarray(of_student)
