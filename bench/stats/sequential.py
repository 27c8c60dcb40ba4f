"""How often a comparison looks, and how much evidence each look needs. Arrays in, arrays out.

Two steps. A *screen* looks at every case and flags what might have changed; it is generous, because
a flag costs nothing but time. Then the flagged cases are measured again, and only these fresh
replicates decide: what was flagged by chance is not flagged twice. Both steps look twice: a case
that is neither clearly calm nor clearly moved gets some more replicates and another look.

The suite (all cases together, their geometric mean) is screened and confirmed as if it were one
more case: most changes of the code touch all cases, and together they show it in a few replicates.
It is looked at early, too: what confirms a large change of all cases are then replicates that the
cases' own screen needs anyway.

The p-values of the fresh replicates are corrected for the looks (Bonferroni) and for what was
flagged (Holm, 1979). So the flagged cases of identical code raise an alarm with a probability of at
most `Gate.alarm_p`, and its suite, where it is flagged, with no more than that; the self-test draws
how often it is in all.

A row is a case of a comparison. `bench.stats.verdict` has one row at a time; the self-test draws
thousands of them, and so runs the very rules that decide.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy import stats as distributions

from bench import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWN = 20_000
"""Comparisons that are drawn to find the detectable change: 95 % are known to 0.15 %."""


@dataclass(frozen=True)
class Gate:
    """How much evidence a verdict needs, and how many replicates give it."""

    screen_p: float = 0.1
    """Below it a case is flagged. Two-sided, uncorrected: of eight unchanged cases one is flagged
    every other time."""
    calm_p: float = 0.4
    """From here on a case is calm; in between, the screen looks again."""
    alarm_p: float = 0.002
    """Of the fresh replicates, towards the flagged side, corrected."""
    hopeless_p: float = 0.1
    """From here on, uncorrected, a second look at fresh replicates would not help."""
    screen_looks: tuple[int, ...] = (6, 10)
    """Replicates at each look."""
    confirm_looks: tuple[int, ...] = (8, 16, 28)
    """The fresh ones decide alone and against a strict level, so they are many; only flagged cases
    get them. The first look ends what was flagged by chance."""
    suite_looks: tuple[int, ...] = (3, 6)
    """Fresh replicates of every case at each look, where the suite is flagged; none: it is not
    looked at."""
    early_look: int = 3
    """Replicates of every case at the suite's early look; 0: there is none. The other one is with
    the first look at the cases."""
    early_p: float = 0.01
    """Below it the suite is flagged early: a change so large gets its verdict first."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from a mapping of the fields, whose tuples JSON has made lists of."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**values)

    @property
    def suite_screens(self) -> tuple[tuple[int, float], ...]:
        """Replicates of every case at each look at the suite, and below which p it is flagged."""
        if not self.suite_looks:
            return ()
        first = ((self.screen_looks[0], self.screen_p),)
        return ((self.early_look, self.early_p), *first) if self.early_look else first


GATE = Gate()


@dataclass(frozen=True)
class Looked:
    """What a step says, an entry per row."""

    used: Ints
    """Replicates that it looked at; behind those of the screen they are fresh."""
    more: Ints
    """Replicates that it lacks for its next look; 0 where it has said what it can."""
    side: Ints
    """1 slower, -1 faster, 0 not flagged."""
    p_value: Floats
    """Of the fresh replicates, corrected for the looks; infinite before the first."""


def screen(rows: Floats, gate: Gate) -> Looked:
    """Look at cases, and again where that is needed and there are replicates for it.

    Args:
        rows: (cases, replicates) log ratios, candidate over baseline, in the order of measuring.
        gate: how much is suspicious.
    """
    count, available = rows.shape
    used, more, side = (np.zeros(count, np.int64) for _ in range(3))
    unclear = np.ones(count, bool)
    for look in gate.screen_looks:
        if available < look:
            more[unclear] = look - available
            break
        used[unclear] = look
        p_value = 2 * _tail_p(rows[None, :, :look], 0)
        flagged = unclear & (p_value < gate.screen_p)
        side[flagged] = np.where(rows[flagged, :look].mean(axis=1) > 0, 1, -1)
        unclear &= (p_value >= gate.screen_p) & (p_value < gate.calm_p)
    return Looked(used, more, side, np.full(count, np.inf))


def confirm(rows: Floats, side: Ints, flagged: Ints | int, gate: Gate) -> Looked:
    """Look at fresh replicates of the flagged cases, and again where that may help.

    Args:
        rows: (cases, replicates) log ratios measured after those of the screen.
        side: towards which each case was flagged.
        flagged: how much of the same comparison was, cases and suite.
        gate: how much evidence is enough.
    """
    return _confirm(rows[None], side, flagged, gate, gate.confirm_looks)


def screen_suite(rows: Floats, gate: Gate) -> Looked:
    """Look at all cases of comparisons together, early and when each has had its first look.

    Args:
        rows: (cases, comparisons, replicates) log ratios in the order of measuring.
        gate: how much is suspicious.
    """
    count, available = rows.shape[1:]
    used, more, side = (np.zeros(count, np.int64) for _ in range(3))
    unclear = np.ones(count, bool)
    for look, suspicious_p in gate.suite_screens:
        if available < look:
            more[unclear] = look - available
            break
        used[unclear] = look
        seen = rows[..., :look]
        flagged = unclear & (2 * _tail_p(seen, 0) < suspicious_p)
        side[flagged] = np.where(seen.mean(axis=(0, 2))[flagged] > 0, 1, -1)
        unclear &= ~flagged
    return Looked(used, more, side, np.full(count, np.inf))


def confirm_suite(rows: Floats, screened: Looked, flagged: Ints | int, gate: Gate) -> Looked:
    """Look at fresh replicates of all cases together, where the suite was flagged.

    Args:
        rows: (cases, comparisons, replicates) log ratios in the order of measuring; those behind
            the screen's are fresh.
        screened: what the screen said.
        flagged: as for `confirm`.
        gate: how much evidence is enough.
    """
    fresh = np.arange(rows.shape[2] - int(screened.used.max(initial=0)))
    rows = np.take_along_axis(rows, screened.used[None, :, None] + fresh, axis=2)
    return _confirm(rows, screened.side, flagged, gate, gate.suite_looks)


def _confirm(
    rows: Floats, side: Ints, flagged: Ints | int, gate: Gate, looks: Sequence[int]
) -> Looked:
    count, available = rows.shape[1:]
    used, more = (np.zeros(count, np.int64) for _ in range(2))
    corrected = np.full(count, np.inf)
    unclear = side != 0
    for look in looks:
        if available < look:
            more[unclear] = look - available
            break
        used[unclear] = look
        p_value = _tail_p(rows[..., :look], side)
        bonferroni = np.minimum(1.0, p_value * len(looks))
        corrected = np.where(unclear, np.minimum(corrected, bonferroni), corrected)
        unclear &= (corrected >= gate.alarm_p / np.maximum(flagged, 1)) & (
            p_value < gate.hopeless_p
        )
    return Looked(used, more, side, corrected)


def detectable_ratio(log_ratios: Sequence[float], gate: Gate = GATE) -> float | None:
    """Return the smallest change (0.02: by 2 %) of a case that the gate finds 19 times of 20.

    Args:
        log_ratios: of replicates such as will be taken.
        gate: which has to find it, in this case alone.

    Returns:
        `None` with fewer than `stats.MIN_FOR_INTERVAL` replicates.
    """
    if len(log_ratios) < stats.MIN_FOR_INTERVAL:
        return None
    return math.expm1(_detectable_sds(gate) * float(np.std(log_ratios, ddof=1)))


@functools.cache
def _detectable_sds(gate: Gate) -> float:
    """Return that change in standard deviations of a replicate, by trying it on drawn ones."""
    generator = np.random.default_rng(0)
    screened, fresh = (
        generator.standard_normal((DRAWN, looks[-1]))
        for looks in (gate.screen_looks, gate.confirm_looks)
    )

    def surplus(change: float) -> float:
        side = screen(screened + change, gate).side
        p_value = confirm(fresh + change, side, 1, gate).p_value
        return float(np.mean((p_value < gate.alarm_p) & (side == 1))) - stats.POWER

    return float(optimize.brentq(surplus, 0.0, 100.0, xtol=0.001))


def _tail_p(rows: Floats, side: Ints | int) -> Floats:
    """Return the probability of means as far as these, or farther, if there is no difference.

    The mean over the cases of their means, with the degrees of freedom that their variances leave
    (Welch, 1947; Satterthwaite, 1946); of one case that is Student's t.

    Args:
        rows: (cases, comparisons, replicates) log ratios.
        side: 1 counts slower, -1 faster, 0 whichever side the mean lies on.
    """
    cases, _, count = rows.shape
    errors = rows.var(axis=2, ddof=1) / count
    error = np.sqrt(errors.sum(axis=0)) / cases
    mean = rows.mean(axis=(0, 2))
    mean = np.where(side == 0, np.abs(mean), mean * side)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (count - 1) * errors.sum(axis=0) ** 2 / (errors**2).sum(axis=0)
        t = np.where(error > 0, mean / error, np.sign(mean) * np.inf)
    t = np.where((error == 0) & (mean == 0), 0.0, t)
    return np.asarray(distributions.t.sf(t, np.where(error > 0, freedom, 1)))
