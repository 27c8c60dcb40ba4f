"""The comment that a reviewer reads: ten lines of Markdown, and the table for who wants more."""

from collections.abc import Iterator, Mapping

from tabulate import tabulate

from bench import stats
from bench.compare import stage_words
from bench.compare.request import BASE, HEAD, SEPARATE
from bench.compare.result import ComparisonResult, Measured
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
    Verdict.INCOMPARABLE: "not comparable",
}

ALARMS = (Verdict.REGRESSED, Verdict.IMPROVED)

MOST_CASES = 3
"""That are listed one by one; the table has all."""

MOST_STAGES = 3
"""Of a case, the costliest; the JSON has all."""


def render(result: ComparisonResult) -> str:
    """Return the comment."""
    lines = [
        f"### `{_code(result.sides.codes[HEAD].name)}` is {_headline(result)}",
        "",
        f"Against `{_code(result.sides.codes[BASE].name)}`; {_machine(result)}; "
        f"{result.elapsed_s / 60:.1f} min.",
        "",
        *_what_changed(result),
        *_why(result.explanation),
        *_what_was_counted(result.counts),
        *_what_would_be_seen(result),
        "",
        "<details><summary>All cases</summary>",
        "",
        _table(result),
        "",
        *([f"Again: `{_code(result.command)}`", ""] if result.command else []),
        "</details>",
    ]
    return "\n".join(lines) + "\n"


def _headline(result: ComparisonResult) -> str:
    headline = HEADLINES[result.verdict]
    all_cases = f"over all {len(result.timed.cases)} cases"
    explaining = result.timed.explaining()
    if explaining is not None and result.verdict in ALARMS:
        first, *_ = stage_words.changes(result, explaining)
        where = all_cases if explaining == OVERALL else f"in `{explaining}`"
        return f"{headline}: {first} {where}"
    together = result.timed.overall
    if together is None or together.ratio is None:
        return headline
    return f"{headline}: {_ratio(together.ratio)} {all_cases}"


def _what_changed(result: ComparisonResult) -> Iterator[str]:
    if result.control_drifted:
        yield "- the base differs from itself: this machine cannot answer now; run again"
    changed = [(n, c) for n, c in result.timed.by_name.items() if c.verdict in ALARMS and c.ratio]
    changed.sort(key=lambda entry: (entry[0] != OVERALL, -abs(entry[1].of_call or 0.0)))
    for name, change in changed[:MOST_CASES]:
        yield f"- **{change.verdict}** {_name(name)}: {_sure(result, name)}"
    if len(changed) > MOST_CASES:
        yield f"- and {text.counted(len(changed) - MOST_CASES, 'more case')}, see below"
    yield from _what_is_tolerated(result)
    yield from _what_has_no_partner(result)
    for case_id, reason in list(result.failed.items())[:MOST_CASES]:
        yield f"- **missing** `{case_id}`: {_code(reason)}"
    for case_id, reason in list(result.died.items())[:MOST_CASES]:
        yield f"- a process died while it was measured: `{case_id}`: {_code(reason)}"
    yield from _what_is_undecided(result)


def _what_is_undecided(result: ComparisonResult) -> Iterator[str]:
    """Report what is known of the cases that nobody can say anything sure of."""
    undecided = [
        case_id
        for case_id, change in result.timed.cases.items()
        if change.verdict is Verdict.UNDECIDED and not change.left_to_overall
        if case_id not in result.died
    ]
    for case_id in undecided[:MOST_CASES]:
        found = result.measured.get(case_id, Measured(0, 0, {}))
        why = "the budget was spent" + (
            f" and the machine busy: {found.contended} of {found.contended + found.replicates} "
            "replicates were contended"
            if found.contended
            else f" after {found.replicates} replicates"
        )
        ratio = result.timed.cases[case_id].ratio or found.provisional
        so_far = "" if ratio is None else f"; provisionally {_ratio(ratio)}"
        yield f"- undecided `{case_id}`: {why}{so_far}"
    if len(undecided) > MOST_CASES:
        more = text.counted(len(undecided) - MOST_CASES, "more undecided case")
        yield f"- and {more}, see below"


def _what_is_tolerated(result: ComparisonResult) -> Iterator[str]:
    """Report what surely changed but costs too little to fail, of the case where it costs most."""
    tolerated = [(n, c) for n, c in result.timed.by_name.items() if c.tolerated]
    if tolerated:
        name, _ = max(tolerated, key=lambda entry: abs(entry[1].of_call or 0.0))
        more = f" (and {len(tolerated) - 1} more)" if len(tolerated) > 1 else ""
        yield (
            f"- surely there, but within the tolerance of {text.percent(result.tolerance)} of a "
            f"call: {_name(name)}{more}: {_sure(result, name)}"
        )


def _what_has_no_partner(result: ComparisonResult) -> Iterator[str]:
    for side in (BASE, HEAD):
        unmatched = [c.unmatched[side] for c in result.timed.cases.values() if side in c.unmatched]
        names = dict.fromkeys(name for stages in unmatched for name in stages)
        if names:
            listed = ", ".join(f"`{name}`" for name in list(names)[:MOST_STAGES])
            more = f" and {len(names) - MOST_STAGES} more" if len(names) > MOST_STAGES else ""
            yield f"- stages that only the {side} has, compared with what is in no stage: " + (
                listed + more
            )


def _name(name: str) -> str:
    return "all cases together" if name == OVERALL else f"`{name}`"


def _sure(result: ComparisonResult, name: str) -> str:
    change = result.timed.by_name[name]
    ratio = "" if change.ratio is None else _ratio(change.ratio)
    whole = ratio if change.p_value is None else f"{ratio} (p = {change.p_value:.1g})"
    stages = stage_words.changes(result, name)[:MOST_STAGES]
    return "; ".join([*stages, f"whole call {whole}"]) if stages else whole


def _why(why: Explanation | None) -> Iterator[str]:
    if why is None:
        return
    parts = [_stage(change) for change in why.stages]
    parts += [f"`{name}` {a:g} → {b:g} calls" for name, (a, b) in why.operators.items()]
    if parts:
        where = f"traces of both sides: `traces/{why.case_id}`"
        if not why.named and not all(change.counted for change in why.stages):
            where = (
                f"the base twice: its stages differ by {text.percent(why.repeats_within)}; {where}"
            )
        yield f"- in `{why.case_id}`, profiled: {'; '.join(parts)} ({where})"


def _what_was_counted(counts: Mapping[str, Mapping[str, tuple[int, int]]]) -> Iterator[str]:
    """Report what differs without any doubt, of the first case in which something does."""
    for case_id, differing in counts.items():
        parts = [f"{COUNTED_NAMES[name]} {_change(*pair)}" for name, pair in differing.items()]
        more = f" (and {text.counted(len(counts) - 1, 'more case')})" if len(counts) > 1 else ""
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
    return text.percent(head / base - 1, 2, signed=True)


def _stage(change: StageChange) -> str:
    said = f"{change.name} {stage_words.times(change.base_s, change.head_s, ' → ')}"
    if change.base_operators != change.head_operators:
        said += f", {change.base_operators} → {change.head_operators} operators"
    if change.base_bytes == change.head_bytes:
        return said
    return f"{said}, {change.base_bytes / 2**20:.1f} → {change.head_bytes / 2**20:.1f} MiB moved"


def _what_would_be_seen(result: ComparisonResult) -> Iterator[str]:
    cases = result.timed.cases.values()
    known = [c.mde_ratio for c in cases if c.mde_ratio is not None]
    if known:
        ends = dict.fromkeys(text.percent(end) for end in (min(known), max(known)))
        yield (
            f"- a change of {' to '.join(ends)} of one case alone would have been "
            f"noticed 19 times of 20; identical code raises an alarm in at most one comparison of "
            f"{1 / GATE.alarm_p:.0f}"
        )


def _table(result: ComparisonResult) -> str:
    rows = [
        [
            name,
            _verdict(change),
            _sure(result, name) or "-",
            _milliseconds(result.measured.get(name)),
            text.percent(change.mde_ratio),
        ]
        for name, change in result.timed.by_name.items()
    ]
    headers = ["case", "verdict", "head / base - 1", "ms", "MDE"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _milliseconds(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    base, head = (measured.latencies_s[side] * 1e3 for side in (BASE, HEAD))
    return " → ".join(text.figure(ms) for ms in (base, head))


def _verdict(change: CaseVerdict) -> str:
    if change.left_to_overall:
        return f"left to overall{_clear_of_one(change)}"
    return "within tolerance" if change.tolerated else str(change.verdict)


def _clear_of_one(change: CaseVerdict) -> str:
    """Say where the interval of a case lies, which by itself is no verdict of the gate's."""
    ratio = change.ratio
    if ratio is None or ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high:
        return ""
    return ", slower" if ratio.low > 1 else ", faster"


def _ratio(estimate: stats.Estimate) -> str:
    return text.change(estimate.value, estimate.low, estimate.high)


def _code(words: str) -> str:
    """Return a text from outside, such as a commit's message, safe between backticks."""
    return " ".join(words.replace("`", "'").split())


def _machine(result: ComparisonResult) -> str:
    turns = "in processes that take turns" if result.sides.pairing == SEPARATE else "in one process"
    environments = [result.sides.environments[side] for side in (BASE, HEAD)]
    return f"taking turns {turns}; {text.machine(*environments)}"
