"""Before anything is timed, once per case: is it the same work that is compared, and did it run?"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench.machine.clock import synchronized, synchronizer, wall_s
from bench.machine.peak_memory import peak_bytes
from bench.schema.case import Case
from bench.schema.records import ArmFacts, Finding, Status
from bench.schema.tasks import Task
from bench.workload.arms import (
    Arm,
    Outputs,
    build_arms,
    compiler_cache,
    make_inputs,
    parse_recipe,
    replays_graphs,
    use_compiler_cache,
)
from bench.workload.capability import unsupported

TOLERANCE = {"float32": 1e-3, "tf32": 1e-2, "float16": 2e-2, "bfloat16": 5e-2}
"""Largest difference between compiled and eager outputs, relative to the largest output: a few
hundred roundings of the dtype in the depth of a backbone, and far below any wrong layer."""


@dataclass(frozen=True)
class FirstCall:
    """What the first call of a compiled arm took, and what the compiler made of it."""

    seconds: float
    graphs: int
    graph_breaks: int


class MismatchError(Exception):
    """The arms do not do the work that they are compared for."""


class CompileError(Exception):
    """The compiler failed on what runs eagerly."""


def check(task: Task) -> Finding:
    """Check the case of ``task`` and return its facts; `Status.SKIPPED` where it cannot run here.

    Raises:
        MismatchError: the arms do not do the same work.
        CompileError: `torch.compile` failed.
    """
    reason = unsupported(task.case)
    if reason is not None:
        return Finding(Status.SKIPPED, reason, images="")
    inputs, images = make_inputs(task)
    eager = build_arms(task, inputs, compiled=False)
    ran = {name: _run_counted(arm) for name, arm in eager.items()}
    outputs = {name: found.outputs for name, found in ran.items()}
    check_same_work(task.case, task.arms, outputs, {n: found.macs for n, found in ran.items()})
    compiled: dict[str, FirstCall] = {}
    arms = eager
    if task.case.compile_mode != "off":
        arms = build_arms(task, inputs, compiled=True)
        compiled = _compile_cold(task, arms, outputs)
    round_s = _round_s(task.case, arms)
    facts: dict[str, ArmFacts] = {}
    for name, first in _first_of_its_kind(task.arms).items():
        if name == first:
            facts[name] = _facts(arms[name], ran[name], compiled.get(name), task)
        else:  # the same network; it finds in the cache what the first has put there
            facts[name] = replace(facts[first], compile_s=None)
    return Finding(Status.OK, "", images, facts, round_s)


def _first_of_its_kind(arms: Mapping[str, str]) -> dict[str, str]:
    """Return for every arm the first one that runs the same network."""
    names = list(arms)
    return {arm: next(x for x in names if arms[x] == arms[arm]) for arm in names}


def check_same_work(
    case: Case, arms: Mapping[str, str], outputs: Mapping[str, Outputs], macs: Mapping[str, int]
) -> None:
    """Raise `MismatchError` unless the arms share what they should and differ where they should.

    Args:
        case: whose layout the outputs must have.
        arms: which network each arm runs.
        outputs: of every arm, fine to coarse.
        macs: of the operators that every arm executed.
    """
    arms = {arm: recipe.partition("~")[0] for arm, recipe in arms.items()}  # whatever caches it has
    for arm, maps in outputs.items():
        _check_maps(case, arm, arms[arm], maps)
    for arm, first in _first_of_its_kind(arms).items():
        if difference(outputs[first], outputs[arm]) > tolerance(case) or macs[first] != macs[arm]:
            raise MismatchError(f"{first} and {arm} differ: they are to be the same network")
    first_of = {arms[arm].partition("+")[0]: arm for arm in reversed(list(arms))}
    for arm, recipe in arms.items():
        network, slowdown, _ = recipe.partition("+")
        if slowdown and network in first_of:
            plain = outputs[first_of[network]]
            if difference(plain, outputs[arm]) > tolerance(case):
                raise MismatchError(f"{arm}: the slow-down changes what the network gives")
    _check_peers(case, arms, outputs, macs)
    if {"fpn", "panet"} <= set(first_of):
        fpn, panet = first_of["fpn"], first_of["panet"]
        _check_bottom_up(case, outputs[fpn], outputs[panet])
        if macs[panet] <= macs[fpn]:
            raise MismatchError(f"executed MACs {dict(macs)}: the bottom-up path did not run")


def _check_peers(
    case: Case, arms: Mapping[str, str], outputs: Mapping[str, Outputs], macs: Mapping[str, int]
) -> None:
    """Raise `MismatchError` unless peers do our work: torchvision's FPN with the same result."""
    for peer, ours in (("torchvision_fpn", "fpn"), ("mmdet_pafpn", "panet")):
        if not {peer, ours} <= set(arms):
            continue
        if macs[peer] != macs[ours]:
            raise MismatchError(f"{peer} executes {macs[peer]} MACs, {ours} {macs[ours]}")
        if ours == "fpn" and difference(outputs[ours], outputs[peer]) > tolerance(case):
            raise MismatchError(f"{peer} and {ours} differ, with the same weights")


def _check_maps(case: Case, arm: str, recipe: str, maps: Outputs) -> None:
    if not all(torch.isfinite(x).all() for x in maps):
        raise MismatchError(f"{arm} gives values that are not finite")
    if not parse_recipe(recipe).side:  # what a side loses it pays for in its time
        check_layout(case, arm, maps)


def _check_bottom_up(case: Case, p: Outputs, n: Outputs) -> None:
    if difference(p[:1], n[:1]) > tolerance(case):
        raise MismatchError("p2 of fpn and n2 of panet differ: they are to share the FPN")
    coarser = zip(p[1:], n[1:], strict=True)
    if any(torch.equal(fine, fused) or fused.min() < 0 for fine, fused in coarser):
        raise MismatchError("n3..n5 are p3..p5, or negative: the bottom-up path did not run")


def check_layout(case: Case, arm: str, maps: Outputs) -> None:
    """Raise `MismatchError` if channels-last was lost on the way."""
    if case.channels_last and not all(
        x.is_contiguous(memory_format=torch.channels_last) for x in maps if x.ndim == 4
    ):
        raise MismatchError(f"{arm} lost channels-last on the way")


def difference(a: Outputs, b: Outputs) -> float:
    """Return the largest absolute difference, relative to the largest absolute value of ``a``."""
    return max(
        float((x.float() - y.float()).abs().max() / x.float().abs().max().clamp_min(1e-30))
        for x, y in zip(a, b, strict=True)
    )


def tolerance(case: Case) -> float:
    """Return what rounding may change in the dtype of the case."""
    return TOLERANCE[case.dtype.removeprefix("amp-")]


@dataclass(frozen=True)
class _Counted:
    """What one eager call of an arm gave, and what it executed."""

    outputs: Outputs
    macs: int
    """Of the forward pass."""
    operators: int


class _OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts every operator that is executed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's overloads are not typed
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        self.count += 1
        return func(*args, **(kwargs or {}))


def _run_counted(arm: Arm) -> _Counted:
    """Run an arm once, eagerly, and count what it executes."""
    arm.prepare()
    torch.manual_seed(0)  # a backbone that drops paths in training drops the same in every arm
    with FlopCounterMode(display=False) as flops, _OperatorCounter() as operators:
        outputs = tuple(x.detach() for x in arm.call())
        executed = operators.count - len(outputs)  # detached above
    by_operator = flops.get_flop_counts().get("Global", {})  # absent if nothing counted
    forward = [n for op, n in by_operator.items() if "backward" not in str(op)]
    arm.prepare()
    return _Counted(outputs, sum(forward) // 2, executed)


def _compile_cold(
    task: Task, arms: Mapping[str, Arm], eager: Mapping[str, Outputs]
) -> dict[str, FirstCall]:
    """Compile every arm with caches that are empty, and compare with the eager outputs."""
    for name in arms:  # a run that was killed while it compiled has left something behind
        shutil.rmtree(compiler_cache(task, name), ignore_errors=True)
    calls = first_calls(task, arms)
    for name, arm in arms.items():
        arm.prepare()
        maps = tuple(x.detach() for x in arm.call())
        check_layout(task.case, name, maps)
        off = difference(eager[name], maps)
        if not off <= tolerance(task.case):
            raise MismatchError(
                f"compiled {name} differs from eager by {off:.1e} of its largest value"
            )
    return calls


def first_calls(task: Task, arms: Mapping[str, Arm]) -> dict[str, FirstCall]:
    """Call every compiled arm for the first time.

    Raises:
        CompileError: the compiler failed, or compiled nothing and left all to Python.
    """
    from torch._dynamo.utils import counters  # half a second that eager workers do not need

    # Imports, and the probing of the compiler and its vector units, are once per process.
    use_compiler_cache(task, "none")
    torch.compile(lambda x: x + 1)(torch.ones(8, device=task.case.device))
    read_s = synchronized(wall_s, synchronizer(torch.device(task.case.device)))
    calls = {}
    for name, arm in arms.items():
        arm.prepare()
        use_compiler_cache(task, name)
        counters.clear()
        start_s = read_s()
        try:
            arm.call()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever the compiler raises is its failure
            raise CompileError(f"{name}: {type(error).__name__}: {error}") from error
        calls[name] = FirstCall(
            seconds=read_s() - start_s,
            graphs=counters["stats"]["unique_graphs"],
            graph_breaks=sum(counters["graph_break"].values()),
        )
    # An arm may run what was compiled for an equal one before it; all of them cannot.
    if not any(call.graphs for call in calls.values()):
        raise CompileError("nothing was compiled, Python would run all of it")
    # From here on a recompilation, or a fall back to eager, is an error and not a slow round.
    torch._dynamo.config.error_on_recompile = True
    return calls


def _round_s(case: Case, arms: Mapping[str, Arm]) -> float:
    """Return about how long a round takes, to plan with: every arm has run once before."""
    read_s = synchronized(wall_s, synchronizer(torch.device(case.device)))
    start_s = read_s()
    for arm in arms.values():
        arm.prepare()
        arm.call()
    return read_s() - start_s


def _facts(arm: Arm, ran: _Counted, first: FirstCall | None, task: Task) -> ArmFacts:
    arm.prepare()
    # CUDA graphs replay in memory that was set aside when they were captured: no peak to see.
    peak = (
        None if replays_graphs(task.case) else peak_bytes(arm.call, torch.device(task.case.device))
    )
    params = sum(parameter.numel() for parameter in arm.network.parameters())
    if first is None:
        return ArmFacts(params, ran.macs, peak, compile_s=None, operators=ran.operators)
    return ArmFacts(
        params, ran.macs, peak, first.seconds, first.graphs, first.graph_breaks, ran.operators
    )
