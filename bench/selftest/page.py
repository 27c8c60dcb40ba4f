"""The self-test's page: what was measured, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

Json = Mapping[str, Any]


def render(document: Json) -> str:
    """Return the page of a self-test.

    Args:
        document: of `bench.selftest.session.SelfTest.document`.
    """
    parts = [_head(document), *(_setup(found) for found in document["setups"].values())]
    return "\n\n".join([*parts, READING]) + "\n"


READING = """## How to read this

A *comparison* is eight cases in which two sides take turns: a generous screen, and fresh replicates
of what it flags; only these decide. Both look again where the first look is not clear; the numbers
of replicates at each look stand above the column. All cases together (*overall*) are looked at as
well. In a trial one measurement serves several comparisons: of identical code, and each with one
slow-down in one case; it is found if that case or all together raise the alarm. The slowed side is
base or head by chance, and the gate does not know. *Resampled*: drawn from all undisturbed
replicates that were recorded. *Coverage*: how often the 95 % interval of one trial's cost holds the
mean of the other trials, which is itself not exact. *MDE*, minimum detectable effect: the smallest
change of a case that the gate finds 19 times of 20, median over trials. *Components*: standard
deviations of a log ratio; a replicate is a process, a turn a fork server, a trial some minutes."""


def _head(document: Json) -> str:
    sittings = document["sittings"]
    environment = sittings[-1]["environment"]
    rows = [
        [f"core {core}", *(_percent(spread[window]) for window in spread)]
        for core, spread in enumerate(sittings[-1]["core_speed_sd"])
    ]
    windows = list(sittings[-1]["core_speed_sd"][0]) if rows else []
    headers = ["speed of fixed work, sd over windows of", *(f"{float(w):g} s" for w in windows)]
    return "\n\n".join(
        [
            "# Self-test",
            f"{environment['cpu']}, {environment['cores']} cores; torch "
            f"{environment['libraries']['torch']}; {len(sittings)} sittings, "
            f"{sittings[0]['sitting']} to {sittings[-1]['sitting']}; code "
            f"{', '.join(sorted({sitting['code'] for sitting in sittings}))}.",
            _table(rows, headers),
        ]
    )


def _setup(found: Json) -> str:
    title = f"## Load {found['load']}, {found['threads']} threads: {found['trials']} trials"
    rows = [
        ["95 % intervals of the cost that hold", _rate(found["coverage"])],
        ["cost over the trials, max over min, worst case", _worst(found["cases"])],
        ["a trial takes", _seconds(found["elapsed_s"])],
        ["share of it in timed rounds", _percent(found["timed_share"])],
        [
            "contended replicates",
            f"{found['contended']} of {found['replicates']}",
        ],
    ]
    newest_first = found["gates"][::-1]
    return "\n\n".join(
        [
            title,
            *(_table(_verdict_rows(own), ["", _looks(own["gate"])]) for own in newest_first),
            _table(rows, ["", "measured"]),
            _table(list(_case_rows(found)), CASE_HEADERS),
            _table(list(_component_rows(found["components"])), COMPONENT_HEADERS),
        ]
    )


def _looks(gate: Json) -> str:
    screen, fresh, overall = (
        ", then ".join(map(str, gate[f"{step}_looks"])) for step in ("screen", "confirm", "overall")
    )
    text = f"screen: {screen}; fresh: {fresh}"
    if not overall:
        return text
    early = f"{gate['early_look']}, then " if gate["early_look"] else ""
    return f"{text}; overall: screen {early}{gate['screen_looks'][0]}, fresh {overall}"


def _verdict_rows(found: Json) -> list[list[str]]:
    resampled = found["resampled"]
    return [
        ["false alarms, identical code, live", _rate(found["false_alarms"])],
        [
            "false alarms, identical code, resampled",
            "too few replicates yet"
            if resampled is None
            else f"{resampled['false_alarm_rate']:.2%} "
            f"(at least {resampled['replicates_per_case']} replicates a case)",
        ],
        ["nothing could be said (contended)", f"{found['undecided']} of {found['trials']}"],
        *(_detection_row(detection, resampled) for detection in found["detections"]),
        ["a comparison of identical code alone takes", _seconds(found["alone_s"])],
    ]


CASE_HEADERS = [
    "case", "replicates", "cost", "max/min", "sd of a replicate", "MDE", "resampled",
]  # fmt: skip

COMPONENT_HEADERS = ["sd of a log ratio", "round", "process", "turn", "trial"]


def _detection_row(found: Json, resampled: Json | None) -> list[str]:
    true = f"{found['true_low']:.1%} to {found['true_high']:.1%}"
    size = f"+{found['asked']:.0%} in one case (truly {true})"
    rest = [f"{found[name]} {name}" for name in ("wrong", "undecided") if found[name]]
    text = ", ".join([f"{_rate(found['found'])} found", *rest])
    if resampled is not None:
        rates = resampled["detection_rate"][f"{found['asked']}"].values()
        text += f"; resampled {min(rates):.0%} to {max(rates):.0%}"
    return [size, f"{text}; {_seconds(found['alone_s'])} alone"]


def _case_rows(found: Json) -> Iterator[list[str]]:
    newest = found["gates"][-1]
    rates = (newest["resampled"] or {"detection_rate": {}})["detection_rate"]
    for case_id, case in found["cases"].items():
        yield [
            case_id,
            f"{case['replicates']}",
            _number(case["cost"]),
            _number(case["cost_max_over_min"]),
            _percent(case["replicate_sd"]),
            _percent(newest["detectable_ratio"][case_id]),
            ", ".join(f"+{float(size):.0%}: {by[case_id]:.0%}" for size, by in rates.items()),
        ]


def _component_rows(components: Json) -> Iterator[list[str]]:
    names = {"cost": "FPN+PANet over FPN", "identical": "identical code"}
    for name, words in names.items():
        yield [words, *(_percent(components[name][part]) for part in COMPONENT_HEADERS[1:])]


def _worst(cases: Json) -> str:
    known = [c["cost_max_over_min"] for c in cases.values() if c["cost_max_over_min"] is not None]
    return _number(max(known, default=None))


def _rate(found: Json) -> str:
    text = f"{found['count']} of {found['total']}"
    if found["low"] is None:
        return text
    return f"{text} (95 %: {found['low']:.1%} to {found['high']:.1%})"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)
