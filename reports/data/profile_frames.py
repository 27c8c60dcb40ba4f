"""Profiles -> frames: stages, operators, what bounds a call. Seconds and bytes.

Where the calls were split by marks, the time of a stage is what it took in them. Elsewhere the
profiler tells how time is *divided* and the timed rounds how much there is: the time of a stage is
its share of the profile times the measured latency of its arm.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd

from bench.schema.files import TRACES
from bench.stats.disturbed_profiles import profiled_steps, why_disturbed
from reports.data import profiles as stored_profiles
from reports.data import stages as timed_stages
from reports.data.errors import ReportError
from reports.data.profiles import ARMS, Json, Profiles
from reports.data.result_files import ResultFile
from reports.data.rows import rows_of

Timed = Mapping[tuple[Any, Any, Any], tuple[float, float]]
"""Case id, arm and stage -> seconds and share of a call, of calls that were split by marks."""

TIMED, PROFILED, DISTURBED = "timed", "profile", "disturbed profile"
"""Where the time of a stage is from."""

AT_THE_CEILING = 1.05
"""Of a ceiling: so much is as good as at it; beyond, the ceiling is not what limits."""

DEVICE_BOUND_SHARE = 0.9
"""A device that is busy for longer than this is what the host waits for."""


def stages(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case, arm and stage, in the order of the network.

    Columns: ``case_id``, ``arm``, ``stage``, ``part``, ``level``, ``step``, ``weights`` (names in
    `state_dict`), ``params``, ``macs`` and ``bytes`` (compulsory; both of all
    passes), ``profile_s`` (in the profile), ``profile_share`` (of all operators there),
    ``time_s`` and ``share`` (of a call: timed by marks, or else by the profile's share),
    ``time_from`` (``timed``, ``profile``, or ``disturbed profile``), ``operators``, ``intensity``
    (FLOP per byte), ``flops_per_s``, ``bytes_per_s``, ``bound_s`` (no faster on this machine),
    ``bound_by`` (``compute`` or ``memory``; ``cache`` where data came faster than from memory,
    ``low ceiling`` where more was computed than the ceiling allows), ``ceiling_share`` (``bound_s``
    over ``time_s``; of the last two unknown).
    """
    disturbed = why_profiles_are_disturbed(profiles)
    timed = {
        (row["case_id"], row["arm"], row["stage"]): (row["time_s"], row["share"])
        for row in rows_of(timed_stages.stages(profiles.table, profiles.networks))
    }
    rows = [
        row
        for (case_id, arm), profile in profiles.arms.items()
        for row in _stage_rows(
            profiles, (case_id, arm), timed, PROFILED if not disturbed[case_id, arm] else DISTURBED
        )
    ]
    return pd.DataFrame(rows).convert_dtypes()


WORK = [
    *("run_id", "case_id", "stage", "macs"),
    *("flops_per_s", "bytes_per_s", "bound_by", "ceiling_share"),
]
"""Columns of `work`."""


def work(files: Sequence[ResultFile]) -> pd.DataFrame:
    """Return what the stages of FPN + PANet compute and move, of the runs that were profiled.

    Columns: ``run_id``, and of `stages`: ``case_id``, ``stage``, ``macs``, ``flops_per_s``,
    ``bytes_per_s``, ``bound_by``, ``ceiling_share``. Who reads the profiles says what is damaged.
    """
    found = []
    for file in files:
        if (file.path.parent / TRACES).is_dir():
            with suppress(ReportError):
                table = stages(stored_profiles.load(file.path))
                found.append(table.assign(run_id=str(file.run["run_id"])))
    known = [table[table["arm"] == "panet"][WORK] for table in found if len(table)]
    return pd.concat(known) if known else pd.DataFrame(columns=WORK)


def why_profiles_are_disturbed(profiles: Profiles) -> dict[tuple[str, str], str]:
    """Return case and arm -> why its profile is not to be believed; empty where it is."""
    steps: dict[str, dict[str, Any]] = {}
    for (case_id, arm), profile in profiles.arms.items():
        latency_s = _latency_s(profiles, case_id, arm)
        steps.setdefault(case_id, {})[arm] = profiled_steps(profile, latency_s)
    reasons = {case_id: why_disturbed(arms) for case_id, arms in steps.items()}
    return {(case_id, arm): reasons[case_id].get(arm, "") for case_id, arm in profiles.arms}


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

    Columns: ``case_id``, ``arm``, ``status``, ``latency_s`` (with ``_low`` and ``_high``),
    ``disturbed`` (why the profile is not to be believed), ``step_s`` (in it), ``busy_share`` (of
    the step in which operators ran, or the device was busy), ``bound`` (``launch`` or ``device``;
    empty on a CPU), ``elsewhere_share`` (of the operators' time, outside all stages),
    ``peak_bytes`` (while one call runs), ``peak_stage``.
    """
    rows = []
    disturbed = why_profiles_are_disturbed(profiles)
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
                **_latency(profiles, case_id, arm),
                "disturbed": disturbed[case_id, arm],
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
    profiles: Profiles, key: tuple[str, str], timed: Timed, otherwise_from: str
) -> Iterator[dict[str, Any]]:
    case_id, arm = key
    profile = profiles.arms[key]
    times, on_device = profile["timeline"]["stages"], _on_device(profile)
    whole_s = _whole_s(profile["timeline"], on_device)
    latency_s = _latency_s(profiles, case_id, arm)
    ceilings = profiles.ceilings.get(profile["ceilings"])
    for stage in profile["stages"]:
        name = stage["name"]
        profile_s = _time_s(times[name], on_device)
        profile_share = profile_s / whole_s if whole_s else None
        by_profile_s = profile_share * latency_s if profile_share and latency_s else None
        time_s, share = timed.get((case_id, arm, name), (by_profile_s, profile_share))
        macs = stage["macs"] + stage["backward_macs"]
        nbytes = stage["bytes"] + stage["backward_bytes"]
        yield {
            "case_id": case_id,
            "arm": arm,
            "stage": name,
            **{key: stage[key] for key in ("part", "level", "step")},
            "weights": " ".join(stage["weights"]),
            "params": stage["params"],
            "macs": macs,
            "bytes": nbytes,
            "profile_s": profile_s,
            "profile_share": profile_share,
            "share": share,
            "time_s": time_s,
            "time_from": TIMED if (case_id, arm, name) in timed else otherwise_from,
            "operators": times[name]["operators"],
            "intensity": 2 * macs / nbytes if nbytes else None,
            "flops_per_s": 2 * macs / time_s if time_s else None,
            "bytes_per_s": nbytes / time_s if time_s else None,
            **_bound(2 * macs, nbytes, time_s, ceilings),
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
    bound_by = "compute" if compute_s >= memory_s else "memory"
    share = bound_s / time_s if time_s else None
    if time_s and bound_s > AT_THE_CEILING * time_s:  # nothing is faster than its limit
        share = None
        bound_by = "low ceiling" if compute_s > AT_THE_CEILING * time_s else "cache"
    return {"bound_s": bound_s, "bound_by": bound_by, "ceiling_share": share and min(1.0, share)}


def _latency(profiles: Profiles, case_id: str, arm: str) -> dict[str, Any]:
    """Return latency, its interval and the status of its case."""
    columns = ("status", "latency_s", "latency_s_low", "latency_s_high")
    table = profiles.table
    rows = table.loc[(table["case_id"] == case_id) & (table["arm"] == arm), list(columns)]
    return dict(zip(columns, rows.iloc[0], strict=True)) if len(rows) else dict.fromkeys(columns)


def _latency_s(profiles: Profiles, case_id: str, arm: str) -> float | None:
    latency_s = _latency(profiles, case_id, arm)["latency_s"]
    return None if pd.isna(latency_s) else float(latency_s)


def _time_s(time: Json, on_device: bool) -> float:
    return float(time["device_s"] if on_device else time["forward_s"] + time["backward_s"])


def _on_device(profile: Json) -> bool:
    return profile["timeline"]["device_s"] is not None
