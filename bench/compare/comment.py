"""The comment that a reviewer reads: ten lines of Markdown, and the table for who wants more."""

from collections.abc import Iterator, Mapping

from tabulate import tabulate

from bench import stats
from bench.compare.comparison import APART, BASE, HEAD, Compared
from bench.profiling.profile_diff import Explanation, StageChange
from bench.schema import text
from bench.stats.sequential import GATE
from bench.stats.standing import OVERALL
from bench.stats.verdict import CaseVerdict, Verdict

HEADLINES = {
    Verdict.REGRESSED: "slower",
    Verdict.IMPROVED: "faster",
    Verdict.WITHIN_NOISE: "no slower",
    Verdict.UNDECIDED: "slower or not, nobody can say",
    Verdict.MISSING: "no longer able to run some cases",
}

MOST_CASES = 3
"""That are told one by one; the table has all."""


def render(found: Compared) -> str:
    """Return the comment."""
    lines = [
        f"### `{_code(found.codes[HEAD].name)}` is {_headline(found)}",
        "",
        f"Against `{_code(found.codes[BASE].name)}`; {_machine(found)}; "
        f"{found.elapsed_s / 60:.1f} min.",
        "",
        *_what_moved(found),
        *_why(found.explanation),
        *_what_was_counted(found.answer.counts),
        *_what_could_be_seen(found),
        "",
        "<details><summary>All cases</summary>",
        "",
        _table(found),
        "",
        "</details>",
    ]
    return "\n".join(lines) + "\n"


def _headline(found: Compared) -> str:
    headline = HEADLINES.get(found.verdict, str(found.verdict))
    together = found.answer.judged.overall
    if together is None or together.ratio is None:
        return headline
    return f"{headline}: {_ratio(together.ratio)} over all {len(found.answer.judged.cases)} cases"


def _what_moved(found: Compared) -> Iterator[str]:
    if found.answer.control_drifted:
        yield "- the base differs from itself: this machine cannot answer now; run again"
    alarms = (Verdict.REGRESSED, Verdict.IMPROVED)
    moved = [
        (n, c) for n, c in found.answer.judged.by_name.items() if c.verdict in alarms and c.ratio
    ]
    moved.sort(key=lambda entry: (entry[0] != OVERALL, entry[1].p_value or 0.0))
    for name, change in moved[:MOST_CASES]:
        yield f"- **{change.verdict}** {_name(name)}: {_sure(change)}"
    if len(moved) > MOST_CASES:
        yield f"- and {len(moved) - MOST_CASES} more cases, see below"
    for case_id, reason in list(found.answer.failed.items())[:MOST_CASES]:
        yield f"- **missing** `{case_id}`: {_code(reason)}"
    for case_id, reason in list(found.answer.died.items())[:MOST_CASES]:
        yield f"- a process died while it was measured: `{case_id}`: {_code(reason)}"
    undecided = sum(
        change.verdict is Verdict.UNDECIDED and not change.left_to_overall
        for change in found.answer.judged.cases.values()
    )
    if undecided:
        yield f"- undecided: {undecided} cases (contended, or the budget was spent)"


def _name(name: str) -> str:
    return "all cases together" if name == OVERALL else f"`{name}`"


def _sure(change: CaseVerdict) -> str:
    ratio = "" if change.ratio is None else _ratio(change.ratio)
    return ratio if change.p_value is None else f"{ratio} (p = {change.p_value:.1g})"


def _why(found: Explanation | None) -> Iterator[str]:
    if found is None:
        return
    parts = [_stage(change) for change in found.stages]
    parts += [f"`{name}` {a:g} → {b:g} calls" for name, (a, b) in found.operators.items()]
    if parts:
        where = f"traces of both sides: `traces/{found.case_id}`"
        if not all(change.counted for change in found.stages):
            where = f"the base twice: its stages differ by {found.repeats_within:.1%}; {where}"
        yield f"- in `{found.case_id}`, profiled: {'; '.join(parts)} ({where})"


def _what_was_counted(counts: Mapping[str, Mapping[str, tuple[int, int]]]) -> Iterator[str]:
    """Tell what differs without any doubt, of the first case in which something does."""
    for case_id, found in counts.items():
        parts = [f"{COUNTED_NAMES[name]} {_change(*pair)}" for name, pair in found.items()]
        more = f" (and {len(counts) - 1} more cases)" if len(counts) > 1 else ""
        yield f"- counted in `{case_id}`{more}: {', '.join(parts)}"
        return


COUNTED_NAMES = {
    "params": "parameters",
    "macs": "multiply-accumulates",
    "operators": "operators",
    "peak_bytes": "peak tensor memory",
    "graph_breaks": "graph breaks",
}


def _change(base: int, head: int) -> str:
    if base < 1000:
        return f"{base} → {head}"
    return f"{(head / base - 1) * 100:+.2f} %"


def _stage(change: StageChange) -> str:
    said = f"{change.name} {change.base_s * 1e3:.2f} → {change.head_s * 1e3:.2f} ms"
    if change.base_operators != change.head_operators:
        said += f", {change.base_operators} → {change.head_operators} operators"
    if change.base_bytes == change.head_bytes:
        return said
    return f"{said}, {change.base_bytes / 2**20:.1f} → {change.head_bytes / 2**20:.1f} MiB moved"


def _what_could_be_seen(found: Compared) -> Iterator[str]:
    cases = found.answer.judged.cases.values()
    known = [c.mde_ratio for c in cases if c.mde_ratio is not None]
    if known:
        yield (
            f"- a change of {min(known):.1%} to {max(known):.1%} of one case alone would have been "
            f"noticed 19 times of 20; identical code raises an alarm in at most one comparison of "
            f"{1 / GATE.alarm_p:.0f}"
        )


def _table(found: Compared) -> str:
    rows = [
        [name, _verdict(change), _sure(change) or "-", text.percent(change.mde_ratio)]
        for name, change in found.answer.judged.by_name.items()
    ]
    headers = ["case", "verdict", "head / base - 1", "MDE"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _verdict(change: CaseVerdict) -> str:
    return "left to overall" if change.left_to_overall else str(change.verdict)


def _ratio(found: stats.Estimate) -> str:
    return text.change(found.value, found.low, found.high)


def _code(words: str) -> str:
    """Return a text from outside, such as a commit's message, safe between backticks."""
    return " ".join(words.replace("`", "'").split())


def _machine(found: Compared) -> str:
    turns = "in processes that take turns" if found.pairing == APART else "in one process"
    environments = [found.environments[side] for side in (BASE, HEAD)]
    return f"taking turns {turns}; {text.machine(*environments)}"
