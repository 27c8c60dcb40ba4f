"""What commands answered on several kinds of machine, in a table side by side.

Ratios and verdicts are what carries over; milliseconds are each machine's own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tabulate import tabulate

from bench.schema import text
from bench.stats.intervals import Estimate

Row = Mapping[str, Any]


def costs(document: Row) -> dict[str, str]:
    """Return network and part -> what it adds to a call, and its milliseconds."""
    found: dict[str, str] = {}
    for case in document["cases"]:
        rows = case["answer"]["rows"]
        networks = {row["network"] for row in rows}
        for row in rows:
            if row["part"] == "rest":
                continue
            named = (case["said"]["name"], row["network"] if len(networks) > 1 else "", row["part"])
            found[" ".join(filter(None, named))] = "; ".join(_cost(row))
        if not rows:
            found[case["said"]["name"] or "call"] = f"{case['status']}: {case['reason']}"
    return found


def _cost(row: Row) -> Iterator[str]:
    if row.get("ratio") is not None:
        yield text.change(row["ratio"], row["ratio_low"], row["ratio_high"])
    if row.get("time_s") is not None:
        time_s = Estimate(row["time_s"], row["time_s_low"], row["time_s_high"])
        half = time_s.half_width_ratio
        within = "" if half is None else f" ±{text.percent(half)}"
        yield f"{text.figure(time_s.value * 1e3)} ms{within}"


def verdicts(document: Row) -> dict[str, str]:
    """Return case -> its verdict, and head over base."""
    judged = dict(document["cases"])
    if document["overall"] is not None:
        judged["all together"] = document["overall"]
    found = {name: _verdict(of) for name, of in judged.items()}
    return found | dict.fromkeys(document["failed"], "missing") | {"verdict": document["verdict"]}


def _verdict(of: Row) -> str:
    ratio = of["ratio"] or {"value": None, "low": None, "high": None}
    change = text.change(ratio["value"], ratio["low"], ratio["high"])
    return f"{of['verdict'].replace('_', ' ')}, {change}"


def false_alarms(document: Row) -> dict[str, str]:
    """Return load and threads -> how many comparisons of equal code raised an alarm."""
    found = {}
    for name, setup in document["setups"].items():
        rate = setup["gates"][-1]["false_alarms"]
        bound = "" if rate["high"] is None else f" (95 %: at most {text.percent(rate['high'], 0)})"
        found[name] = f"{rate['count']} of {rate['total']}{bound}"
    return found


def table(head: str, kinds: Mapping[str, Mapping[str, str]]) -> str:
    """Return the table: a row for each name, a column for each kind of machine."""
    names = dict.fromkeys(name for of_kind in kinds.values() for name in of_kind)
    rows = [[name, *(of.get(name, text.UNKNOWN) for of in kinds.values())] for name in names]
    return tabulate(rows, [head, *kinds], tablefmt="simple", disable_numparse=True)
