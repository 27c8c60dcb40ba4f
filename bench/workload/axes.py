"""From the texts of the axes (`bench.schema.case`) to cases: what the values of each may be."""

import functools
import importlib.util
import itertools
import pkgutil
import re
from collections.abc import Mapping
from typing import Any

from bench.machine.environment import usable_cores
from bench.schema.axis import Axis
from bench.schema.case import AXES, Case
from bench.schema.errors import BenchError
from bench.workload.presets import BACKBONES, Preset
from bench.workload.units import one_of, positive, whole
from panet import InputError, levels
from panet.backbone import MIN_SIDE_PX
from panet.resolution import parse_resolution


def sweep(preset: Preset, overrides: Mapping[str, str]) -> tuple[Case, ...]:
    """Return the cases of the preset, each once, with the axes of ``overrides`` in place of its."""
    found: dict[str, Case] = {}
    for block in preset.blocks:
        texts = {**block, **overrides}
        lists = [parse_list(axis, texts.get(axis.option, axis.default)) for axis in AXES]
        for values in itertools.product(*lists):
            case = _case(values)
            found.setdefault(case.case_id, case)
    return tuple(found.values())


def parse_list(axis: Axis, text: str) -> tuple[Any, ...]:
    """Return the values of a comma-separated list; raise `BenchError` for a wrong item."""
    parse = one_of(axis.flag, axis.choices) if axis.choices else pkgutil.resolve_name(axis.parse)
    return tuple(dict.fromkeys(parse(item.strip()) for item in text.split(",")))


def _case(values: tuple[Any, ...]) -> Case:
    held: dict[str, Any] = {}
    for axis, value in zip(AXES, values, strict=True):
        held.update(zip(axis.fields, value if len(axis.fields) > 1 else (value,), strict=True))
    if held["scope"] != "heads":
        held["boxes"] = 0  # and such cases are one
    elif not held["boxes"]:
        raise BenchError("--boxes 0: the scope heads needs boxes; give 1 or more, such as 1000")
    return Case(**held)


def parse_batch_size(text: str) -> int:
    """Return the number of images."""
    return positive("--batch-sizes")(text)


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) in px."""
    try:
        return parse_resolution(text)
    except InputError as error:
        raise BenchError(f"--resolutions: {error}") from error


def parse_device(text: str) -> str:
    """Return the device; ``auto`` is the accelerator of this machine, or the CPU."""
    import torch

    if text == "auto":
        found = (
            torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        )
        text = found.type if found else "cpu"
    if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d+)?", text):
        raise BenchError(f"--devices {text!r}: choose from auto, cpu, cuda, cuda:1, mps, xpu")
    return f"{text}:0" if text in ("cuda", "xpu") else text


def parse_threads(text: str) -> int:
    """Return the number of threads; ``auto`` is that of the cores this process may use."""
    return usable_cores() if text == "auto" else positive("--threads")(text)


def parse_boxes(text: str) -> int:
    """Return the number of proposals; 0 is that of the other scopes."""
    return whole("--boxes")(text)


def parse_levels(text: str) -> str:
    """Return the finest and the coarsest level, ``p3-p7``."""
    try:
        levels.parse_levels(text)
    except InputError as error:
        raise BenchError(f"--levels: {error}") from error
    return text


@functools.cache
def parse_backbone(text: str) -> str:
    """Return the name; an unknown one is refused here, a missing timm later, case by case."""
    if text in BACKBONES or importlib.util.find_spec("timm") is None:
        return text
    import torch

    from panet.backbone import build_backbone

    if "-" in text:
        raise BenchError(f"--backbones {text!r}: a name of timm has no dash")
    try:
        with torch.device("meta"):
            build_backbone(text)
    except InputError as error:
        raise BenchError(f"--backbones: {error}") from error
    return text


def check_images(folder: str) -> None:
    """Raise `BenchError` unless the folder has a picture that can be read."""
    from bench.workload.images import load_batch

    load_batch(1, MIN_SIDE_PX, MIN_SIDE_PX, folder)
