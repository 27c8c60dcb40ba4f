"""The paper's parts one after the other, in every case of the scope ``heads``.

The rows of the paper's table 3 take turns in the same processes: the heads of Mask R-CNN, then
adaptive feature pooling, fully-connected fusion, and the heavier box branch, each with what the one
before it has. What a part costs is the difference of two that follow each other.
"""

from collections.abc import Iterator, Mapping, Sequence

from bench.engine.plan import CaseState
from bench.run.extra_arms import ExtraArms, why_nothing
from bench.run.own.numbers import count, ms, plus_minus
from bench.run.own.tables import Table
from bench.schema.case import Case, names_of
from bench.schema.paper_parts import HEADS_AGAIN as AGAIN
from bench.schema.paper_parts import HEADS_ARMS, added
from bench.schema.recipe import Recipe
from bench.schema.records import ArmFacts
from bench.stats.beside import Beside, besides

NAME = "heads"

SCOPE = "heads"

HEADS = ("heads", "ms", "adds ms", "over the row before", "MACs", "params")


def wanted(cases: Sequence[Case]) -> tuple[ExtraArms, ...]:
    """Return the paper's parts as further arms, if there are cases of the scope."""
    if not any(case.scope == SCOPE for case in cases):
        return ()
    arms = {name: Recipe("heads", factory=name) for name in HEADS_ARMS}
    arms[AGAIN] = arms[HEADS_ARMS[0]]
    return (ExtraArms(NAME, "", {SCOPE: arms}, tables),)


def tables(states: Sequence[CaseState]) -> Iterator[str]:
    """Yield what is known of the parts in every case, as text."""
    names = names_of(state.case for state in states)
    replicates = [state.undisturbed for state in states]
    found = {arm: besides(replicates, arm, before) for arm, before in added()}
    for place, state in enumerate(states):
        name = names[state.case.case_id]
        if not state.undisturbed:
            yield f"the paper's parts, {name}: {why_nothing(state)}"
            continue
        facts = state.finding.facts if state.finding is not None else {}
        rows = tuple(_row(arm, of[place], facts) for arm, of in found.items())
        head = f"the paper's parts, {name}; fresh processes: {len(state.undisturbed)}"
        yield f"{head}\n{Table(HEADS, rows)}"


def _row(arm: str, found: Beside | None, facts: Mapping[str, ArmFacts]) -> tuple[str, ...]:
    shown = f"{HEADS_ARMS[0]} again (A/A)" if arm == AGAIN else arm
    if found is None:
        return (shown, "", "", "", "", "")
    timed = f"{ms(found.call_s.value)} {plus_minus(found.call_s)}"
    counted = (count(facts[arm].macs), count(facts[arm].params))
    if arm == HEADS_ARMS[0]:
        return (shown, timed, "", "", *counted)
    half_s = found.difference_s.half_width
    width = "" if half_s is None else f" ±{ms(half_s)}"
    more = (
        f"{ms(found.difference_s.value)}{width}",
        f"{found.ratio.value:.3f} {plus_minus(found.ratio)}",
    )
    return (shown, timed, *more, *(("", "") if arm == AGAIN else counted))
