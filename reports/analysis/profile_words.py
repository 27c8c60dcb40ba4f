"""What a profile says, in sentences, and what is to be taken with care."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from bench.schema.text import listed, percent
from reports.analysis.names import ARM_NAMES, MIB, MOST_NAMED, arm_name
from reports.analysis.readable import plus_minus
from reports.data.profile_frames import DISTURBED
from reports.data.rows import rows_of

NAMES = {"backbone": "backbone", "fpn": "FPN", "panet": "PANet"}

BUSY_SHARE = 0.8
"""Below it, what runs between the operators is worth a sentence."""

ELSEWHERE_SHARE = 0.005
"""Of the time outside all stages: less than this is not worth a sentence."""

DISAGREEING_SHARE = 0.1
"""Of a stage's share: by more profiler and timed calls do not agree."""

SMALL_SHARE = 0.02
"""Of a call: below it a stage's share is not worth a sentence."""

MOST_TOLD = 6
"""Parts in a sentence, of a network that has more."""

MOST_OF_PANET = 0.6
"""So much of PANet's time is called "most of it"."""

Memory = Mapping[str, Any] | None


def sentences(
    stages: pd.DataFrame, summary: pd.DataFrame, memory: Mapping[str, Memory]
) -> list[str]:
    """Return the three sentences that a reader should take along.

    Args:
        stages: of `reports.data.profile_frames.stages`, one case.
        summary: of `reports.data.profile_frames.summary`, the same case.
        memory: per arm, as in the profile.
    """
    texts = [_division(stages, summary), _costliest(stages), _peak(memory)]
    return [sentence for sentence in texts if sentence]


def warnings(stages: pd.DataFrame, summary: pd.DataFrame, parts: pd.DataFrame) -> list[str]:
    """Return what is to be taken with care."""
    texts = [*_disturbed(summary), *_disagreeing(stages, summary), *_beyond(stages)]
    for row in rows_of(summary):
        if row["disturbed"]:
            continue
        name = arm_name(row["arm"])
        if row["bound"] == "launch":
            texts.append(
                f"{name}: launch-bound; the device is busy for "
                f"{percent(row['busy_share'], 0)} of a step, and waits for the host in the rest"
            )
        elif not row["bound"] and row["busy_share"] < BUSY_SHARE:
            texts.append(
                f"{name}: operators run for {percent(row['busy_share'], 0)} of a step; the rest is "
                "Python and dispatch (the profiler adds to it)"
            )
        if row["elsewhere_share"] > ELSEWHERE_SHARE:
            texts.append(
                f"{name}: {percent(row['elsewhere_share'])} of the time cannot be attributed to a "
                "stage (kernels that a compiler fused over several, a loss)"
            )
    if len(parts):
        disagreeing = parts[parts["disagrees"].isin([True])]
        texts += [
            f"{NAMES[row['part']]}: the profile gives it {row['profile_s'] * 1e3:.2f} ms, the "
            f"timed rounds {row['adds_s'] * 1e3:.2f} ms; believe the rounds"
            for row in rows_of(disagreeing)
        ]
    return texts


def _disturbed(summary: pd.DataFrame) -> Iterator[str]:
    """Yield the arms whose profile is not to be believed."""
    for row in rows_of(summary):
        if row["disturbed"]:
            yield (
                f"{arm_name(row['arm'])}: the profile was disturbed: {row['disturbed']}. What "
                "only it tells is grey or left out; profile again on a calm machine"
            )


def _beyond(stages: pd.DataFrame) -> Iterator[str]:
    """Yield the stages that computed more than the ceiling allows."""
    if not len(stages):
        return
    rows = stages[(stages["arm"] == _subject(stages)) & (stages["bound_by"] == "low ceiling")]
    if len(rows):
        yield (
            f"{', '.join(rows['stage'])}: faster than the ceiling of this machine, which was "
            "measured while it was slower; remove ceilings.json from the folder of the runs, and "
            "the next profile measures it again"
        )


def _disagreeing(stages: pd.DataFrame, summary: pd.DataFrame) -> Iterator[str]:
    """Yield the arms of which profiler and marks divide the time differently."""
    if not len(stages):
        return
    believed = summary.loc[summary["disturbed"] == "", "arm"]
    known = stages[stages["arm"].isin(believed)].dropna(subset=["share", "profile_share"])
    off = (known["profile_share"] / known["share"] - 1).abs() > DISAGREEING_SHARE
    far = known[off & (known["share"] >= SMALL_SHARE)]
    for arm, rows in far.groupby("arm", sort=False):
        named = ", ".join(
            f"{row['stage']} {percent(row['profile_share'])} instead of {percent(row['share'])}"
            for row in rows_of(rows.sort_values("share", ascending=False)[:MOST_NAMED])
        )
        named += f", and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
        yield (
            f"{arm_name(arm)}: the profiler, which slows operators down, divides the time "
            f"otherwise than the timed calls do: {named}; times and shares here are those of the "
            "timed calls"
        )


def residual(whole: Mapping[Hashable, Any], rest: Mapping[Hashable, Any]) -> str:
    """Say by how much the whole and the sum of its parts alone differ, and what that may mean.

    Args:
        whole: the row ``all`` of `reports.data.parts.parts`.
        rest: its row ``residual``.
    """
    seconds, low, high = (rest[f"adds_s{bound}"] for bound in ("", "_low", "_high"))
    share = seconds / whole["alone_s"]
    said = f"{seconds * 1e3:+.2f} ms ({percent(share, signed=True)})"
    text = f"The whole takes {said} against the sum of its parts"
    if pd.isna(low):
        return f"{text}; there are too few replicates to say whether that is noise."
    text += f", with an interval from {low * 1e3:+.2f} to {high * 1e3:+.2f} ms"
    if low <= 0 <= high:
        return f"{text}: no difference is seen."
    if seconds > 0:
        return (
            f"{text}. One reason may be that alone, a part has the caches to itself, and nobody "
            "else's memory is taken and given back in between."
        )
    return (
        f"{text}. One reason may be that in the whole, a part reads from the caches what the one "
        "before has just written."
    )


def _subject(frame: pd.DataFrame) -> str:
    """Return the arm that is spoken of: FPN + PANet, or the last."""
    arms = list(dict.fromkeys(map(str, frame["arm"])))
    return "panet" if not arms or set(arms) <= set(ARM_NAMES) else arms[-1]


def _division(stages: pd.DataFrame, summary: pd.DataFrame) -> str:
    rows = stages[stages["arm"] == _subject(stages)] if len(stages) else stages
    if not len(rows) or not rows["share"].notna().any() or (rows["time_from"] == DISTURBED).any():
        return ""
    (of_arm,) = rows_of(summary[summary["arm"] == _subject(stages)])
    ours = (rows["part"] != "").any()  # modules of somebody's network are in no part
    shares = rows.groupby("part" if ours else "stage", sort=False)[["share", "macs"]].sum()
    left_out = len(shares) - MOST_TOLD
    if left_out > 0:
        shares = shares.nlargest(MOST_TOLD, "share")
    macs = shares["macs"] / max(1, int(rows["macs"].sum()))
    parts = ", ".join(
        f"{NAMES.get(str(part), part)} {percent(share)} ({percent(macs[str(part)])} of the MACs)"
        for part, share in shares["share"].items()
    ) + (f" and {left_out} more" if left_out > 0 else "")
    if pd.isna(of_arm["latency_s"]):
        return f"Of the time: {parts}."
    whole = f"Of {plus_minus(of_arm, 'latency_s', 1e3, 2)} ms"
    if pd.isna(of_arm["latency_s_low"]):
        whole += " (too few replicates for an interval)"
    return f"{whole}: {parts}."


def _costliest(stages: pd.DataFrame) -> str:
    rows = (
        stages[(stages["arm"] == "panet") & (stages["part"] == "panet")] if len(stages) else stages
    )
    rows = rows.dropna(subset=["time_s"]) if len(rows) else rows
    if not len(rows) or (rows["time_from"] == DISTURBED).any():
        return ""
    ranked = rows.sort_values("time_s", ascending=False)
    whole = float(ranked["time_s"].sum())
    count = int((ranked["time_s"].cumsum() < MOST_OF_PANET * whole).sum()) + 1
    top = ranked.head(count)
    named = listed(f"{row['level']} {row['step']}" for row in rows_of(top))
    share = percent(top["time_s"].sum() / whole, 0)
    text = f"PANet takes {whole * 1e3:.2f} ms, {share} of it in {named}"
    if top["ceiling_share"].notna().all():
        reached = float(top["bound_s"].sum() / top["time_s"].sum())
        bounds = listed(dict.fromkeys(map(str, top["bound_by"])))
        share = f"{percent(reached, 0)} of" if reached < 1 else "the limit of"
        text += f", at {share} what this machine can do there (bound by {bounds})"
    return f"{text}."


def _peak(memory: Mapping[str, Memory]) -> str:
    panet = memory.get("panet", next(reversed(list(memory.values())), None))
    if not panet:
        return ""
    stage, operator, nbytes = panet["live"][0]
    text = (
        f"Memory peaks at {panet['peak_bytes'] / MIB:.1f} MiB on top of weights and inputs; the "
        f"largest tensor then is {nbytes / MIB:.1f} MiB of {stage} ({operator})"
    )
    fpn = memory.get("fpn")
    if fpn:
        added = (panet["peak_bytes"] - fpn["peak_bytes"]) / MIB
        text += f"; PANet adds {added:.1f} MiB to the peak"
    return f"{text}."
