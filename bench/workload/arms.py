"""From a case to its arms: networks with equal weights, inputs, and the call that is timed."""

import copy
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import panet
from bench.run.peer_networks import MmdetPAFPN, TorchvisionFPN
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.tasks import Task
from bench.selftest.slowdown import Alone, Finest, Kept, Slowdown, Slowed
from bench.workload import cache_state, code_loader, torch_globals
from bench.workload.images import load_batch
from panet.backbone import build_backbone

Outputs = tuple[Tensor, ...]

CACHED_INPUT_BYTES = 512 * 2**20
"""Inputs up to this size are made once per run and read by every worker; larger ones are made anew,
so that a sweep cannot fill the disk."""


@dataclass(frozen=True)
class Arm:
    """One of the things compared: ``prepare`` runs before the clock starts, ``call`` is timed."""

    name: str
    network: nn.Module
    call: Callable[[], Outputs]
    prepare: Callable[[], None]


class Neck(nn.Module):
    """FPN and bottom-up path: c2..c5 -> n2..n5; p2..p5 where ``panet`` is taken away.

    Args:
        in_channels: of c2..c5.
        code: the package that FPN and PANet are taken from.
    """

    def __init__(self, in_channels: Sequence[int], code: Any = panet) -> None:  # noqa: ANN401 - a package
        super().__init__()
        self.fpn = code.FPN(in_channels)
        self.panet = code.PANet(self.fpn.out_channels, len(in_channels))

    def forward(self, *c: Tensor) -> Outputs:
        """Take c2..c5 of ``in_channels``; return one map per level with 256 channels."""
        p: Outputs = self.fpn(*c)
        n: Outputs = p if self.panet is None else self.panet(*p)
        return n


ALONE = {"backbone": "cnn", "fpn_alone": "fpn", "panet_alone": "panet"}
"""Recipe -> the part of the network that runs by itself, on maps stored before."""


def torch_dtype(dtype: str) -> torch.dtype:
    """Return the dtype that weights and inputs are kept in: autocast and TF32 keep float32."""
    kept = "float32" if dtype == "tf32" or dtype.startswith("amp-") else dtype
    found = getattr(torch, kept)
    assert isinstance(found, torch.dtype)  # noqa: S101 - options admit nothing else
    return found


def make_inputs(task: Task) -> tuple[Outputs, str]:
    """Return what the networks of the case are called with, and which pictures it comes from.

    The neck's inputs are the maps that the backbone makes of the pictures.
    """
    case = task.case
    body = case.backbone if case.scope == "neck" else "image"
    size = f"b{case.batch_size}-{case.height_px}x{case.width_px}"
    cached = Path(task.scratch_dir) / f"{body}-{size}.pt"
    if cached.exists():
        stored = torch.load(cached)
        inputs, source = tuple(stored["inputs"]), stored["source"]
    else:
        inputs, source = _fresh_inputs(task)
        if sum(x.nbytes for x in inputs) <= CACHED_INPUT_BYTES:
            partial = cached.with_suffix(f".{os.getpid()}")
            torch.save({"inputs": list(inputs), "source": source}, partial)
            partial.rename(cached)
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    dtype = torch_dtype(case.dtype)
    return tuple(_input_on(case, x, dtype, layout) for x in inputs), str(source)


def _input_on(case: Case, x: Tensor, dtype: torch.dtype, layout: torch.memory_format) -> Tensor:
    if not x.is_floating_point():  # indices of a user's network
        return x.to(case.device)
    return x.to(case.device, dtype, memory_format=layout if x.ndim == 4 else torch.preserve_format)


def placeholder_inputs(task: Task) -> Outputs:
    """Return inputs of the right shape, layout and dtype without a meaning: for memory alone."""
    case = task.case
    shapes: list[tuple[int, ...]] = [(case.batch_size, 3, case.height_px, case.width_px)]
    if case.scope == "neck":
        with torch.device("meta"), torch.inference_mode():
            one = torch.empty(1, 3, case.height_px, case.width_px)
            shapes = [(case.batch_size, *c.shape[1:]) for c in build_backbone(case.backbone)(one)]
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    dtype = torch_dtype(case.dtype)
    return tuple(
        torch.zeros(shape, dtype=dtype, device=case.device).contiguous(memory_format=layout)
        for shape in shapes
    )


def build_arms(task: Task, inputs: Outputs, *, compiled: bool) -> dict[str, Arm]:
    """Return the arms of the case, with equal weights in memory of their own.

    The weights are drawn once, which takes as long as many a round, and copied in a random order,
    so that no arm always lies at the same place in memory.

    Raises:
        BenchError: one of several sides changes a setting that is the other ones', too.
    """
    finest, sweep = Finest(), cache_state.Sweeper(torch.device(task.case.device))
    before = torch_globals.read()
    wholes: dict[str, nn.Module] = {}
    order = list(task.arms)
    random.Random(f"{task.seed}-{task.index}").shuffle(order)  # noqa: S311 - no secret
    arms = {}
    for arm in order:
        recipe = parse_recipe(task.arms[arm])
        if recipe.side not in wholes:
            wholes[recipe.side] = _whole_network(task, inputs, recipe.side)
        network = _placed(_network(recipe, wholes[recipe.side], finest), task.case)
        alone = ALONE.get(task.arms[arm])
        own = inputs if alone is None else _maps_before(alone, network, task.case, inputs)
        body = network if alone is None else network.get_submodule(alone)
        built = _build_arm(arm, body, task.case, own, compiled=compiled)
        prepare = cache_state.prepared(recipe.caches, built.prepare, built.call, sweep)
        arms[arm] = replace(built, prepare=prepare)
    if len(wholes) > 1 and (changed := torch_globals.changed(before)):
        raise BenchError(
            f"{task.package} changes for the whole process, and so for the other side: {changed}; "
            "give each side processes of its own with --apart"
        )
    return {arm: arms[arm] for arm in task.arms}


class Recipe(NamedTuple):
    """What an arm runs, written ``network@side+slowdown~caches``."""

    network: str
    side: str
    """Empty: this checkout's code."""
    slowdown: str
    """Empty: none."""
    caches: str
    """What it finds there (`bench.workload.cache_state`); empty: what the arm before it left."""


def parse_recipe(text: str) -> Recipe:
    """Read ``network@side+slowdown~caches``; all but the network may be absent."""
    whole, _, found = text.partition("~")
    whole, _, slowdown = whole.partition("+")
    network, _, side = whole.partition("@")
    return Recipe(network, side, slowdown, found)


def compiler_cache(task: Task, arm: str) -> Path:
    """Return the folder of the compiler's caches: private to run, case and network."""
    return Path(task.scratch_dir) / "compiled" / task.case.case_id / task.arms.get(arm, arm)


def use_compiler_cache(task: Task, arm: str) -> None:
    """Point the compiler's disk caches to a folder private to run, case and network."""
    folder = compiler_cache(task, arm)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")


def _fresh_inputs(task: Task) -> tuple[Outputs, str]:
    case = task.case
    if case.scope == "own":
        side = next(iter(task.sides), "")
        return _own_workload(task, side)[1], f"made by {case.network}"
    image, source = load_batch(case.batch_size, case.height_px, case.width_px, task.images_dir)
    if case.scope == "model":
        return (image,), source
    backbone = _seeded_backbone(task).eval().to(case.device)
    # One picture at a time: the maps are the same, and a large batch needs no more memory than one.
    with torch.inference_mode():
        maps = [tuple(c.cpu() for c in backbone(x[None].to(case.device))) for x in image]
    return tuple(torch.cat(level) for level in zip(*maps, strict=True)), source


def _placed(network: nn.Module, case: Case) -> nn.Module:
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    network = network.to(case.device, torch_dtype(case.dtype)).to(memory_format=layout)
    return network.train(case.pass_name == "training")


def _maps_before(part: str, network: nn.Module, case: Case, inputs: Outputs) -> Outputs:
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


def _build_arm(
    name: str, network: nn.Module, case: Case, inputs: Outputs, *, compiled: bool
) -> Arm:
    run: Callable[..., Outputs] = network
    if compiled:
        run = torch.compile(network, mode=case.compile_mode, dynamic=False)
        if replays_graphs(case):  # they lie where the graph reads them, and need no copy
            for x in inputs:
                torch._dynamo.mark_static_address(x)
    forward = _forward(run, case, inputs)
    if case.pass_name == "inference":
        return Arm(name, network, torch.inference_mode()(forward), _mark_step(case))

    def prepare() -> None:
        network.zero_grad(set_to_none=True)
        for x in inputs:
            x.grad = None

    return Arm(name, network, _training_step(forward), prepare)


def _seeded_backbone(task: Task) -> nn.Module:
    torch.manual_seed(task.seed)
    return build_backbone(task.case.backbone)


def _whole_network(task: Task, inputs: Outputs, side: str) -> nn.Module:
    if task.case.scope == "own":
        return _own_workload(task, side)[0]
    code: Any = _code_of(task, side)
    torch.manual_seed(task.seed)
    if task.case.scope == "model":
        network: nn.Module = code.BackboneNeck(task.case.backbone)
        return network
    return Neck([c.shape[1] for c in inputs], code)


def _code_of(task: Task, side: str) -> ModuleType:
    return code_loader.load(task.package, Path(task.sides[side]), side) if side else panet


def _own_workload(task: Task, side: str) -> tuple[nn.Module, Outputs]:
    """Return what a user's factory makes: a network, and what it is called with.

    Raises:
        BenchError: there is no such factory, or it gives something else.
    """
    case = task.case
    module_name, _, function = case.network.partition(":")
    module: Any = code_loader.load_module(task.package, module_name, Path(task.sides[side]), side)
    factory = getattr(module, function, None)
    if not callable(factory):
        raise BenchError(f"--workload {case.network}: {module_name} has no function {function!r}")
    torch.manual_seed(task.seed)
    made = factory(case.batch_size, case.height_px, case.width_px)
    try:
        network, inputs = made
        inputs = tuple(inputs)
    except (TypeError, ValueError):
        network, inputs = None, ()
    if not isinstance(network, nn.Module) or not all(isinstance(x, Tensor) for x in inputs):
        raise BenchError(
            f"--workload {case.network}: return a module and the tensors that it is called with"
        )
    return network, inputs


def _network(recipe: Recipe, whole: nn.Module, finest: Finest) -> nn.Module:
    """Return what an arm runs: ``fpn`` or ``panet``, perhaps with ``+`` a slow-down.

    ``kept`` is ``panet``, and ``none`` the slow-down behind it, without the network. Of the parts
    that run alone (`ALONE`), the whole network around them; of a peer (`bench.run.peers`), the
    network with the peer's module in it.
    """
    name, slowdown = recipe.network, recipe.slowdown
    if name == "none":
        return Alone(Slowdown(slowdown), finest)
    network = copy.deepcopy(whole)
    if name == "kept":
        return Kept(network, finest)
    if name in ("fpn", "torchvision_fpn"):
        network.panet = None  # type: ignore[assignment]  # the neck without its bottom-up path
    if name == "torchvision_fpn":
        network.fpn = TorchvisionFPN(network.fpn)  # type: ignore[arg-type]  # of ours
    if name == "mmdet_pafpn":
        network.panet = MmdetPAFPN(network.panet)  # type: ignore[arg-type]
    return Slowed(network, Slowdown(slowdown)) if slowdown else network


def _forward(run: Callable[..., Outputs], case: Case, inputs: Outputs) -> Callable[[], Outputs]:
    if case.scope == "own":
        return _forward_own(run, case, inputs)
    if not case.dtype.startswith("amp-"):
        return lambda: run(*inputs)
    kind, dtype = torch.device(case.device).type, getattr(torch, case.dtype.removeprefix("amp-"))

    def autocast() -> Outputs:
        with torch.autocast(kind, dtype=dtype):
            return run(*inputs)

    return autocast


def _forward_own(run: Callable[..., Any], case: Case, inputs: Outputs) -> Callable[[], Outputs]:
    """Return the call of a user's network, whose outputs may be any nest of tensors."""
    flat = lambda *x: tuple(t for t in tree_leaves(run(*x)) if isinstance(t, Tensor))  # noqa: E731
    return _forward(flat, replace(case, scope="neck"), inputs)


def _training_step(forward: Callable[[], Outputs]) -> Callable[[], Outputs]:
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
