"""The answer in words: one or two sentences first, the table, and what else is to be known."""

from collections.abc import Iterator, Sequence

from bench.run.own import tables
from bench.run.own.numbers import (
    change,
    count,
    milliseconds,
    plus_minus,
    share,
    signed_milliseconds,
)
from bench.run.own.request import NETWORK, Kind, Request
from bench.run.own.result import Answer, CaseAnswer
from bench.schema.case import OF_OURS, names_of
from bench.schema.records import Status
from bench.schema.text import listed, percent

MOST = 3
"""Parts that are told in a sentence, or shapes; the table has all."""


def render(answer: Answer) -> str:
    """Return the whole answer."""
    lines: list[str] = []
    for name, case in named(answer):
        lines += [f"{name}:"] if name else []
        lines += [*headline(answer.request, case), ""]
        if case.answered:
            for table in tables.tables(answer.request, answer.parts, case):
                lines += [str(table), ""]
            lines += [*notes(answer.request, case), ""]
    return "\n".join(lines).rstrip()


def named(answer: Answer) -> Iterator[tuple[str, CaseAnswer]]:
    """Yield the cases, each with its name; of a single one it is empty."""
    names = names_of((case.result.case for case in answer.cases), OF_OURS)
    for case in answer.cases:
        yield names[case.result.case.case_id] if len(answer.cases) > 1 else "", case


def headline(request: Request, case: CaseAnswer) -> Iterator[str]:
    """Yield the answer itself, a sentence each."""
    status, reason = case.result.status, case.result.reason
    if not case.answered:
        yield f"{status}: {reason}."
        return
    if status is Status.CONTENDED:
        yield f"Nothing is sure: {reason}. What follows is provisional."
    if request.kind is Kind.PARTS:
        yield _parts_taken(request, case)
    elif request.kind is Kind.EXCHANGE:
        yield from _exchanged(request, case)
    else:
        yield from _networks(request, case)
    if status is Status.TOO_WIDE:
        yield f"Wider than asked: {reason}."


def _parts_taken(request: Request, case: CaseAnswer) -> str:
    inside = case.insides[NETWORK]
    largest = sorted(inside.parts.items(), key=lambda item: -item[1].share.value)[:MOST]
    told = [f"`{p}` takes {milliseconds(of.time_s)}, {share(of.share)}" for p, of in largest]
    told[0] += f" of the call of `{request.typed[NETWORK]}`"
    if len(inside.parts) == 1:
        ratio = largest[0][1].ratio
        if ratio is None:
            return f"{told[0]}."
        times = f"{ratio.value:.3f} ({plus_minus(ratio)})"
        return f"{told[0]}; the whole call takes {times} times what its rest takes."
    most = f"Of {len(inside.parts)} parts most: " if len(inside.parts) > MOST else ""
    return f"{most}{'; '.join(told)}. What is in no part takes {share(inside.rest.share)}."


def _exchanged(request: Request, case: CaseAnswer) -> Iterator[str]:
    (arm,) = request.others
    if case.exchange is None or arm not in case.insides:
        yield "No round of both was undisturbed."
        return
    ((part, before),) = case.insides[NETWORK].parts.items()
    after = case.insides[arm].parts[part]
    yield (
        f"`{request.typed[arm]}` in the place of `{part}` takes {milliseconds(after.time_s)} "
        f"instead of {milliseconds(before.time_s)}: "
        f"{signed_milliseconds(case.exchange.difference_s)} per call."
    )
    whole = change(case.besides[arm].ratio) if arm in case.besides else "-"
    yield (
        f"Beside it the rest of the call takes {change(case.exchange.residual)} (the residual), "
        f"and the whole call {whole}."
    )


def _networks(request: Request, case: CaseAnswer) -> Iterator[str]:
    for arm in request.others:
        if (found := case.besides.get(arm)) is not None:
            yield (
                f"`{arm}` takes {found.ratio.value:.3f} ({plus_minus(found.ratio)}) times as long "
                f"as `{request.base}`: {signed_milliseconds(found.difference_s)} per call."
            )


def notes(request: Request, case: CaseAnswer) -> Iterator[str]:
    """Yield what else is to be known, a line each."""
    count_of = len(case.result.used)
    noise = case.besides.get(request.again)
    aa = "" if noise is None else f"; the network against itself {change(noise.ratio)} (A/A)"
    yield f"{count_of} fresh process{'' if count_of == 1 else 'es'}{aa}."
    for arm in case.looks:
        yield from _notes_of(request, case, arm)
    for arm in request.others:
        yield from _unlike(request, case, arm)


def _notes_of(request: Request, case: CaseAnswer, arm: str) -> Iterator[str]:
    of = "" if arm == NETWORK else f" of `{request.typed[arm]}`"
    inside, look = case.insides.get(arm), case.looks[arm]
    for part, facts in look.parts.items():
        called = inside.parts[part].called if inside and part in inside.parts else 1.0
        if facts.fewest_calls != facts.most_calls or called < 1:
            yield (
                f"`{part}`{of} is not called equally often: {facts.fewest_calls} to "
                f"{facts.most_calls} times, and in {percent(called, 0)} of the calls at all."
            )
        elif facts.most_calls > 1:
            yield f"`{part}`{of} is called {facts.most_calls} times per call; all are in its row."
    if idle := [f"`{part}`" for part, facts in look.parts.items() if facts.does_nothing]:
        one, more = "does nothing: it returns what it gets", "do nothing: they return what they get"
        yield f"{listed(idle)}{of} {more if len(idle) > 1 else one}."
    if look.never_called:
        never = ", ".join(f"`{path}`" for path in look.never_called)
        yield f"Never called, and so in no row{of}: {never}."


def _unlike(request: Request, case: CaseAnswer, arm: str) -> Iterator[str]:
    """Say where a network that is compared gives other outputs, or does the same work."""
    finding, look, base = case.result.finding, case.looks.get(arm), case.looks.get(request.base)
    if look is None or base is None or finding is None:
        return
    there, here = finding.facts[request.base], finding.facts[arm]
    if look.outputs != base.outputs:
        yield (
            f"`{request.typed[arm]}` gives outputs of other shapes: {_shapes(look.outputs)} "
            f"instead of {_shapes(base.outputs)}."
        )
    if (there.macs, there.params) == (here.macs, here.params):
        yield (
            f"Both have {count(here.macs)} MACs and as many parameters ({count(here.params)}): "
            "is it another network?"
        )


def _shapes(shapes: Sequence[Sequence[int]]) -> str:
    told = ["x".join(map(str, shape)) for shape in shapes[:MOST]]
    return ", ".join([*told, *(["..."] if len(shapes) > MOST else [])])
