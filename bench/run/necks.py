"""``--necks``: the necks that people choose between, on the same inputs: milliseconds beside MACs.

Each gets the maps that FPN gets, in a process with the others, and gives as many maps of the same
shapes. They are other networks, so each is held to its own eager outputs in float32.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from bench.engine.plan import CaseState
from bench.run.extra_arms import ExtraArms, why_nothing
from bench.run.own.numbers import count, ms, plus_minus
from bench.run.own.tables import Table
from bench.schema.case import Case, names_of
from bench.schema.errors import BenchError
from bench.schema.recipe import NECK_AGAIN as AGAIN
from bench.schema.recipe import NECK_BASE as BASE
from bench.schema.recipe import Recipe
from bench.schema.records import ArmFacts
from bench.stats.beside import Beside, beside_base
from panet.errors import did_you_mean
from panet.levels import parse_levels
from panet.necks import NECKS

NAME = "necks"

HELP = f"time necks beside FPN as well: {', '.join(NECKS)}"

HEADS = ("neck", "ms", "over fpn", "MACs over fpn", "MACs", "params", "GMAC/s")


def chosen(text: str, cases: Iterable[Case]) -> ExtraArms:
    """Return the necks of a comma-separated list as further arms, FPN among them and once more.

    Args:
        text: the list.
        cases: whose levels they are to take.

    Raises:
        BenchError: there is no such neck, or it takes the levels of no case.
    """
    names = dict.fromkeys((BASE, *(item.strip() for item in text.split(","))))
    levels = dict.fromkeys(case.levels for case in cases)
    for name in names:
        if name not in NECKS:
            hint = f"{did_you_mean(name, NECKS, '')} There are {', '.join(NECKS)}".lstrip()
            raise BenchError(f"--necks {name!r}: {hint}")
        wrong = [why for of_case in levels if (why := _why_not(name, of_case))]
        if wrong and len(wrong) == len(levels):
            raise BenchError(f"--necks {name}: {wrong[0]}")
    arms = {name: Recipe("neck", factory=name) for name in names}
    arms[AGAIN] = arms[BASE]
    left_out = partial(_left_out, tuple(names))
    by_scope = dict.fromkeys(("model", "neck"), arms)
    return ExtraArms(NAME, HELP, by_scope, partial(tables, left_out=left_out), left_out)


def _left_out(names: Iterable[str], case: Case) -> dict[str, str]:
    return {name: why for name in names if (why := _why_not(name, case.levels))}


def _why_not(name: str, levels: str) -> str:
    """Say why a neck does not take the levels of a case; nothing where it does."""
    finest, coarsest = parse_levels(levels)
    entry = NECKS[name]
    if entry.level_count in (None, coarsest - finest + 1):
        return ""
    return (
        f"it takes {entry.level_count} levels, not {levels}; "
        f"give them, such as --levels p{entry.finest_level}-p{entry.coarsest_level}"
    )


def tables(
    states: Sequence[CaseState], left_out: Callable[[Case], Mapping[str, str]] = lambda _: {}
) -> Iterator[str]:
    """Yield what is known of the necks in every case, as text."""
    names = names_of(state.case for state in states)
    found = beside_base([state.undisturbed for state in states], BASE, AGAIN)
    for state, necks in zip(states, found, strict=True):
        facts = state.finding.facts if state.finding is not None else {}
        name = names[state.case.case_id]
        if not necks:
            yield f"necks, {name}: {why_nothing(state)}"
            continue
        head = f"necks, {name}; fresh processes: {len(state.undisturbed)}"
        rows = tuple(_row(state.case, neck, of, facts) for neck, of in necks.items())
        out = (f"{neck}, skipped: {why}" for neck, why in left_out(state.case).items())
        yield "\n".join([head, str(Table(HEADS, rows)), *out])


def _row(case: Case, neck: str, found: Beside, facts: Mapping[str, ArmFacts]) -> tuple[str, ...]:
    timed = f"{ms(found.call_s.value)} {plus_minus(found.call_s)}"
    over = f"{found.ratio.value:.3f} {plus_minus(found.ratio)}"
    if neck == AGAIN:
        return (f"{BASE} again (A/A)", timed, over, "", "", "", "")
    macs = facts[neck].macs
    more = [over, f"{macs / facts[BASE].macs:.3f}"] if neck != BASE else ["", ""]
    # A step of training executes about three times the forward pass's, and these are not counted.
    rate = f"{macs / found.call_s.value / 1e9:.1f}" if case.pass_name == "inference" else ""
    return (neck, timed, *more, count(macs), count(facts[neck].params), rate)
