"""What makes two runs comparable: machine, versions, settings. Nothing instantaneous."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = ("torch", "numpy", "scipy", "timm", "torchvision", "triton", "pytest-benchmark")

ROOT = Path(__file__).resolve().parent.parent

MEASURED_CODE = ("panet", "bench")
"""The packages whose code decides what is measured and how."""


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores that this process may use: affinity and the cgroup's quota respected.

    torch counts the host's cores instead (48 times slower was seen under a quota).
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return allowed or 1
    limit = allowed or 1 if quota == "max" else int(quota) / int(period)
    return max(1, min(allowed or 1, int(limit)))


def describe() -> dict[str, Any]:
    """Return the environment of this installation as plain values."""
    import torch

    from bench.launcher import ALLOCATOR

    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "allocator": f"{' '.join(platform.libc_ver())} {ALLOCATOR}".strip(),
    }


def code_digest(root: Path = ROOT) -> str:
    """Return a digest of the code that decides what is measured, whatever git says of it."""
    digest = hashlib.sha256()
    for package in MEASURED_CODE:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def git_commit(root: Path = ROOT) -> str | None:
    """Return the commit of this checkout, with ``+changes`` if the tree is not clean."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - fixed words


def _accelerator() -> str | None:
    import torch

    if not torch.accelerator.is_available():
        return None
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return str(torch.accelerator.current_accelerator())


def _cpu_model() -> str:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
