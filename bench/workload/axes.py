"""What the user can ask for: axes, presets, and when to stop.

One default, one place: the command line, its help and the README are made from these tables, or
tested against them.
"""

import difflib
import functools
import importlib.util
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.machine.environment import usable_cores
from bench.schema.errors import BenchError
from bench.schema.records import Case
from bench.workload.sweep import Axes, cases
from panet import InputError
from panet.__main__ import parse_resolution
from panet.backbone import MIN_SIDE_PX

COMPILE_MODES = (
    "off",
    "default",
    "lite",
    "reduce-overhead",
    "max-autotune",
    "max-autotune-no-cudagraphs",
)
DTYPES = ("float32", "tf32", "bfloat16", "float16", "amp-bfloat16", "amp-float16")
SCOPES = ("neck", "model")
PASSES = ("inference", "training")
SWITCH = {"off": False, "on": True}


@dataclass(frozen=True)
class Axis:
    """One dimension of the grid, as an option with a list."""

    name: str
    parse: Callable[[str], Any]
    """One item of the list; raises `BenchError`."""
    default: str
    help: str

    @property
    def option(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")


def one_of(name: str, values: Mapping[str, Any] | tuple[str, ...]) -> Callable[[str], Any]:
    """Return a parser that takes one of ``values``."""

    def parse(text: str) -> Any:  # noqa: ANN401 - the values decide
        if text not in values:
            raise BenchError(f"{name} {text!r}: choose from {', '.join(values)}")
        return values[text] if isinstance(values, Mapping) else text

    return parse


def positive(name: str) -> Callable[[str], int]:
    """Return a parser that takes a whole number of 1 or more."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text)):
            raise BenchError(f"{name} {text!r}: give a whole number of 1 or more")
        return int(text)

    return parse


def whole(name: str) -> Callable[[str], int]:
    """Return a parser that takes a whole number, 0 included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise BenchError(f"{name} {text!r}: give a whole number")
        return int(text)

    return parse


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


@functools.cache
def parse_backbone(text: str) -> str:
    """Return the name; an unknown one is refused here, a missing timm later, case by case."""
    if text == "cnn" or importlib.util.find_spec("timm") is None:
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


AXES = {
    axis.name: axis
    for axis in (
        Axis(
            "scopes", one_of("--scopes", SCOPES), "neck", "neck (feature maps in), model (image in)"
        ),
        Axis("backbones", parse_backbone, "cnn", "cnn (the article's), or names of timm"),
        Axis("batch_sizes", positive("--batch-sizes"), "1", "images per call"),
        Axis("resolutions", parse_size, "224", "224, or HEIGHTxWIDTH such as 800x1344"),
        Axis("devices", parse_device, "auto", "auto, cpu, cuda, cuda:1, mps, xpu"),
        Axis("channels_last", one_of("--channels-last", SWITCH), "off", "off, on"),
        Axis("compile", one_of("--compile", COMPILE_MODES), "off", ", ".join(COMPILE_MODES)),
        Axis("dtypes", one_of("--dtypes", DTYPES), "float32", ", ".join(DTYPES)),
        Axis("passes", one_of("--passes", PASSES), "inference", "inference, training"),
        Axis("threads", parse_threads, "auto", "auto (the usable cores), or numbers"),
    )
}


@dataclass(frozen=True)
class Preset:
    """A named bundle of axis values: blocks of the grid, and when to stop."""

    blocks: tuple[Mapping[str, str], ...]
    half_width: str
    budget: str


GPU = {"devices": "cuda", "dtypes": "bfloat16", "channels_last": "on"}
"""What the cases of the preset ``gpu`` share where they do not say otherwise."""

PRESETS = {
    "smoke": Preset(
        blocks=(
            {"resolutions": "64", "channels_last": "on", "passes": "inference,training"},
            {"resolutions": "64", "scopes": "model"},
        ),
        half_width="10%",
        budget="1m",
    ),
    "default": Preset(
        blocks=(
            {"batch_sizes": "1,2", "channels_last": "off,on"},
            {"resolutions": "320", "channels_last": "off,on"},
            {"resolutions": "640", "channels_last": "on"},
            {"compile": "default", "channels_last": "on"},
            {"scopes": "model"},
            {"passes": "training", "channels_last": "on"},
            {"scopes": "model", "backbones": "resnet50", "channels_last": "on"},
            {
                "scopes": "model",
                "backbones": "resnet50",
                "resolutions": "320",
                "channels_last": "on",
            },
        ),
        half_width="2%",
        budget="4.3m",
    ),
    "cells": Preset(
        blocks=({"batch_sizes": "1,2", "resolutions": "224,320", "channels_last": "off,on"},),
        half_width="1%",
        budget="4m",
    ),
    "gpu": Preset(
        blocks=(
            {**GPU, "scopes": "model", "backbones": "resnet50", "batch_sizes": "1,8,64"},
            {**GPU, "batch_sizes": "1,8,64"},
            {**GPU, "resolutions": "640,800x1344", "scopes": "model", "backbones": "resnet50"},
            {**GPU, "dtypes": "float32,tf32,float16,amp-bfloat16", "batch_sizes": "8"},
            {**GPU, "channels_last": "off", "batch_sizes": "8"},
            {**GPU, "compile": "default,reduce-overhead,max-autotune", "batch_sizes": "1"},
            {**GPU, "compile": "default,reduce-overhead", "batch_sizes": "64"},
            {**GPU, "passes": "training", "batch_sizes": "8,64"},
            {**GPU, "scopes": "model", "batch_sizes": "1,8"},
            {**GPU, "resolutions": "640", "batch_sizes": "1,8"},
        ),
        half_width="1%",
        budget="8m",
    ),
    "full": Preset(
        blocks=(
            {
                "scopes": "neck,model",
                "backbones": "cnn,resnet50",
                "batch_sizes": "1,2,4,8",
                "resolutions": "224,320,640,800x1344",
                "channels_last": "off,on",
                "compile": "off,default",
                "dtypes": "float32,bfloat16",
                "passes": "inference,training",
            },
        ),
        half_width="1%",
        budget="12h",
    ),
}
DEFAULT_PRESET = "default"

GRID = Preset(
    blocks=({},), half_width=PRESETS["default"].half_width, budget=PRESETS["default"].budget
)
"""What single options start from: exactly the grid that they span, and no more."""


def parse_list(axis: Axis, text: str) -> tuple[Any, ...]:
    """Return the values of a comma-separated list; raise `BenchError` for a wrong item."""
    return tuple(dict.fromkeys(axis.parse(item.strip()) for item in text.split(",")))


def parse_half_width(text: str) -> float:
    """Return a relative half-width: ``2%`` or ``0.02``."""
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise BenchError(f"--half-width {text!r}: give a share such as 2% or 0.02")
    return value


def parse_duration(option: str, text: str) -> float:
    """Return seconds: ``90s``, ``10m``, ``1.5h``; a bare number is seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise BenchError(f"{option} {text!r}: give a duration such as 90s, 10m or 1.5h")
    return seconds


def parse_bytes(option: str, text: str) -> int:
    """Return bytes: ``8GiB``, ``8G``, ``512MiB``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?B)?", text, re.IGNORECASE)
    size = float(found[1]) * 1024 ** (1 + "KMGT".index(found[2].upper())) if found else 0.0
    if size < 1:
        raise BenchError(f"{option} {text!r}: give a size such as 8GiB or 512MiB")
    return int(size)


def check_images(folder: str) -> None:
    """Raise `BenchError` unless the folder has a picture that can be read."""
    from bench.workload.images import load_batch

    load_batch(1, MIN_SIDE_PX, MIN_SIDE_PX, folder)


def choose_preset(name: str | None, overrides: Mapping[str, str]) -> Preset:
    """Return the preset of that name; without one the plain grid if axes are given."""
    if name is None:
        return GRID if overrides else PRESETS[DEFAULT_PRESET]
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PRESETS)}"
        raise BenchError(f"--preset {name!r}: {hint}")
    return PRESETS[name]


def sweep(preset: Preset, overrides: Mapping[str, str]) -> tuple[Case, ...]:
    """Return the cases of the preset, with the axes of ``overrides`` in place of its own."""
    return cases(_block({**block, **overrides}) for block in preset.blocks)


def _block(values: Mapping[str, str]) -> Axes:
    return {name: parse_list(axis, values.get(name, axis.default)) for name, axis in AXES.items()}
