"""From a case to its arms: networks with equal weights, and the call that is timed."""

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from bench.schema.case import FROZEN, TORCH, Case
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.schema.tasks import Task
from bench.workload import cache_state, exported, torch_globals
from bench.workload.exported import Exported
from bench.workload.graph_marks import GraphMarks
from bench.workload.inputs import calibration_inputs, torch_dtype
from bench.workload.marks import Marks
from bench.workload.networks import Outputs, Shared, copies_of, network_of, whole_network
from bench.workload.splitting import can_split
from bench.workload.users import Inputs, tensors_in


@dataclass(frozen=True)
class Arm:
    """One of the things compared: ``prepare`` runs before the clock starts, ``call`` is timed."""

    name: str
    network: nn.Module
    """Empty where a runtime has read the network from a file."""
    call: Callable[[], Outputs]
    prepare: Callable[[], None]
    marks: Marks | None = None
    """Of an eager call that is split."""
    exported: Exported | None = None
    """What a runtime calls."""


def build_arms(
    task: Task[Any], inputs: Inputs, *, compiled: bool, index: int = 0, marked: bool = False
) -> dict[str, Arm]:
    """Return the arms of the case, with equal weights in memory of their own.

    The weights are drawn once, which takes as long as many a round, and copied in a random order,
    so that no arm always lies at the same place in memory.

    Args:
        task: names case and arms.
        inputs: of the networks.
        compiled: whether the arms run as the case says: compiled, or in its runtime.
        index: of the replicate, which draws the order.
        marked: whether calls are split, where they can be.

    Raises:
        BenchError: one of several sides changes a setting that is the other ones', too.
    """
    sweep = cache_state.Sweeper(torch.device(task.case.device))
    before = torch_globals.read()
    wholes: dict[tuple[str, str], nn.Module] = {}
    shared: Shared = {}
    order = list(task.arms)
    random.Random(f"{task.seed}-{index}").shuffle(order)  # noqa: S311 - no secret
    arms = {}
    for arm in order:
        recipe = task.arms[arm]
        placed = functools.partial(_placed, recipe, wholes, shared, task)
        if compiled and task.case.runtime != TORCH:
            built = _in_runtime(arm, task, inputs, placed)
        else:
            built = _arm(arm, *placed(inputs), task.case, compiled=compiled)
        prepare = cache_state.prepared(recipe.caches, built.prepare, built.call, sweep)
        split = marked and network_of(recipe).marked and (not compiled or can_split(task.case))
        marks = _marks(built.network, task, compiled=compiled) if split else None
        arms[arm] = replace(built, prepare=prepare, marks=marks)
    if len({side for side, _ in wholes}) > 1 and (changed := torch_globals.changed(before)):
        raise BenchError(
            f"{task.package} changes for the whole process, and so for the other side: {changed}; "
            "give each side processes of its own with --apart"
        )
    return {arm: arms[arm] for arm in task.arms}


def _marks(network: nn.Module, task: Task[Any], *, compiled: bool) -> Marks:
    if compiled:  # at its first call, which is still to come
        return GraphMarks(network)
    device, training = torch.device(task.case.device), task.case.pass_name == "training"
    return Marks(network, device, training=training, around_modules=task.marked)


def _placed(
    recipe: Recipe,
    wholes: dict[tuple[str, str], nn.Module],
    shared: Shared,
    task: Task[Any],
    inputs: Inputs,
) -> tuple[nn.Module, Inputs]:
    """Return a network as the case wants it, and what it is called with."""
    case, entry, code = task.case, network_of(recipe), (recipe.side, recipe.factory)
    if code not in wholes:
        wholes[code] = whole_network(task, inputs, *code)
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    network = entry.build(copies_of(wholes[code]), recipe, shared)
    network = network.to(case.device, torch_dtype(case.dtype)).to(memory_format=layout)
    network.train(case.pass_name == "training")
    if not entry.part:
        return network, inputs
    maps = _maps_before(entry.part, network, case, inputs)
    return network.get_submodule(entry.part), maps


def _in_runtime(
    name: str,
    task: Task[Any],
    inputs: Inputs,
    placed: Callable[[Inputs], tuple[nn.Module, Inputs]],
) -> Arm:
    """Return an arm that a runtime runs; its network is built only where that is needed."""

    def called_with(of: Inputs) -> Inputs:
        return placed(of)[1] if network_of(task.arms[name]).part else of

    def samples() -> list[Inputs]:
        return [called_with(each) for each in calibration_inputs(task)]

    found = exported.load(task, name, called_with(inputs), lambda: placed(inputs)[0], samples)
    return Arm(name, nn.Module(), found.loaded.call, lambda: None, exported=found)


def _maps_before(part: str, network: nn.Module, case: Case, inputs: Inputs) -> Inputs:
    """Return what a part of the network is called with; in training it hands gradients on."""
    maps = inputs
    with torch.no_grad():
        for before in ("cnn", "fpn", "panet"):
            if before == part:
                break
            if hasattr(network, before):  # the neck has no backbone
                maps = _forward(network.get_submodule(before), case, maps)()
    if part != "cnn" and case.pass_name == "training":
        return tuple(x.detach().requires_grad_() for x in maps)
    return maps


def _arm(name: str, network: nn.Module, inputs: Inputs, case: Case, *, compiled: bool) -> Arm:
    run: Callable[..., Outputs] = network
    if compiled:
        mode = None if case.compile_mode == FROZEN else case.compile_mode
        run = torch.compile(network, mode=mode, dynamic=False)
        if replays_graphs(case):  # they lie where the graph reads them, and need no copy
            for x in tensors_in(inputs):
                torch._dynamo.mark_static_address(x)
    if case.pass_name == "inference":
        forward = torch.inference_mode()(_forward(run, case, inputs))
        return Arm(name, network, forward, _mark_step(case))

    def prepare() -> None:
        network.zero_grad(set_to_none=True)
        for x in tensors_in(inputs):
            x.grad = None

    return Arm(name, network, training_step(run, inputs, case), prepare)


def _forward(run: Callable[..., Any], case: Case, inputs: Inputs) -> Callable[[], Outputs]:
    """Return the call of a network, under autocast where the case asks for it."""
    call: Callable[..., Outputs] = _tensors_of(run) if case.network else run
    if not case.dtype.startswith("amp-"):
        return lambda: call(*inputs)
    kind, dtype = torch.device(case.device).type, getattr(torch, case.dtype.removeprefix("amp-"))

    def autocast() -> Outputs:
        with torch.autocast(kind, dtype=dtype):
            return call(*inputs)

    return autocast


def _tensors_of(run: Callable[..., Any]) -> Callable[..., Outputs]:
    """Return the call of a user's network, whose outputs may be any nest of tensors."""
    return lambda *x: tensors_in(run(*x))


def training_step(run: Callable[..., Any], inputs: Inputs, case: Case) -> Callable[[], Outputs]:
    """Return forward and backward pass of a network, as the pass ``training`` times them."""
    forward = _forward(run, case, inputs)

    def step() -> Outputs:
        outputs = forward()
        torch.stack([output.float().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
        return outputs

    return step


CUDA_GRAPH_MODES = ("reduce-overhead", "max-autotune")


def replays_graphs(case: Case) -> bool:
    """Whether a call of the case replays CUDA graphs."""
    return case.device.startswith("cuda") and case.compile_mode in CUDA_GRAPH_MODES


def _mark_step(case: Case) -> Callable[[], None]:
    """CUDA graphs reuse the memory of the outputs: say that the last step's are no longer read."""
    if case.compile_mode == "off" or not case.device.startswith("cuda"):
        return lambda: None
    return torch.compiler.cudagraph_mark_step_begin
