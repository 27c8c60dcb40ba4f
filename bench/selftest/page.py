"""The self-test's page: what was measured, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from tabulate import tabulate

from bench.schema.text import percent
from bench.selftest.document import Document
from bench.selftest.loads import BesideLoad, Bias
from bench.selftest.noise_components import Components
from bench.selftest.rates import CaseSummary, Detections, GateSummary, SetupSummary
from bench.selftest.resampling import Resampled
from bench.stats.proportions import Rate
from bench.stats.sequential import Gate


def render(document: Document) -> str:
    """Return the page of a self-test."""
    parts = [_head(document), *(_setup(setup) for setup in document.setups.values())]
    if document.loads:
        parts += ["## What other programs do to the cost", _table(*_load_rows(document.loads))]
    return "\n\n".join([*parts, READING]) + "\n"


READING = """## How to read this

A *comparison* is eight cases in which base and head take turns: a generous screen, and fresh
replicates of what it flags; only these decide. Both look again where the first look is not clear;
the numbers of replicates at each look stand above the column. All cases together are looked at as
well. In a trial one measurement serves several comparisons: of identical code, and each with one
slow-down in one case, in one stage of it or in every one; it is found if that case or all together
raise the alarm. The slowed side is base or head by chance, and the gate does not know. A slow-down
that is more than half away from the size that was asked is not tried. *Resampled*: drawn from all
undisturbed replicates that were recorded. *Coverage*: how often the 95 % interval of one trial's
cost holds the mean of the other trials, which is itself not exact. *MDE*, the minimum detectable
effect: the smallest change of a case that the gate finds 19 times of 20, median over trials. *What
other programs do*: the cost beside them against the cost without, over the cases, of replicates
that count and of those that are thrown away as contended. *Components*: standard deviations of a
log ratio; a replicate is a process, a turn a fork server, a trial some minutes."""


def _head(document: Document) -> str:
    sessions = document.sessions
    environment, speeds = sessions[-1].environment, sessions[-1].core_speed_sd
    rows = [
        [f"core {core}", *map(percent, spreads.values())] for core, spreads in enumerate(speeds)
    ]
    windows = list(speeds[0]) if rows else []
    headers = ["speed of fixed work, sd over windows of", *(f"{float(w):g} s" for w in windows)]
    return "\n\n".join(
        [
            "# Self-test",
            f"{environment['cpu']}, {environment['cores']} cores; torch "
            f"{environment['libraries']['torch']}; sessions: {len(sessions)}, "
            f"{sessions[0].started} to {sessions[-1].started}; code "
            f"{', '.join(sorted({session.code for session in sessions}))}.",
            _table(rows, headers),
        ]
    )


def _setup(setup: SetupSummary) -> str:
    title = f"## Load {setup.load}, {setup.threads} threads: {setup.trials} trials"
    rows = [
        ["95 % intervals of the cost that hold", _rate(setup.coverage)],
        ["cost over the trials, max over min, worst case", _worst(setup.cases)],
        ["a trial takes", _seconds(setup.elapsed_s)],
        ["share of it in timed rounds", percent(setup.timed_share)],
        ["contended replicates", f"{setup.contended} of {setup.replicates}"],
    ]
    newest_first = setup.gates[::-1]
    return "\n\n".join(
        [
            title,
            *(_table(_verdict_rows(own), ["", _looks(own.gate)]) for own in newest_first),
            _table(rows, ["", "measured"]),
            _table(list(_case_rows(setup)), CASE_HEADERS),
            _table(
                [
                    ["FPN+PANet over FPN", *_component_cells(setup.cost_components)],
                    ["identical code", *_component_cells(setup.identical_components)],
                ],
                COMPONENT_HEADERS,
            ),
        ]
    )


def _looks(gate: Gate) -> str:
    screen, fresh, overall = (
        ", then ".join(map(str, looks))
        for looks in (gate.screen_looks, gate.confirm_looks, gate.overall_looks)
    )
    text = f"screen: {screen}; fresh: {fresh}"
    if not overall:
        return text
    early = f"{gate.early_look}, then " if gate.early_look else ""
    return f"{text}; overall: screen {early}{gate.screen_looks[0]}, fresh {overall}"


def _verdict_rows(own: GateSummary) -> list[list[str]]:
    return [
        ["false alarms, identical code, live", _rate(own.false_alarms)],
        ["false alarms, identical code, resampled", _false_alarm_rate(own.resampled)],
        ["nothing could be said (contended)", f"{own.undecided} of {own.trials}"],
        *map(_detection_row, own.detections),
        ["a comparison of identical code alone takes", _seconds(own.alone_s)],
    ]


def _false_alarm_rate(resampled: Resampled | None) -> str:
    if resampled is None:
        return "too few replicates yet"
    return (
        f"{percent(resampled.false_alarm_rate, 2)} "
        f"(at least {resampled.replicates_per_case} replicates a case)"
    )


def _load_rows(loads: Sequence[BesideLoad]) -> tuple[list[list[str]], list[str]]:
    readings = [
        f"{name}, {what}" for name in ("inside", "whole calls") for what in ("mean", "worst")
    ]
    rows = [
        [
            f"{beside.load}, {beside.threads} threads: {beside.judged}",
            f"{beside.replicates}",
            *(cell for bias in (beside.inside, beside.whole) for cell in _bias_cells(bias)),
        ]
        for beside in loads
    ]
    return rows, ["replicates beside", "", *readings]


def _bias_cells(bias: Bias | None) -> tuple[str, str]:
    if bias is None:
        return "-", "-"
    half_width = percent(bias.mean.half_width, 2)
    return f"{percent(bias.mean.value, 2, signed=True)} ±{half_width}", percent(
        bias.worst, 1, signed=True
    )


CASE_HEADERS = ["case", "replicates", "cost", "max/min", "sd of a replicate", "MDE"]

COMPONENT_HEADERS = ["sd of a log ratio", "round", "process", "turn", "trial"]


def _detection_row(detections: Detections) -> list[str]:
    true = f"{percent(detections.true_low, 2)} to {percent(detections.true_high, 2)}"
    size = f"{detections.requested * 100:+g} % in one case (truly {true})"
    others = {"wrong": detections.wrong, "undecided": detections.undecided}
    rest = [f"{count} {name}" for name, count in others.items() if count]
    text = ", ".join([f"{_rate(detections.detected)} found", *rest])
    if detections.named.total:
        named = detections.named
        text += f"; the stage named in {named.count} of {named.total} of these that are in one"
    return [size, f"{text}; {_seconds(detections.alone_s)} alone"]


def _case_rows(setup: SetupSummary) -> Iterator[list[str]]:
    newest = setup.gates[-1]
    for case_id, case in setup.cases.items():
        yield [
            case_id,
            f"{case.replicates}",
            _number(case.cost),
            _number(case.cost_max_over_min),
            percent(case.replicate_sd),
            percent(newest.mde_ratio[case_id]),
        ]


def _component_cells(parts: Components) -> Iterator[str]:
    return map(percent, (parts.round, parts.process, parts.turn, parts.trial))


def _worst(cases: Mapping[str, CaseSummary]) -> str:
    known = [c.cost_max_over_min for c in cases.values() if c.cost_max_over_min is not None]
    return _number(max(known, default=None))


def _rate(rate: Rate) -> str:
    text = f"{rate.count} of {rate.total}"
    if rate.low is None:
        return text
    return f"{text} (95 %: {percent(rate.low)} to {percent(rate.high)})"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
