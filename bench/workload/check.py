"""Before anything is timed, once per case: can it run, is it the same work, what is true of it?"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.machine.clock import synchronized, synchronizer, wall_s
from bench.machine.peak_memory import peak_bytes
from bench.schema.case import TORCH, Case
from bench.schema.recipe import Arms
from bench.schema.records import ArmFacts, Finding, Status
from bench.schema.tasks import Task
from bench.workload.arms import Arm, build_arms, replays_graphs
from bench.workload.capability import unsupported
from bench.workload.closeness import how_close, sqnr_db, without_tf32
from bench.workload.compilation import FirstCall, first_calls
from bench.workload.compiler_cache import CompileError, compiler_cache
from bench.workload.counting import Flops, spare_dynamo
from bench.workload.exported import Exported
from bench.workload.inputs import make_inputs
from bench.workload.networks import Outputs, network_of
from bench.workload.runtimes import RUNTIMES
from bench.workload.same_work import (
    MismatchError,
    check_layout,
    check_same_work,
    difference,
    first_of_its_kind,
    tolerance,
)
from bench.workload.users import tensors_in


def check_task(task: Task[Any]) -> dict[str, Any]:
    """Check the case of a task in a process of its own."""
    return check(task.in_way_of(tuple(task.arms))).to_json()


def check(task: Task[Any]) -> Finding:
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
    before = [x.detach().clone() for x in tensors_in(inputs)]
    ran: dict[str, _Counted] = {}
    for name, arm in eager.items():
        ran[name] = _run_counted(arm)
        if not all(torch.equal(x, y) for x, y in zip(before, tensors_in(inputs), strict=True)):
            raise MismatchError(f"{name} changes its inputs in place: the others would get these")
    outputs = {name: found.outputs for name, found in ran.items()}
    check_same_work(task.case, task.arms, outputs, {n: found.macs for n, found in ran.items()})
    if task.case.dtype != "float32":
        _check_float32(task, outputs)
    compiled: dict[str, FirstCall] = {}
    arms = eager
    if not task.case.eager:
        for name in eager:  # a run that was killed while it compiled has left something behind
            shutil.rmtree(compiler_cache(task, name), ignore_errors=True)
        arms = build_arms(task, inputs, compiled=True, marked=True)  # what replicates will run
        compiled = _compile_cold(task, arms, outputs, _in_float32(task, outputs))
    round_s = _round_s(task.case, arms)
    facts: dict[str, ArmFacts] = {}
    for name, first in first_of_its_kind(task.arms).items():
        if name == first:
            params = sum(x.numel() for x in eager[name].network.parameters())
            facts[name] = _facts(arms[name], params, ran[name], compiled.get(name), task)
        else:  # the same network; it finds in the cache what the first has put there
            facts[name] = replace(facts[first], compile_s=None)
    return Finding(Status.OK, "", images, facts, round_s)


@dataclass(frozen=True)
class _Counted:
    """What one eager call of an arm gave, and what it executed."""

    outputs: Outputs
    macs: int
    """Of the forward pass."""
    operators: int


class _ForwardFlops(Flops):
    """Counts what the forward pass executes: a linear layer's backward pass has its operators, too.

    Inside a backward pass autograd has a graph task.
    """

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        if torch._C._current_graph_task_id() != -1:
            return out
        return super()._count_flops(func_packet, out, args, kwargs)  # type: ignore[no-untyped-call]


class _OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts every operator that is executed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.count = 0
        spare_dynamo(type(self))

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
    with _ForwardFlops(display=False) as flops, _OperatorCounter() as operators:
        outputs = tuple(x.detach() for x in arm.call())
        executed = operators.count - len(outputs)  # detached above
    arm.prepare()
    return _Counted(outputs, flops.get_total_flops() // 2, executed)


def _check_float32(task: Task[Any], outputs: Mapping[str, Outputs]) -> None:
    """Hold the arms that are like no other to their own eager outputs in float32."""
    alone = {a: r for a, r in task.arms.items() if network_of(r).against_float32}
    if not alone:
        return
    for name, exact in _eager_float32(task, alone).items():
        off = difference(exact, outputs[name])
        if not off <= tolerance(task.case):
            raise MismatchError(
                f"{name} in {task.case.dtype} differs from itself in float32 by {off:.1e} of its "
                "largest value"
            )


def _eager_float32(task: Task[Any], arms: Arms) -> dict[str, Outputs]:
    exact = replace(task, case=replace(task.case, dtype="float32"), arms=arms)
    with without_tf32():
        built = build_arms(exact, make_inputs(exact)[0], compiled=False)
        return {name: _run_counted(arm).outputs for name, arm in built.items()}


def _in_float32(task: Task[Any], outputs: Mapping[str, Outputs]) -> Mapping[str, Outputs]:
    """Return the outputs in eager float32, of a user's networks only where they are there.

    None where it does not run: it takes twice the memory of half precision, and only this needs it.
    """
    if task.case.dtype == "float32":
        return outputs
    if task.case.scope == "own":
        return {}
    kinds = set(first_of_its_kind(task.arms).values())
    try:
        return _eager_float32(task, {arm: r for arm, r in task.arms.items() if arm in kinds})
    except (RuntimeError, MemoryError):
        return {}


def _compile_cold(
    task: Task[Any],
    arms: Mapping[str, Arm],
    eager: Mapping[str, Outputs],
    exact: Mapping[str, Outputs],
) -> dict[str, FirstCall]:
    """Call every arm for the first time, and compare with the eager outputs.

    Args:
        task: names case and arms.
        arms: as the case says.
        eager: their outputs in the dtype of the case.
        exact: the same in float32, where it is known.
    """
    calls = first_calls(task, arms)
    if task.case.device == "cpu" and not any(call.packed != 0 for call in calls.values()):
        raise CompileError("freezing has packed no weights: this is the usual compiler")
    for name, arm in arms.items():
        arm.prepare()
        maps = tuple(x.detach() for x in arm.call())
        check_layout(task.case, name, maps)
        _check_close(task.case, name, eager[name], maps)
        if name in exact:
            close = how_close(task.case, task.arms[name], exact[name], maps)
            calls[name] = replace(calls[name], close=close)
    return calls


def _check_close(case: Case, name: str, eager: Outputs, maps: Outputs) -> None:
    """Raise `MismatchError` unless the outputs are the eager ones, or as near as is promised."""
    least_db = RUNTIMES[case.runtime].least_sqnr_db if case.runtime != TORCH else None
    if least_db is None:
        off = difference(eager, maps)
        if not off <= tolerance(case):
            raise MismatchError(
                f"{_how(case)} {name} differs from eager by {off:.1e} of its largest value"
            )
    elif not (found_db := min(sqnr_db(eager, maps))) >= least_db:
        raise MismatchError(
            f"{_how(case)} {name} has {found_db:.1f} dB of signal to noise against eager, and less "
            f"than {least_db:g} dB"
        )


def _round_s(case: Case, arms: Mapping[str, Arm]) -> float:
    """Return about how long a round takes, to plan with: every arm has run once before."""
    read_s = synchronized(wall_s, synchronizer(torch.device(case.device)))
    start_s = read_s()
    for arm in arms.values():
        arm.prepare()
        arm.call()
    return read_s() - start_s


def _how(case: Case) -> str:
    return "compiled" if case.runtime == TORCH else case.runtime


def _facts(
    arm: Arm, params: int, ran: _Counted, first: FirstCall | None, task: Task[Any]
) -> ArmFacts:
    known = ArmFacts(params, ran.macs, None, compile_s=None, operators=ran.operators)
    if first is not None and first.close is not None:
        known = replace(
            known, level_differences=first.close.differences, level_sqnr_db=first.close.sqnr_db
        )
    if arm.exported is not None and first is not None:  # its memory is not torch's
        quantised = RUNTIMES[task.case.runtime].quantise is not None
        return replace(known, quantised=quantised, **_of_runtime(arm.exported, first))
    arm.prepare()
    # CUDA graphs replay in memory that was set aside when they were captured: no peak to see.
    peak = (
        None if replays_graphs(task.case) else peak_bytes(arm.call, torch.device(task.case.device))
    )
    known = replace(known, peak_bytes=peak)
    if first is None:
        return known
    return replace(
        known,
        compile_s=first.seconds,
        graphs=first.graphs,
        graph_breaks=first.graph_breaks,
        read_back={} if first.packed is None else {"packed convolutions": str(first.packed)},
    )


def _of_runtime(found: Exported, first: FirstCall) -> dict[str, Any]:
    nodes = ", ".join(f"{count} {kind}" for kind, count in found.executed().items())
    return {
        "compile_s": found.build_s + found.load_s + first.seconds,
        "build_s": found.build_s,
        "load_s": found.load_s,
        "first_s": first.seconds,
        "file_bytes": found.file_bytes,
        "read_back": {**found.loaded.read_back, "executes": nodes},
    }
