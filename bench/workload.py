"""From a case to its arms: networks with equal weights, inputs, and the call that is timed."""

import copy
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.images import load_batch
from bench.records import ARMS, Case
from bench.task import Task
from panet import FPN, BackboneNeck, PANet
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
    """FPN, with or without the bottom-up path: c2..c5 -> p2..p5 or n2..n5."""

    def __init__(self, in_channels: Sequence[int], *, bottom_up: bool) -> None:
        super().__init__()
        self.fpn = FPN(in_channels)
        self.panet = PANet(self.fpn.out_channels, len(in_channels)) if bottom_up else None

    def forward(self, *c: Tensor) -> Outputs:
        """Take c2..c5 of ``in_channels``; return one map per level with 256 channels."""
        p: Outputs = self.fpn(*c)
        return p if self.panet is None else self.panet(*p)


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
    placed = tuple(x.to(case.device, dtype, memory_format=layout) for x in inputs)
    return placed, str(source)


def build_arms(task: Task, inputs: Outputs, *, compiled: bool) -> dict[str, Arm]:
    """Return the arms of the case, with equal weights in memory of their own.

    They are built in a random order, so that no arm always lies at the same place in memory.
    """
    backbone = _seeded_backbone(task) if task.case.scope == "model" else None
    order = random.Random(f"{task.seed}-{task.index}").sample(ARMS, len(ARMS))  # noqa: S311 - no secret
    arms = {arm: _build_arm(arm, task, inputs, backbone, compiled=compiled) for arm in order}
    return {arm: arms[arm] for arm in ARMS}


def use_compiler_cache(task: Task, arm: str) -> None:
    """Point the compiler's disk caches to a folder private to run, case and network."""
    folder = Path(task.scratch_dir) / "compiled" / task.case.case_id / arm.removesuffix("_again")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")


def _fresh_inputs(task: Task) -> tuple[Outputs, str]:
    case = task.case
    image, source = load_batch(case.batch_size, case.height_px, case.width_px, task.images_dir)
    if case.scope == "model":
        return (image,), source
    backbone = _seeded_backbone(task).eval().to(case.device)
    # One picture at a time: the maps are the same, and a large batch needs no more memory than one.
    with torch.inference_mode():
        maps = [tuple(c.cpu() for c in backbone(x[None].to(case.device))) for x in image]
    return tuple(torch.cat(level) for level in zip(*maps, strict=True)), source


def _build_arm(
    name: str, task: Task, inputs: Outputs, backbone: nn.Module | None, *, compiled: bool
) -> Arm:
    case = task.case
    torch.manual_seed(task.seed)  # before each: the same FPN in every arm
    network = _network(name, inputs, backbone)
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    network = network.to(case.device, torch_dtype(case.dtype)).to(memory_format=layout)
    network.train(case.pass_name == "training")
    run: Callable[..., Outputs] = network
    if compiled:
        run = torch.compile(network, mode=case.compile_mode, dynamic=False, fullgraph=True)
    forward = _forward(run, case, inputs)
    if case.pass_name == "inference":
        return Arm(name, network, torch.inference_mode()(forward), _mark_step(case))
    return Arm(name, network, _training_step(forward), lambda: network.zero_grad(set_to_none=True))


def _seeded_backbone(task: Task) -> nn.Module:
    torch.manual_seed(task.seed)
    return build_backbone(task.case.backbone)


def _network(name: str, inputs: Outputs, backbone: nn.Module | None) -> nn.Module:
    if backbone is not None:
        # Copied: drawing the weights of a backbone takes longer than timing it.
        return BackboneNeck(copy.deepcopy(backbone), neck="panet" if name == "panet" else "fpn")
    return Neck([c.shape[1] for c in inputs], bottom_up=name == "panet")


def _forward(run: Callable[..., Outputs], case: Case, inputs: Outputs) -> Callable[[], Outputs]:
    if not case.dtype.startswith("amp-"):
        return lambda: run(*inputs)
    kind, dtype = torch.device(case.device).type, getattr(torch, case.dtype.removeprefix("amp-"))

    def autocast() -> Outputs:
        with torch.autocast(kind, dtype=dtype):
            return run(*inputs)

    return autocast


def _training_step(forward: Callable[[], Outputs]) -> Callable[[], Outputs]:
    def step() -> Outputs:
        outputs = forward()
        torch.stack([output.float().mean() for output in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
        return outputs

    return step


def _mark_step(case: Case) -> Callable[[], None]:
    """CUDA graphs reuse the memory of the outputs: say that the last step's are no longer read."""
    if case.compile_mode == "off" or not case.device.startswith("cuda"):
        return lambda: None
    return torch.compiler.cudagraph_mark_step_begin
