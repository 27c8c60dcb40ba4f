"""Settings of torch that hold for a whole process, whoever in it makes them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

SETTINGS: Mapping[str, Callable[[], Any]] = {
    "threads": torch.get_num_threads,
    "the default dtype": torch.get_default_dtype,
    "gradients": torch.is_grad_enabled,
    "deterministic algorithms": torch.are_deterministic_algorithms_enabled,
    "the precision of matrix products": torch.get_float32_matmul_precision,
    "cuDNN": lambda: torch.backends.cudnn.enabled,
    "cuDNN's benchmark": lambda: torch.backends.cudnn.benchmark,
    "cuDNN's TF32": lambda: torch.backends.cudnn.allow_tf32,
    "oneDNN": lambda: torch.backends.mkldnn.enabled,
    "denormal numbers": lambda: bool((torch.tensor(1e-39) * 1).item()),
}
"""What a package may set while it is imported, and how it is read."""


def read() -> dict[str, Any]:
    """Return all settings as they are now."""
    return {name: value() for name, value in SETTINGS.items()}


def changed(before: Mapping[str, Any]) -> str:
    """Return in words what is not as it was; empty if all is."""
    now = read()
    return ", ".join(f"{n} ({before[n]} -> {now[n]})" for n in before if before[n] != now[n])
