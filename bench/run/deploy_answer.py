"""What ``--deploy`` found: every way of running a case beside the base, and which is fastest."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.engine.plan import CaseState
from bench.run.deploy import AGAIN, Failed, failed_in
from bench.run.extra_arms import why_nothing, write_rounds
from bench.run.own.numbers import ms, plus_minus, size
from bench.run.own.tables import Table
from bench.schema.case import case_name
from bench.schema.records import ArmFacts, LeftOut
from bench.schema.text import decibels
from bench.schema.ways import FIELDS
from bench.stats.beside import Beside, beside_base
from bench.stats.fastest import Fastest, fastest

HEADS = ("way", "ms", "over base", "ready", "grown by", "file", "waiting")

AT_REST = 0.01
"""Of a core: what a process uses while another one has its turn, at most."""

Facts = Mapping[str, Any]
"""What is known of a way beside its rounds, as it is stored."""


def write(states: Sequence[CaseState], failed: Failed, path: Path) -> None:
    """Write the rounds of all ways, what else is known of them, and the answer into a file."""

    def known(state: CaseState) -> dict[str, Any]:
        found = compared(state)
        return {
            "facts": _facts(state),
            "left_out": {way: why.to_json() for way, why in left_out(state, failed).items()},
            "answer": None if found is None else asdict(found[1]),
        }

    write_rounds(states, known, path)


def left_out(state: CaseState, failed: Failed) -> dict[str, LeftOut]:
    """Return the ways that do not run a case, or no more: way -> how it ended."""
    here = state.finding.left_out if state.finding is not None else {}
    return {**failed_in(state.case, failed), **here}


def compared(state: CaseState) -> tuple[dict[str, Beside], Fastest] | None:
    """Return every way beside the base, and which is fastest; `None` without a replicate."""
    if state.finding is None or not state.undisturbed or not state.finding.facts:
        return None
    facts = state.finding.facts
    (found,) = beside_base([state.undisturbed], next(iter(facts)), AGAIN)
    rough = {way for way, known in facts.items() if known.quantised}
    best = fastest(state.undisturbed, found, AGAIN, ended=state.finding.left_out, rough=rough)
    return found, best


def _facts(state: CaseState) -> dict[str, Facts]:
    facts = state.finding.facts if state.finding is not None else {}
    return {way: _of_way(state, way, found) for way, found in facts.items()}


def _of_way(state: CaseState, way: str, found: ArmFacts) -> Facts:
    return {
        "file_bytes": found.file_bytes,
        "cold_s": found.compile_s,
        "ready_s": _median(state, "compile_s", way),
        "resident_bytes": _median(state, "resident_bytes", way),
        "waiting_cpu": _median(state, "waiting_cpu", way),
        "quantised": found.quantised,
        "level_differences": found.level_differences,
        "level_sqnr_db": found.level_sqnr_db,
    }


def _median(state: CaseState, field: str, arm: str) -> float | None:
    found = [getattr(replicate, field) or {} for replicate in state.undisturbed]
    values = [of[arm] for of in found if arm in of]
    return statistics.median(values) if values else None


def tables(states: Sequence[CaseState], failed: Failed) -> Iterator[str]:
    """Yield what is known of the ways of running every case, and which is fastest, as text.

    Args:
        states: of the cases.
        failed: of `bench.run.deploy.failed`.
    """
    for state in states:
        name = case_name(vars(state.case), frozenset(FIELDS))
        out, answer = left_out(state, failed), compared(state)
        ended = [f"{way}  {why.status}: {why.reason}" for way, why in out.items()]
        if answer is None:
            yield "\n".join((f"deploy, {name}: {why_nothing(state)}", *ended))
            continue
        found, best = answer
        facts = _facts(state)
        base = next(iter(facts))
        shown = {way: f"{way} ({why.status})" for way, why in out.items()}
        shown[AGAIN] = f"{base} again (A/A)"
        rows = tuple(
            _row(shown.get(way, way), beside, facts[way], is_base=way == base)
            for way, beside in found.items()
        )
        head = f"deploy, {name}; fresh processes of each: {len(state.undisturbed)}"
        yield "\n".join((head, str(Table(HEADS, rows)), *ended, _sentence(best, found, facts)))


def _row(shown: str, found: Beside, facts: Facts, *, is_base: bool) -> tuple[str, ...]:
    ready_s, resident, file_bytes = facts["ready_s"], facts["resident_bytes"], facts["file_bytes"]
    waiting = facts["waiting_cpu"]
    return (
        shown,
        f"{ms(found.call_s.value)} {plus_minus(found.call_s)}",
        "" if is_base else f"{found.ratio.value:.3f} {plus_minus(found.ratio)}",
        "" if ready_s is None else f"{ready_s:.1f} s",
        "" if resident is None else size(int(resident)),
        "" if file_bytes is None else size(int(file_bytes)),
        "" if waiting is None else f"{100 * waiting:.1f} %{'!' if waiting > AT_REST else ''}",
    )


def _sentence(best: Fastest, found: Mapping[str, Beside], facts: Mapping[str, Facts]) -> str:
    call = found[best.arm].call_s
    among = " of those that compute the same" if best.rough_and_faster else ""
    text = f"fastest{among}: {best.arm}, {ms(call.value)} ms ({plus_minus(call)})"
    if best.not_told_apart:
        text += f"; not told apart from it: {', '.join(best.not_told_apart)}"
    others = {a: r for a, r in best.over_fastest.items() if a not in best.not_told_apart}
    if others:
        said = ", ".join(f"{arm} {r.value:.3f} {plus_minus(r)}" for arm, r in others.items())
        text += f"; over it: {said}"
    if best.rough_and_faster:
        said = ", ".join(
            f"{arm} {r.value:.3f} {plus_minus(r)} of it, SQNR "
            f"{decibels(facts[arm]['level_sqnr_db'].values())}"
            for arm, r in best.rough_and_faster.items()
        )
        text += f"; in integers, which compute something else, surely faster: {said}"
    return f"{text}."
