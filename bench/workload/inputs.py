"""What the networks of a case are called with: photographs, or the maps that a backbone makes."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bench.schema.case import Case
from bench.schema.tasks import Task
from bench.workload import pyramid_heads
from bench.workload.images import load_batch
from bench.workload.networks import Outputs, seeded_backbone
from bench.workload.users import Inputs, tensors_in, users_network
from panet import BackboneNeck
from panet.backbone import build_backbone
from panet.levels import parse_levels

CACHED_INPUT_BYTES = 512 * 2**20
"""Inputs up to this size are made once per run and read by every worker; larger ones are made anew,
so that a sweep cannot fill the disk."""


def torch_dtype(dtype: str) -> torch.dtype:
    """Return the dtype that weights and inputs are kept in: autocast and TF32 keep float32."""
    kept = "float32" if dtype == "tf32" or dtype.startswith("amp-") else dtype
    found = getattr(torch, kept)
    assert isinstance(found, torch.dtype)  # noqa: S101 - options admit nothing else
    return found


def make_inputs(task: Task[Any]) -> tuple[Inputs, str]:
    """Return what the networks of the case are called with, and which pictures it comes from.

    The neck's inputs are the maps that the backbone makes of the pictures.
    """
    case = task.case
    of_maps = f"{case.backbone}-{case.levels}"
    body = {"neck": of_maps, "heads": f"{of_maps}-k{case.boxes}"}.get(case.scope, "image")
    size = f"b{case.batch_size}-{case.height_px}x{case.width_px}"
    cached = Path(task.scratch_dir) / f"{body}-{size}.pt"
    if cached.exists():
        stored = torch.load(cached, weights_only=True)
        inputs, source = tuple(stored["inputs"]), stored["source"]
    else:
        inputs, source = _fresh_inputs(task)
        if all(isinstance(x, Tensor) for x in inputs) and _bytes(inputs) <= CACHED_INPUT_BYTES:
            partial = cached.with_suffix(f".{os.getpid()}")
            torch.save({"inputs": list(inputs), "source": source}, partial)
            partial.rename(cached)
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    dtype = torch_dtype(case.dtype)
    placed = tuple(tree_map(lambda x: _input_on(case, x, dtype, layout), inputs))
    if case.scope == "heads" and case.pass_name == "training":  # which hand their gradients on
        placed = tuple(x.requires_grad_() if x.ndim == 4 else x for x in placed)
    return placed, str(source)


CALIBRATED_ON = 8
"""Photographs, at least: whole batches of them."""


def calibration_inputs(task: Task[Any]) -> list[Inputs]:
    """Return what a network of the case is called with on photographs that are not its own.

    A batch of the case each; they are what would follow, were the batch a larger one.
    """
    of = task.case
    batches = 1 + math.ceil(CALIBRATED_ON / of.batch_size)
    larger = replace(task, case=replace(of, batch_size=batches * of.batch_size))
    found, _ = _fresh_inputs(larger)
    split = (torch.split(x, of.batch_size) for x in tensors_in(found))
    return list(zip(*split, strict=True))[1:]


def _bytes(inputs: Inputs) -> int:
    return sum(x.nbytes for x in tensors_in(inputs))


def _input_on(case: Case, x: object, dtype: torch.dtype, layout: torch.memory_format) -> object:
    if not isinstance(x, Tensor):  # a number, or a text, in what a user's network is called with
        return x
    if not x.is_floating_point():  # indices of a user's network
        return x.to(case.device)
    return x.to(case.device, dtype, memory_format=layout if x.ndim == 4 else torch.preserve_format)


def placeholder_inputs(task: Task[Any]) -> Outputs:
    """Return inputs of the right shape, layout and dtype without a meaning: for memory alone."""
    case = task.case
    shapes: list[tuple[int, ...]] = [(case.batch_size, 3, case.height_px, case.width_px)]
    if case.scope in ("neck", "heads"):
        with torch.device("meta"), torch.inference_mode():
            one = torch.empty(1, 3, case.height_px, case.width_px)
            maps = _before(case, build_backbone(case.backbone, levels=parse_levels(case.levels)))(
                one
            )
            shapes = [(case.batch_size, *c.shape[1:]) for c in maps]
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    dtype = torch_dtype(case.dtype)
    maps = tuple(
        torch.zeros(shape, dtype=dtype, device=case.device).contiguous(memory_format=layout)
        for shape in shapes
    )
    return maps if case.scope != "heads" else (*maps, *(x.to(case.device) for x in _boxes(task)))


def _fresh_inputs(task: Task[Any]) -> tuple[Inputs, str]:
    case = task.case
    if case.scope == "own":
        side = next(iter(task.sides), "")
        return users_network(task, side)[1], f"made by {case.network}"
    image, source = load_batch(case.batch_size, case.height_px, case.width_px, task.images_dir)
    if case.scope == "model":
        return (image,), source
    before = _before(case, seeded_backbone(task)).eval().to(case.device)
    # One picture at a time: the maps are the same, and a large batch needs no more memory than one.
    with torch.inference_mode():
        maps = [tuple(c.cpu() for c in before(x[None].to(case.device))) for x in image]
    inputs = tuple(torch.cat(level) for level in zip(*maps, strict=True))
    if case.scope != "heads":
        return inputs, source
    boxes = _boxes(task)
    finest, coarsest = parse_levels(case.levels)
    spread = pyramid_heads.spread(boxes[0], tuple(range(finest, coarsest + 1)))
    return (*inputs, *boxes), f"{source}; boxes by FPN's rule: {spread}"


def _before(case: Case, backbone: nn.Module) -> nn.Module:
    """Return what makes the maps of a case: the backbone, and for heads FPN and PANet as well."""
    return BackboneNeck(backbone) if case.scope == "heads" else backbone


def _boxes(task: Task[Any]) -> Outputs:
    case = task.case
    size = (case.batch_size, case.height_px, case.width_px)
    return pyramid_heads.draw_boxes(*size, case.boxes, task.seed)
