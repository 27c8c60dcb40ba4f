"""What this machine cannot run, and why: such a case is `skipped`, never silently dropped."""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import torch

from bench.schema.case import FROZEN, TORCH, Case
from bench.workload import runtimes
from bench.workload.inputs import torch_dtype

LINUX = sys.platform == "linux"


def unsupported(case: Case) -> str | None:
    """Return why the case cannot be run here, or `None`."""
    return (
        _missing_device(torch.device(case.device))
        or _missing_library(case)
        or _missing_dtype(case)
        or _not_of_heads(case)
        or _missing_compiler(case)
        or (runtimes.cannot_run(case) if case.runtime != TORCH else None)
    )


def _missing_device(device: torch.device) -> str | None:
    if device.type == "cpu":
        return None
    present = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if present is None or present.type != device.type:
        return f"no {device.type} device on this machine"
    count = torch.accelerator.device_count()
    if (device.index or 0) >= count:
        return f"no device {device}: this machine has {count} of that kind"
    return None


def _missing_library(case: Case) -> str | None:
    if case.scope == "heads" and importlib.util.find_spec("torchvision") is None:
        return "scope heads needs torchvision's roi_align: pip install 'panet-bench[backbones]'"
    if case.scope != "own" and case.backbone != "cnn" and importlib.util.find_spec("timm") is None:
        return f"backbone {case.backbone} needs timm: pip install 'panet-bench[backbones]'"
    return None


def _missing_dtype(case: Case) -> str | None:
    device = torch.device(case.device)
    if case.dtype == "tf32" and device.type != "cuda":
        return "tf32 is a precision of NVIDIA's tensor cores; this device has none"
    if case.dtype == "tf32" and torch.cuda.get_device_capability(device) < (8, 0):
        return "tf32 needs an NVIDIA GPU of compute capability 8.0 or newer"
    try:
        weight = torch.ones(1, 1, 1, 1, dtype=torch_dtype(case.dtype), device=device)
        torch.nn.functional.conv2d(weight, weight)
    except (RuntimeError, TypeError) as error:
        return f"{case.dtype} convolutions do not run on {case.device}: {_first_line(error)}"
    return None


def _not_of_heads(case: Case) -> str | None:
    if case.scope == "heads" and case.runtime != TORCH:
        return "scope heads runs in torch alone: by FPN's rule shapes depend on the data"
    if case.scope == "heads" and case.dtype in ("float16", "bfloat16"):
        return (
            f"roi_align wants boxes in the dtype of the maps, and {case.dtype} rounds them by "
            f"pixels: take amp-{case.dtype}, which samples in float32"
        )
    return None


def _missing_compiler(case: Case) -> str | None:
    if case.compile_mode == "off" and case.runtime != "aotinductor":
        return None
    if case.compile_mode == FROZEN and case.pass_name != "inference":
        return "--compile frozen makes constants of the weights: it does not train"
    kind = torch.device(case.device).type
    # What inductor calls on the CPU (torch/_inductor/config.py, cpp.cxx), and triton on a GPU.
    compilers = {
        "cpu": [os.environ.get("CXX", ""), "g++", *([] if LINUX else ["clang++", "cl"])],
        "cuda": [os.environ.get("CC", ""), "gcc", "clang"],
    }.get(kind)
    if compilers and not any(shutil.which(name) for name in compilers if name):
        return "torch.compile needs a C++ compiler: install g++ (Debian: g++), or set CXX"
    if compilers and not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "torch.compile needs Python's headers: install them (Debian: python3-dev)"
    if kind in ("cuda", "xpu") and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton on this device: pip install triton"
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
