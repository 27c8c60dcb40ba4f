"""The profiles of a run -> pandas frames: stages, operators, parts, memory.

The profiler tells how time is *divided*; how much there is, the timed rounds tell. So the time of a
stage is its share of the profile times the measured latency of its arm. Seconds and bytes.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.schema.records import RecordError
from reports.data import frames
from reports.data.errors import ReportError

SCHEMA = 1
"""Of the profiles that this version reads (`bench.profiling.trace` writes them)."""

ARMS = ("fpn", "panet")
PARTS = ("backbone", "fpn", "panet")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Profiles:
    """Everything that a run says about where time and memory go."""

    run: Mapping[str, Any]
    """The key ``panet`` of its result file."""
    table: pd.DataFrame
    """Of `reports.data.frames.load`."""
    arms: dict[tuple[str, str], Json]
    """Case id and arm -> its profile, in the order of the cases."""
    ceilings: dict[str, Json | None]
    """Device, dtype and threads (as in ``ceilings.json``) -> the ceilings for them."""
    parts: tuple[Json, ...]


def load(run_dir: Path) -> Profiles:
    """Read the profiles of a run.

    Raises:
        ReportError: there are none, or a file is damaged.
    """
    results = run_dir / "results.json"
    file = frames.read(results)
    table = frames.frame_of([file])
    case_ids = list(dict.fromkeys(map(str, table["case_id"])))
    found: dict[tuple[str, str], Json] = {}
    for case_id in case_ids:
        for arm in ARMS:
            path = run_dir / "traces" / case_id / arm / "profile.json"
            if path.exists():
                found[case_id, arm] = read_stored(path)
    parts = run_dir / "parts.json"
    if not found and not parts.exists():
        raise ReportError(f"{run_dir} has no profile; measure with `pytest bench --traces --parts`")
    ceilings = run_dir / "ceilings.json"
    return Profiles(
        file.run,
        table,
        found,
        dict(_json(ceilings)) if ceilings.exists() else {},
        tuple(read_stored(parts)["cases"]) if parts.exists() else (),
    )


def stages(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case, arm and stage, in the order of the network.

    Columns: ``case_id``, ``arm``, ``stage``, ``part``, ``level``, ``step``, ``weights`` (names in
    `state_dict`), ``params``, ``macs`` (all passes), ``bytes`` (compulsory, forward),
    ``eager_bytes``, ``profile_s`` (in the profile), ``share`` (of all operators), ``time_s``
    (``share`` of the measured latency), ``operators``, ``intensity`` (FLOP per byte, forward),
    ``flops_per_s``, ``bytes_per_s``, ``bound_s`` (no faster on this machine), ``bound_by``
    (``compute`` or ``memory``), ``ceiling_share`` (``bound_s`` over ``time_s``).
    """
    rows = [
        row
        for (case_id, arm), profile in profiles.arms.items()
        for row in _stage_rows(profiles, case_id, arm, profile)
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
        found = profile["timeline"]["operators"]
        own = "self_device_s" if _on_device(profile) else "self_s"
        whole = sum(time[own] for time in found.values()) or 1.0
        rows += [
            {
                "case_id": case_id,
                "arm": arm,
                "operator": name,
                **{key: time[key] for key in ("calls", "self_s", "self_device_s")},
                "share": time[own] / whole,
            }
            for name, time in found.items()
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


DEVICE_BOUND_SHARE = 0.9
"""A device that is busy for longer than this is what the host waits for."""


def parts(profiles: Profiles) -> pd.DataFrame:
    """Return one row per case and part: its time alone, and what it adds to what is before it.

    Columns: ``case_id``, ``part`` (``all`` is their sum, ``residual`` what the whole takes more),
    ``replicates``, ``alone_s`` and ``adds_s`` (with ``_low`` and ``_high`` of their 95 %
    intervals), ``profile_s`` (what the profile gives it), ``disagrees`` (whether that is more than
    a tenth of the whole away from ``adds_s``).
    """
    shares = _profiled_parts(stages(profiles)) if profiles.arms else {}
    rows = [row for found in profiles.parts for row in _part_rows(found, shares)]
    return pd.DataFrame(rows).convert_dtypes()


DISAGREES_SHARE = 0.1
"""Of the whole: a larger difference between two ways of measuring a part deserves a warning."""


def _stage_rows(
    profiles: Profiles, case_id: str, arm: str, profile: Json
) -> Iterator[dict[str, Any]]:
    times, on_device = profile["timeline"]["stages"], _on_device(profile)
    whole_s = _whole_s(profile["timeline"], on_device)
    latency_s = _latency_s(profiles, case_id, arm)
    ceilings = profiles.ceilings.get(profile["ceilings"])
    for stage in profile["stages"]:
        profile_s = _time_s(times[stage["name"]], on_device)
        share = profile_s / whole_s if whole_s else None
        time_s = share * latency_s if share and latency_s else None
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


def _part_rows(found: Json, shares: Mapping[tuple[str, str], float]) -> Iterator[dict[str, Any]]:
    case_id, rounds = found["case_id"], found["replicates"]
    if not rounds:
        return
    whole_s = float(np.mean([np.median(r["panet"]) for r in rounds]))
    sums = np.zeros(len(rounds))
    before: str | None = None
    for part in PARTS:
        # The first part of a network is its own prefix: backbone, or FPN where there is none.
        arm = next((a for a in (f"{part}_alone", part) if a in rounds[0]), None)
        if arm is None:
            continue
        alone = np.array([np.median(r[arm]) for r in rounds])
        sums += alone
        adds = alone if before is None else _differences(rounds, part, before)
        yield _part_row(case_id, part, alone, adds, shares, whole_s)
        before = part
    total = np.array([np.median(r["panet"]) for r in rounds])
    yield _part_row(case_id, "all", sums, total, {}, whole_s)
    yield _part_row(case_id, "residual", None, total - sums, {}, whole_s)


def _part_row(
    case_id: str,
    part: str,
    alone: "np.ndarray[Any, Any] | None",
    adds: "np.ndarray[Any, Any]",
    shares: Mapping[tuple[str, str], float],
    whole_s: float,
) -> dict[str, Any]:
    adds_s = _interval(adds)
    alone_s = stats.Estimate(math.nan, None, None) if alone is None else _interval(alone)
    profile_s = shares.get((case_id, part))
    off = None if profile_s is None else abs(profile_s - adds_s.value) / whole_s
    return {
        "case_id": case_id,
        "part": part,
        "replicates": len(adds),
        **frames.columns("alone_s", alone_s),
        **frames.columns("adds_s", adds_s),
        "profile_s": profile_s,
        "disagrees": None if off is None else off > DISAGREES_SHARE,
    }


def _interval(values: "np.ndarray[Any, Any]") -> stats.Estimate:
    return stats.t_interval([float(value) for value in values])


def _differences(
    rounds: Sequence[Mapping[str, Sequence[float]]], part: str, before: str
) -> "np.ndarray[Any, Any]":
    contrast = stats.Contrast((part,), (before,))
    return np.array([stats.difference_s(r, contrast) for r in rounds])


def _profiled_parts(stage_frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    panet = stage_frame[stage_frame["arm"] == "panet"]
    sums = panet.groupby(["case_id", "part"])[["time_s"]].sum().reset_index()
    return {(row["case_id"], row["part"]): row["time_s"] for row in sums.to_dict("records")}


def _latency_s(profiles: Profiles, case_id: str, arm: str) -> float | None:
    table = profiles.table
    found = table.loc[(table["case_id"] == case_id) & (table["arm"] == arm), "latency_s"].dropna()
    return float(found.iloc[0]) if len(found) else None


def _time_s(time: Json, on_device: bool) -> float:
    return float(time["device_s"] if on_device else time["forward_s"] + time["backward_s"])


def _on_device(profile: Json) -> bool:
    return profile["timeline"]["device_s"] is not None


def read_stored(path: Path) -> dict[str, Any]:
    """Return a file that lies beside the results.

    Raises:
        ReportError: it cannot be read, or is of another schema.
    """
    found = _json(path)
    if found.get("schema") != SCHEMA:
        raise ReportError(f"{path}: schema {found.get('schema')!r}, this version reads {SCHEMA}")
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; measure again") from error
    except (ValueError, RecordError) as error:
        raise ReportError(f"{path}: damaged JSON ({error}); measure again") from error
    if not isinstance(found, dict):
        raise ReportError(f"{path}: damaged, it is no mapping; measure again")
    return found
