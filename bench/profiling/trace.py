"""Profiles, one per arm of a case, each in a process of its own that times nothing.

TensorBoard's profiler tab takes every folder with a ``*.pt.trace.json.gz`` for a run, so FPN and
FPN + PANet stand side by side in it; Perfetto opens the same files. Beside each lies `PROFILE`,
what the trace says stage by stage, which `python -m reports profile` reads.
"""

import contextlib
import functools
import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from bench.engine.rounds import warm_up
from bench.machine.clock import synchronized, synchronizer, wall_s
from bench.machine.contention import Waiting, disturbed
from bench.profiling import arithmetic, ceilings, inductor_kernels
from bench.profiling.attribution import Kernel, timeline
from bench.profiling.tensorboard_trace import MODULE, for_plugin
from bench.profiling.trace_tree import MICROSECOND_S, STEP
from bench.schema.case import TORCH
from bench.schema.errors import BenchError
from bench.schema.files import PROFILE, PROFILE_SCHEMA
from bench.schema.tasks import Task
from bench.stats.disturbed_profiles import too_many
from bench.workload.arms import Arm, build_arms
from bench.workload.compilation import first_calls
from bench.workload.inputs import make_inputs
from bench.workload.stages import Stage, stages, watched

WAIT_STEPS, WARMUP_STEPS, ACTIVE_STEPS = 1, 1, 5
"""The profiler's own first step is slow; of five, medians pass over a disturbed one."""

ATTEMPTS = 3
"""At an undisturbed profile: what else runs on a machine comes and goes in seconds."""

MAX_EVENTS = 200_000
"""Of a trace file: about 10 MB packed, and what a browser still opens quickly."""


@dataclass(frozen=True)
class Traced:
    """What was recorded of an arm."""

    events: list[dict[str, Any]]
    about: dict[str, Any]
    """The rest of the trace file."""
    operators: list[dict[str, Any]]
    """What torch itself says of every operator (`key_averages`), over all steps."""
    disturbed_steps: int
    """In which the threads waited for a CPU."""


@dataclass(frozen=True, kw_only=True)
class TraceTask(Task[Path]):
    """Profile an arm; the result is where its profile is."""

    handler: ClassVar[str] = "bench.profiling.trace:write_trace"

    arm: str
    """The one of `arms` that is profiled."""
    trace_dir: str

    def result(self, data: Any) -> Path:  # noqa: ANN401
        """Return the path of the profile."""
        return Path(data)


def write_trace(task: TraceTask) -> str:
    """Profile the arm that the task names into its folder; return the path of the profile."""
    if task.case.runtime != TORCH:
        raise BenchError(f"{task.case.runtime} runs outside torch, whose profiler sees nothing")
    device = torch.device(task.case.device)
    inputs, _ = make_inputs(task)
    compiled = task.case.compile_mode != "off"
    arms = {task.arm: build_arms(task, inputs, compiled=compiled)[task.arm]}
    arm = arms[task.arm]
    eager = build_arms(task, inputs, compiled=False)[task.arm] if compiled else arm
    work = arithmetic.count(eager.network, eager.call, task.marked)
    del eager
    kernels: tuple[Kernel, ...] = ()
    if compiled:
        with inductor_kernels.recorded(arm.network) as provenance:
            first_calls(task, arms)
        kernels = provenance.kernels
    warm_up(arms, device)
    # A hook would be compiled into the network: only eager ones are watched.
    with ExitStack() as stack:
        if not compiled:
            stack.enter_context(annotated(arm.network, task.marked))
        traced = record_quietly(arm, device, task.case.threads)
    of_network = stages(arm.network, task.marked)
    folder = Path(task.trace_dir)
    folder.mkdir(parents=True, exist_ok=True)
    trace, cut = _write_events(traced, folder / f"{arm.name}.pt.trace.json.gz")
    document = {
        "schema": PROFILE_SCHEMA,
        "case": task.case.to_json(),
        "arm": arm.name,
        "trace": trace.name,
        "cut": cut,
        "disturbed_steps": traced.disturbed_steps,
        "ceilings": ceilings.name_of(task.case),
        "stages": [_stage_entry(arm.network, stage, work) for stage in of_network],
        "timeline": timeline(traced.events, [s.name for s in of_network], kernels).to_json(),
        "key_averages": traced.operators,
    }
    (folder / PROFILE).write_text(json.dumps(document))
    return str(folder / PROFILE)


def _write_events(traced: Traced, path: Path) -> tuple[Path, str]:
    """Write the trace as TensorBoard's plugin reads it; return the file, and what was cut."""
    events, cut = bounded(for_plugin(traced.events), MAX_EVENTS)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        json.dump({**traced.about, "traceEvents": events}, stream, separators=(",", ":"))
    return path, cut


def _stage_entry(
    network: nn.Module, stage: Stage, work: Mapping[str, arithmetic.Work]
) -> dict[str, Any]:
    entry = {**stage.to_json(), "weights": weights(network, stage)}
    return entry | work[stage.name].to_json()


def weights(network: nn.Module, stage: Stage) -> list[str]:
    """Return the modules of a stage that have weights, by their names in `state_dict`."""
    return [
        name for name in stage.layers if any(True for _ in network.get_submodule(name).parameters())
    ]


def record_quietly(arm: Arm, device: torch.device, threads: int) -> Traced:
    """Return the first profile that nothing disturbed, or the one that was disturbed least."""
    tried = []
    for _ in range(ATTEMPTS):
        tried.append(record(arm, device, threads))
        if not too_many(tried[-1].disturbed_steps, ACTIVE_STEPS):
            return tried[-1]
    return min(tried, key=lambda traced: traced.disturbed_steps)


def record(arm: Arm, device: torch.device, threads: int) -> Traced:
    """Run some steps of an arm under the profiler."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    steps = schedule(wait=WAIT_STEPS, warmup=WARMUP_STEPS, active=ACTIVE_STEPS, repeat=1)
    read_s = synchronized(wall_s, synchronizer(device))
    waiting = Waiting()
    waiting.begin()
    waited_s, took_s = [], []
    with (
        contextlib.closing(waiting),
        profile(
            activities=activities, schedule=steps, record_shapes=True, profile_memory=True
        ) as profiler,
    ):
        for _ in range(WAIT_STEPS + WARMUP_STEPS + ACTIVE_STEPS):
            arm.prepare()
            waiting.lap_s()
            start_s = read_s()
            arm.call()
            took_s.append(read_s() - start_s)
            waited_s.append(waiting.lap_s())
            profiler.step()
    profiled = slice(-ACTIVE_STEPS, None)
    waits, takes = {arm.name: waited_s[profiled]}, {arm.name: took_s[profiled]}
    return _exported(profiler, len(disturbed(waits, takes, threads)))


@contextmanager
def annotated(network: nn.Module, stages_at: Sequence[str] = ()) -> Iterator[None]:
    """Name the stages, and the modules as `state_dict` does, in what the profiler records.

    Args:
        network: that is recorded.
        stages_at: modules that are its stages; none: those of `bench.workload.stages`.
    """
    opened: list[record_function] = []

    def begin(stage: Stage) -> None:
        _open(opened, stage.name)

    with ExitStack() as stack:
        # Before the modules' own hooks: a stage ends inside the part that it belongs to.
        stack.enter_context(watched(network, begin, lambda: _close(opened), stages_at))
        for name, module in network.named_modules():
            if name:
                enter = functools.partial(_open, opened, MODULE + name)
                leave = functools.partial(_close, opened)
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
        yield


def _open(opened: list[record_function], name: str, *_of_hook: object) -> None:
    annotation = record_function(name)
    annotation.__enter__()  # type: ignore[no-untyped-call]  # torch's
    opened.append(annotation)


def _close(opened: list[record_function], *_of_hook: object) -> None:
    opened.pop().__exit__(None, None, None)


def bounded(events: Sequence[Mapping[str, Any]], most: int) -> tuple[list[dict[str, Any]], str]:
    """Cut a trace that is too large to be opened.

    Returns:
        The events of as many whole steps as fit, or the longest events of one step; and what was
        cut, in words, empty if nothing was.
    """
    if len(events) <= most:
        return [dict(event) for event in events], ""
    steps = sorted(
        (e["ts"] + e["dur"], e["ts"])
        for e in events
        if e.get("ph") == "X" and str(e.get("name")).startswith(STEP)
    )
    kept: list[dict[str, Any]] = []
    for number, (end, _) in enumerate(steps, start=1):
        within = [dict(e) for e in events if "dur" not in e or e["ts"] + e["dur"] <= end]
        within = [e for e in within if e.get("ts", 0) <= end]
        if len(within) > most:
            break
        kept, whole_steps = within, number
    if kept:
        return kept, f"the trace was cut to {whole_steps} of {len(steps)} steps"
    end = steps[0][0] if steps else float("inf")
    first = [dict(e) for e in events if e.get("ts", 0) <= end]
    first.sort(key=lambda e: -e.get("dur", 0))
    return first[:most], f"the trace was cut to the {most} longest events of its first step"


def _exported(profiler: profile, disturbed_steps: int) -> Traced:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        about = json.loads(path.read_text(encoding="utf-8"))
    events = about.pop("traceEvents")
    operators = [
        {
            "name": row.key,
            "calls": row.count,
            "self_s": row.self_cpu_time_total * MICROSECOND_S,
            "total_s": row.cpu_time_total * MICROSECOND_S,
            "self_device_s": row.self_device_time_total * MICROSECOND_S,
        }
        for row in profiler.key_averages()
    ]
    return Traced(events, about, operators, disturbed_steps)
