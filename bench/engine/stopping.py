"""When a case has been measured enough: its interval is as narrow as it was asked for."""

import functools
from collections.abc import Callable, Mapping, Sequence

from bench import stats
from bench.engine.plan import CaseState
from bench.schema import text
from bench.schema.records import CaseResult, Status
from bench.stats.moderation import NOTHING_KNOWN, Prior


class HalfWidth:
    """Stein's two stages: the spread of the first replicates says how many are needed.

    How wide the first stages of the other cases spread is taken into account
    (`bench.stats.moderation`).

    Args:
        half_width: of the cost, relative.
        read: the logarithm of the cost, one per replicate.
    """

    def __init__(
        self,
        half_width: float,
        read: Callable[[Sequence[stats.Timed]], list[float]] = stats.cost_log_ratios,
    ) -> None:
        self._half_width = half_width
        self._read = read
        self._log_ratios: dict[str, list[float]] = {}
        self._first_stages = 0
        self._known_prior = NOTHING_KNOWN

    def missing(self, state: CaseState) -> int:
        """Return how many undisturbed replicates are still needed, as far as one can tell.

        Where runs of one machine differ by more than what is asked for, the first stage is enough.
        """
        return _missing(self._ratios(state), self._half_width, self._prior)

    def estimate(self, state: CaseState) -> str:
        """Return what PANet adds so far, with its interval, and whether that is narrow enough."""
        ratios = self._ratios(state)
        if not ratios:
            return "checked"
        said = _added(ratios, self._prior)
        return said if self.missing(state) or self.beyond_a_run(state) else f"{said}  ok"

    def beyond_a_run(self, state: CaseState) -> bool:
        """Return whether runs of one machine differ by more than what is asked for."""
        return not stats.left_for_replicates(self._ratios(state), self._half_width)

    def result(self, state: CaseState) -> CaseResult:
        """Return the case with its status, and the reason wherever that is not `ok`."""
        status, reason = self._status(state)
        return CaseResult(state.case, status, reason, state.finding, tuple(state.replicates))

    def _status(self, state: CaseState) -> tuple[Status, str]:
        if state.finding is None:
            return Status.TOO_WIDE, "the budget was spent before this case; raise --budget"
        if state.finding.status != Status.OK:
            return Status(state.finding.status), state.finding.reason
        missing = self.missing(state)
        if not missing and not self.beyond_a_run(state):
            return Status.OK, ""
        if not missing:
            return Status.TOO_WIDE, (
                f"runs of one machine differ by more than ±{self._half_width:.2g} of the ratio, so "
                "none is that sure; raise --half-width"
            )
        undisturbed = len(state.undisturbed)
        disturbed = len(state.replicates) - undisturbed
        if disturbed > undisturbed:
            return Status.CONTENDED, (
                f"the machine was busy with something else in {disturbed} of "
                f"{disturbed + undisturbed} replicates; run again when it is calm"
            )
        about = "at least" if undisturbed < stats.first_stage(self._prior) else "about"
        return Status.TOO_WIDE, (
            f"{undisturbed} replicates, and {about} {undisturbed + missing} are needed for "
            f"±{self._half_width:.2g} of the ratio{_took(state)}; raise --budget or --half-width"
        )

    @property
    def _prior(self) -> Prior:
        """What the first stages that are complete say; each of them stays as it is."""
        complete = sum(len(r) >= stats.MODERATED_STAGE for r in self._log_ratios.values())
        if complete > self._first_stages:
            self._first_stages = complete
            self._known_prior = stats.first_stage_prior(self._log_ratios.values())
        return self._known_prior

    def _ratios(self, state: CaseState) -> tuple[float, ...]:
        """Return a log ratio per undisturbed replicate, each computed once."""
        known = self._log_ratios.setdefault(state.case.case_id, [])
        fresh = state.undisturbed[len(known) :]
        known += self._read(fresh)
        return tuple(known)


# A turn asks every case several times, and between two turns few have anything new.


@functools.lru_cache(maxsize=4096)
def _missing(ratios: tuple[float, ...], half_width: float, prior: Prior) -> int:
    needed = stats.replicates_needed(ratios, half_width, prior)
    return max(0, (needed or stats.first_stage(prior)) - len(ratios))


@functools.lru_cache(maxsize=4096)
def _added(ratios: tuple[float, ...], prior: Prior) -> str:
    found = stats.stein_ratio(ratios, prior)
    return text.change(found.value, found.low, found.high)


def _took(state: CaseState) -> str:
    """Say how long what the budget buys takes: a replicate, or before there is any a round."""
    if state.replicates:
        return f", about {text.duration(state.replicates[-1].elapsed_s)} each"
    round_s = state.finding.round_s if state.finding is not None else None
    return f"; one round of all takes {text.duration(round_s)}" if round_s else ""


class All:
    """Every one of several costs of a case is to be as narrow as it was asked for.

    Args:
        rules: what is asked of each, by its name; at least one.
    """

    def __init__(self, rules: Mapping[str, HalfWidth]) -> None:
        self._rules = rules

    def missing(self, state: CaseState) -> int:
        """Return how many replicates the widest of them still needs."""
        return max(rule.missing(state) for rule in self._rules.values())

    def estimate(self, state: CaseState) -> str:
        """Return what is known of the widest of them."""
        name, rule = self._widest(state)
        said = rule.estimate(state)
        return said if len(self._rules) == 1 else f"{name} {said}"

    def result(self, state: CaseState) -> CaseResult:
        """Return the case with the status of the widest of them."""
        return self._widest(state)[1].result(state)

    def _widest(self, state: CaseState) -> tuple[str, HalfWidth]:
        return max(
            self._rules.items(),
            key=lambda named: (named[1].missing(state), named[1].beyond_a_run(state)),
        )
