"""Profiles -> frames: stages, operators, what bounds a call. Seconds and bytes.

Where the calls were split by marks, the time of a stage is what it took in them. Elsewhere the
profiler tells how time is *divided* and the timed rounds how much there is: the time of a stage is
its share of the profile times the measured latency of its arm.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from reports.data import stages as timed_stages
from reports.data.profiles import ARMS, Json, Profiles

Timed = Mapping[tuple[Any, Any, Any], tuple[float, float]]
"""Case id, arm and stage -> seconds and share of a call, of calls that were split by marks."""

DEVICE_BOUND_SHARE = 0.9
"""A device that is busy for longer than this is what the host waits for."""


def stages(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case, arm and stage, in the order of the network.

    Columns: ``case_id``, ``arm``, ``stage``, ``part``, ``level``, ``step``, ``weights`` (names in
    `state_dict`), ``params``, ``macs`` (all passes), ``bytes`` (compulsory, forward),
    ``eager_bytes``, ``profile_s`` (in the profile), ``profile_share`` (of all operators there),
    ``time_s`` and ``share`` (of a call: timed by marks, or else by the profile's share),
    ``operators``, ``intensity`` (FLOP per byte, forward),
    ``flops_per_s``, ``bytes_per_s``, ``bound_s`` (no faster on this machine), ``bound_by``
    (``compute`` or ``memory``), ``ceiling_share`` (``bound_s`` over ``time_s``).
    """
    timed = {
        (row["case_id"], row["arm"], row["stage"]): (row["time_s"], row["share"])
        for row in timed_stages.stages(profiles.table).to_dict("records")
    }
    rows = [
        row
        for (case_id, arm), profile in profiles.arms.items()
        for row in _stage_rows(profiles, case_id, arm, profile, timed)
    ]
    return pd.DataFrame(rows).convert_dtypes()


def differences(stage_frame: pd.DataFrame) -> pd.DataFrame:
    """Return FPN beside FPN + PANet, one row per case and stage.

    Columns: ``case_id``, ``part``, ``stage``, ``fpn_s``, ``panet_s``, ``adds_s``.

    Args:
        stage_frame: of `stages`.
    """
    if not len(stage_frame):
        return pd.DataFrame()
    wide = stage_frame.pivot_table(
        index=["case_id", "part", "stage"], columns="arm", values="time_s", sort=False
    ).reindex(columns=list(ARMS))
    table = wide.rename(columns={arm: f"{arm}_s" for arm in ARMS}).reset_index()
    table["adds_s"] = table["panet_s"].fillna(0.0) - table["fpn_s"].fillna(0.0)
    return table.rename_axis(columns=None)


def operators(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case, arm and operator, the costliest first.

    Columns: ``case_id``, ``arm``, ``operator``, ``calls`` (per call of the network), ``self_s``,
    ``self_device_s``, ``share`` (of all operators' own time).
    """
    rows = []
    for (case_id, arm), profile in profiles.arms.items():
        times = profile["timeline"]["operators"]
        own = "self_device_s" if _on_device(profile) else "self_s"
        whole = sum(time[own] for time in times.values()) or 1.0
        rows += [
            {
                "case_id": case_id,
                "arm": arm,
                "operator": name,
                **{key: time[key] for key in ("calls", "self_s", "self_device_s")},
                "share": time[own] / whole,
            }
            for name, time in times.items()
        ]
    if not rows:
        return pd.DataFrame()
    order = ["case_id", "arm", "share"]
    return pd.DataFrame(rows).sort_values(order, ascending=[True, True, False])


def summary(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case and arm: latency, share of time in operators, what bounds it, memory.

    Columns: ``case_id``, ``arm``, ``latency_s``, ``step_s`` (in the profile), ``busy_share`` (of
    the step in which operators ran, or the device was busy), ``bound`` (``launch`` or ``device``;
    empty on a CPU), ``elsewhere_share`` (of the operators' time, outside all stages),
    ``peak_bytes`` (while one call runs), ``peak_stage``.
    """
    rows = []
    for (case_id, arm), profile in profiles.arms.items():
        timeline = profile["timeline"]
        on_device = _on_device(profile)
        busy_s = timeline["device_s"] if on_device else timeline["operators_s"]
        busy = busy_s / timeline["step_s"]
        memory = timeline["memory"]
        live = memory["live"] if memory else []
        rows.append(
            {
                "case_id": case_id,
                "arm": arm,
                "latency_s": _latency_s(profiles, case_id, arm),
                "step_s": timeline["step_s"],
                "busy_share": busy,
                "bound": ("device" if busy > DEVICE_BOUND_SHARE else "launch") if on_device else "",
                "elsewhere_share": _elsewhere_share(timeline, on_device),
                "peak_bytes": memory["peak_bytes"] if memory else None,
                "peak_stage": live[0][0] if live else "",
            }
        )
    return pd.DataFrame(rows).convert_dtypes()


def _stage_rows(
    profiles: Profiles, case_id: str, arm: str, profile: Json, timed: Timed
) -> Iterator[dict[str, Any]]:
    times, on_device = profile["timeline"]["stages"], _on_device(profile)
    whole_s = _whole_s(profile["timeline"], on_device)
    latency_s = _latency_s(profiles, case_id, arm)
    ceilings = profiles.ceilings.get(profile["ceilings"])
    for stage in profile["stages"]:
        profile_s = _time_s(times[stage["name"]], on_device)
        profile_share = profile_s / whole_s if whole_s else None
        by_profile_s = profile_share * latency_s if profile_share and latency_s else None
        time_s, share = timed.get((case_id, arm, stage["name"]), (by_profile_s, profile_share))
        macs = stage["macs"]
        if profile["case"]["pass_name"] == "training":
            macs += stage["backward_macs"]
        yield {
            "case_id": case_id,
            "arm": arm,
            "stage": stage["name"],
            **{key: stage[key] for key in ("part", "level", "step")},
            "weights": " ".join(stage["weights"]),
            "params": stage["params"],
            "macs": macs,
            "bytes": stage["bytes"],
            "eager_bytes": stage["eager_bytes"],
            "profile_s": profile_s,
            "profile_share": profile_share,
            "share": share,
            "time_s": time_s,
            "operators": times[stage["name"]]["operators"],
            "intensity": 2 * stage["macs"] / stage["bytes"] if stage["bytes"] else None,
            "flops_per_s": 2 * macs / time_s if time_s else None,
            "bytes_per_s": stage["bytes"] / time_s if time_s else None,
            **_bound(2 * macs, stage["bytes"], time_s, ceilings),
        }


def _elsewhere_share(timeline: Json, on_device: bool) -> float:
    whole_s = _whole_s(timeline, on_device)
    return _time_s(timeline["elsewhere"], on_device) / whole_s if whole_s else 0.0


def _whole_s(timeline: Json, on_device: bool) -> float:
    times = (*timeline["stages"].values(), timeline["elsewhere"])
    return sum(_time_s(time, on_device) for time in times)


def _bound(flops: int, nbytes: int, time_s: float | None, ceilings: Json | None) -> dict[str, Any]:
    if ceilings is None:
        return {"bound_s": None, "bound_by": None, "ceiling_share": None}
    compute_s, memory_s = flops / ceilings["flops_per_s"], nbytes / ceilings["bytes_per_s"]
    bound_s = max(compute_s, memory_s)
    return {
        "bound_s": bound_s,
        "bound_by": "compute" if compute_s >= memory_s else "memory",
        "ceiling_share": bound_s / time_s if time_s else None,
    }


def _latency_s(profiles: Profiles, case_id: str, arm: str) -> float | None:
    table = profiles.table
    known = table.loc[(table["case_id"] == case_id) & (table["arm"] == arm), "latency_s"].dropna()
    return float(known.iloc[0]) if len(known) else None


def _time_s(time: Json, on_device: bool) -> float:
    return float(time["device_s"] if on_device else time["forward_s"] + time["backward_s"])


def _on_device(profile: Json) -> bool:
    return profile["timeline"]["device_s"] is not None
