"""What is printed of ranks: tables, and what they say in words."""

from bench.run.ddp.run import Row
from bench.run.own.numbers import ms, plus_minus, signed_milliseconds
from bench.run.own.tables import Table
from bench.schema.case import case_name
from bench.schema.records import Status
from bench.schema.text import percent
from bench.stats.intervals import Estimate
from bench.stats.overlap import more_exposed_s, overlap

HEADS = ("arm", "gradients", "MB of buckets, as sent", "step ms", "no sync ms", "all-reduce ms")
COST_HEADS = ("exposed", "hidden")

MOST_BUCKETS = 4
"""In a line; the file has all of them."""

REHEARSAL = (
    "a rehearsal: bytes, buckets, their order and the checks hold; the times do not, as gloo\n"
    "copies on the cores that convolve. So there is no cost and no verdict: these take several GPUs"
)


def table(row: Row) -> str:
    """Return what came of a row, as text."""
    head = f"{case_name(vars(row.case))}, world size {row.world_size}"
    if row.status is not Status.OK:
        return f"{head}: {row.status}: {row.reason}"
    heads = HEADS if row.rehearsal else (*HEADS, *COST_HEADS)
    checked = f"gradients are those of one process (difference {row.difference:.1g})"
    cells = tuple(_cells(row, arm) for arm in row.buckets)
    return "\n".join([f"{head}, {row.backend}: {checked}", str(Table(heads, cells)), said(row)])


def said(row: Row) -> str:
    """Return whether PANet's gradients cost time; of a rehearsal, that nothing is said."""
    if row.rehearsal:
        return REHEARSAL
    if row.world_size == 1:
        return "one rank has nobody to exchange gradients with"
    cost = more_exposed_s(row.replicates, "panet", "fpn")
    noise = more_exposed_s(row.replicates, "fpn_again", "fpn")
    if cost.half_width is None:
        return "no verdict: an interval takes 3 --replicates or more"
    if not _holds_zero(noise):
        return f"no verdict: FPN waits longer than itself, by {signed_milliseconds(noise)}"
    hidden = "are hidden" if _holds_zero(cost) else "are not hidden"
    told = f"a step waits {signed_milliseconds(cost)} longer for them"
    return f"PANet's gradients {hidden}: {told} (FPN beside itself {signed_milliseconds(noise)})"


def _holds_zero(estimate: Estimate) -> bool:
    return abs(estimate.value) <= (estimate.half_width or 0.0)


def _cells(row: Row, arm: str) -> tuple[str, ...]:
    found, buckets = overlap(row.replicates, arm), row.buckets[arm]
    sent = [f"{_megabytes(of['bytes'])} {'+'.join(of['of'])}" for of in buckets]
    if len(sent) > MOST_BUCKETS:
        sent[MOST_BUCKETS - 2 : -1] = ["..."]
    times = (found.step_s, found.unsynced_s, found.exchange_s)
    shown = [f"{ms(time_s.value)} {plus_minus(time_s)}" for time_s in times]
    if not row.rehearsal:
        shown += [signed_milliseconds(found.exposed_s), percent(found.hidden.value)]
    total = f"{_megabytes(sum(of['bytes'] for of in buckets))} MB in {len(buckets)}"
    return (arm.replace("_", " "), total, ", ".join(sent), *shown)


def _megabytes(number_bytes: int) -> str:
    return f"{number_bytes / 1e6:.3g}"
