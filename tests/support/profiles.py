"""Folders of profiled runs, without profiling: small traces, made-up work."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.profiling.attribution import timeline
from bench.schema.files import (
    CEILINGS,
    PARTS,
    PROFILE,
    PROFILE_SCHEMA,
    RESULTS,
    profile_folder,
)
from bench.schema.records import CaseResult, Status
from tests.support import traces
from tests.support.factories import result
from tests.support.result_files import document, extra_arms, measured

MACHINE = {
    "gemm_flops_per_s": 80e9,
    "convolution_flops_per_s": 100e9,
    "copy_bytes_per_s": 10e9,
    "triad_bytes_per_s": 9e9,
    "flops_per_s": 100e9,
    "bytes_per_s": 10e9,
    "measured": "2026-11-22",
}

LATERAL, FUSE = "fpn p2 lateral", "panet n3 fuse"


def stage(name: str, **work: Any) -> dict[str, Any]:
    part, level, step = name.split(maxsplit=2)
    defaults = {"params": 10, "macs": 50_000_000, "backward_macs": 0}
    defaults |= {"bytes": 1_000_000, "backward_bytes": 0, "eager_bytes": 2_000_000}
    layers = [f"{part}.{step}_{level}"]
    return {
        "name": name,
        "part": part,
        "level": level,
        "step": step,
        "layers": layers,
        "weights": layers,
        **defaults,
        **work,
    }


def events(arm: str) -> list[traces.Event]:
    """Return a step: 60 µs in the lateral of FPN, and 20 in PANet where it is there."""
    found = [
        traces.step(0, 0, 100),
        traces.stage(LATERAL, 0, 65),
        traces.operator("aten::conv2d", 2, 62),
        traces.memory(4, 2**20, 1),
    ]
    if arm == "panet":
        found += [
            traces.stage(FUSE, 65, 90),
            traces.operator("aten::conv2d", 66, 86),
            traces.memory(67, 2**20, 2),
        ]
    return found


def profile(arm: str, **values: Any) -> dict[str, Any]:
    stages = [stage(LATERAL), *([stage(FUSE)] if arm == "panet" else [])]
    read = timeline(events(arm), [s["name"] for s in stages])
    defaults = {
        "schema": PROFILE_SCHEMA,
        "case": measured(1.5).case.to_json(),
        "arm": arm,
        "trace": f"{arm}.pt.trace.json.gz",
        "cut": "",
        "disturbed_steps": 0,
        "ceilings": "cpu-float32-t2",
        "stages": stages,
        "timeline": json.loads(json.dumps(read.to_json())),
        "key_averages": [],
    }
    return defaults | values


def write_parts(run: Path, alone: dict[str, float], whole: dict[str, float]) -> None:
    """Write the rounds of all parts, in seconds, six replicates that differ a little."""
    seconds = {**{f"{name}_alone": s for name, s in alone.items()}, **whole}
    replicates = [
        {arm: [s * (1 + 0.01 * i), s * (1 + 0.01 * i)] for arm, s in seconds.items()}
        for i in range(6)
    ]
    extra_arms(run / PARTS, {measured(1.5).case: replicates})


def split(fuse_share: float) -> CaseResult:
    """Return the case of `run_dir` with the calls of FPN + PANet split by marks."""
    shares = {LATERAL: 1 - fuse_share, FUSE: fuse_share}
    replicates = [
        replace(r, spans_s={"panet": {s: [x * k for x in calls] for s, k in shares.items()}})
        for r in measured(1.5).replicates
        for calls in [r.rounds_s["panet"]]
    ]
    return result(replicates=tuple(replicates))


def run_dir(
    folder: Path,
    *,
    with_parts: bool = True,
    case: CaseResult | None = None,
    more: Sequence[CaseResult] = (),
    **arms: dict[str, Any],
) -> Path:
    """Write a run; its FPN takes 12.5 ms, and FPN + PANet 18.75."""
    cases = [case or measured(1.5, Status.OK), *more]
    (folder / RESULTS).write_text(json.dumps(document(cases)))
    for found, arm in itertools.product(cases, ("fpn", "panet")):
        where = profile_folder(folder, found.case.case_id, arm)
        where.mkdir(parents=True)
        (where / PROFILE).write_text(json.dumps(arms.get(arm, profile(arm))))
    (folder / CEILINGS).write_text(json.dumps({"cpu-float32-t2": MACHINE}))
    if with_parts:
        write_parts(folder, {"panet": 0.005}, {"fpn": 0.0125, "panet": 0.01875})
    return folder
