"""The answer in plain words, computed from the cost table."""

import itertools
import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pandas as pd

from bench.schema.case import case_name
from bench.schema.records import Status
from bench.schema.text import change, counted, percent
from reports.analysis.names import MOST_NAMED
from reports.data.costs import trusted
from reports.data.rows import rows_of

LAUNCH_BOUND = 0.8
"""Share of a call in which the host still launches: where it is larger, the device waits for the
host, and a faster one would hardly help."""

SPEED_CHANGED = 0.2
"""Half of an interval of milliseconds, relative: wider, and the machine was not one machine."""

NORMAL = NormalDist()

ENDS = ("", "_low", "_high")

SCOPES = {
    "neck": "the neck (FPN alone)",
    "model": "the whole model (backbone and FPN)",
    "heads": "the heads (Mask R-CNN's, one level per box)",
}
PASSES = {"inference": "", "training": " in training"}


def closing_paragraph(table: pd.DataFrame) -> str:
    """Return what the cost table says, scope by scope, with the noise floor and what is missing.

    Args:
        table: of `reports.data.costs.cost`.
    """
    return " ".join(sentences(table))


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Yield what the cost table says, a sentence each; as for `closing_paragraph`."""
    yield from answers(table)
    yield from remarks(table)


def answers(table: pd.DataFrame) -> Iterator[str]:
    """Yield what PANet costs, of the cases with an interval."""
    known = trusted(table)
    known = known[known["ratio_low"].notna()]
    for (scope, name), (pass_name, of_pass) in itertools.product(SCOPES.items(), PASSES.items()):
        rows = known[(known["scope"] == scope) & (known["pass_name"] == pass_name)]
        if len(rows):
            yield _scope_sentence(f"{name}{of_pass}", rows)


def remarks(table: pd.DataFrame) -> Iterator[str]:
    """Yield how well it is known, and what is missing."""
    answered, with_cost = table[table["ratio"].notna()], trusted(table)
    known = with_cost[with_cost["ratio_low"].notna()]
    if len(with_cost) > len(known):
        yield (
            f"{len(with_cost) - len(known)} of {len(table)} cases have no interval yet: the budget "
            "ended after too few processes."
        )
    if not len(answered):
        yield "Nothing was measured."
    else:
        noise = (answered["aa_ratio"] - 1).abs().dropna()
        if len(noise):
            floor = _percent(float(noise.max()))
            yield f"The same network against itself differs by up to {floor} here."
    if len(known):
        yield _width_sentence(known)
    yield from _speed_sentence(with_cost)
    yield from _residual_sentences(with_cost)
    far = int(answered["outliers"].sum()) if len(answered) else 0
    if far:
        of = int(answered["replicates"].sum())
        yield f"{far} of {of} replicates lie far from the others of their case, and count as they."
    yield from _launch_sentence(answered)
    counts = table.loc[table["status"] != Status.OK, "status"].value_counts()
    if len(counts):
        listed = ", ".join(f"{count} {status}" for status, count in counts.items())
        yield f"Without a sure answer: {listed}."


def _width_sentence(rows: pd.DataFrame) -> str:
    """Say how many cases are as narrow as requested, and how wide the rest is."""
    reached = rows["status"] == Status.OK
    requested = _amount(rows["requested_half_width_ratio"])
    text = f"{reached.sum()} of {len(rows)} cases are known to the requested ±{requested}"
    rest = rows.loc[~reached, "half_width_ratio"]
    return f"{text}; the rest to ±{_amount(rest)}." if len(rest) else f"{text}."


def _speed_sentence(rows: pd.DataFrame) -> Iterator[str]:
    """Say where others on the same host were felt by all cases, though nobody waited for a CPU."""
    low, high = rows["difference_s_low"], rows["difference_s_high"]
    width = ((high - low) / 2 / rows["difference_s"]).dropna()
    if len(width) and width.median() > SPEED_CHANGED:
        yield (
            f"The milliseconds are known to ±{_amount(width)} only: the machine's own speed "
            "changed while it was measured. Ratios within a call do not see that."
        )


def _residual_sentences(rows: pd.DataFrame) -> Iterator[str]:
    """Say what PANet does to what is around it, of cases whose cost was read inside the calls."""
    known = rows[rows["residual_low"].notna()]
    if not len(known):
        return
    value, low, high = (np.log(known[f"residual{end}"]) for end in ENDS)
    mean = float(value.mean())
    half = float(np.sqrt((((high - low) / 2) ** 2).sum()) / len(known))
    pooled = change(*(math.exp(x) for x in (mean, mean - half, mean + half)))
    yield (
        "The cost is read inside the calls. With PANet in it, the rest of a call changes by "
        f"{pooled} (the residual, over {counted(len(known), 'case')})."
    )
    # Each at 95 %: of many cases one would lie beside 1 by chance.
    surely = NORMAL.inv_cdf(1 - 0.025 / len(known)) / NORMAL.inv_cdf(0.975)
    changed = known[value.abs() > surely * (high - low) / 2]
    if len(changed):
        largest = np.argsort(-np.abs(np.log(changed["residual"].to_numpy(float))), kind="stable")
        listed = "; ".join(
            f"{case_name(row)} {change(*(row[f'residual{end}'] for end in ENDS))}"
            for row in rows_of(changed.iloc[largest[:MOST_NAMED]])
        )
        more = len(changed) - MOST_NAMED
        rest = f"; and {counted(more, 'more case')}" if more > 0 else ""
        yield f"In single cases it surely changes: {listed}{rest}."


def _launch_sentence(answered: pd.DataFrame) -> Iterator[str]:
    known = answered[answered["panet_launch_share"].notna()]
    bound = int((known["panet_launch_share"] >= LAUNCH_BOUND).sum())
    if bound:
        yield (
            f"{bound} of {len(known)} cases are bound by launches: there the cost is that of more "
            "operators, and not of more arithmetic."
        )


def _scope_sentence(name: str, rows: pd.DataFrame) -> str:
    times, macs = rows["ratio"] - 1, rows["macs_ratio"] - 1
    return f"PANet {_range(times)} to the time of {name}; {_amount(macs)} in MACs."


def _range(shares: "pd.Series[float]") -> str:
    low, high = float(shares.min()), float(shares.max())
    if high < 0:
        return f"takes {_span(-high, -low)} off and adds nothing"
    if low < 0:
        return f"adds between {_percent(low)} and {_percent(high)}"
    return f"adds {_span(low, high)}"


def _amount(shares: "pd.Series[float]") -> str:
    return _span(float(shares.min()), float(shares.max()))


def _span(low: float, high: float) -> str:
    if _percent(low) == _percent(high):
        return _percent(low)
    return f"{_percent(low).removesuffix(' %')}-{_percent(high)}"


def _percent(share: float) -> str:
    size = abs(round(share, 4))
    digits = 0 if size >= 0.1 else 1 if size >= 0.01 else 2
    return percent(share, digits)
