"""Named bundles of axis values, and when to stop."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.schema.errors import BenchError


@dataclass(frozen=True)
class Preset:
    """A named bundle of axis values: blocks of the grid, and when to stop."""

    blocks: tuple[Mapping[str, str], ...]
    half_width: str
    budget: str


GPU = {"devices": "cuda", "dtypes": "bfloat16", "channels_last": "on"}
"""What the cases of the preset ``gpu`` share where they do not say otherwise."""

PAPER = {"backbones": "resnet50", "channels_last": "on"}
"""What the cases of the preset ``paper`` share where they do not say otherwise."""

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
    "paper": Preset(
        blocks=(
            {**PAPER, "scopes": "neck,heads", "resolutions": "640", "compile": "off,default"},
            {**PAPER, "scopes": "neck,heads", "resolutions": "800x1344", "compile": "off,default"},
            {**PAPER, "scopes": "model", "resolutions": "640,800x1344"},
            {**PAPER, "scopes": "heads", "resolutions": "640", "boxes": "100,512"},
            {**PAPER, "scopes": "heads", "resolutions": "640", "channels_last": "off"},
        ),
        half_width="2%",
        budget="20m",
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

BACKBONES = ("cnn", "resnet50")
"""Of all presets: known by name, without the seconds in which timm is imported."""

GRID = Preset(
    blocks=({},), half_width=PRESETS["default"].half_width, budget=PRESETS["default"].budget
)
"""What single options start from: exactly the grid that they span, and no more."""


def choose_preset(name: str | None, overrides: Mapping[str, str]) -> Preset:
    """Return the preset of that name; without one the plain grid if axes are given."""
    if name is None:
        return GRID if overrides else PRESETS[DEFAULT_PRESET]
    if name not in PRESETS:
        from panet.errors import did_you_mean  # which brings torch: no help is to wait for it

        hint = did_you_mean(name, PRESETS, f"choose from {', '.join(PRESETS)}")
        raise BenchError(f"--preset {name!r}: {hint}")
    return PRESETS[name]
