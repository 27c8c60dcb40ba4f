"""What makes two runs comparable: machine, versions, settings. Nothing instantaneous."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.machine.allocator import KEEPS_PAGES

LIBRARIES = ("torch", "numpy", "scipy", "timm", "torchvision", "triton", "pytest-benchmark")

ROOT = Path(__file__).resolve().parents[2]

MEASURED_CODE = ("panet", "bench")
"""The packages whose code decides what is measured and how."""


def usable_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use: affinity and the cgroup's quota respected.

    torch counts the host's cores instead (48 times slower was seen under a quota).
    """
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(allowed, *(int(limit) for limit in [allowed, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU quotas of this process's control groups and those above, in cores.

    Version 2 has ``cpu.max``, version 1 two files (kernel, cgroup-v2.rst and sched-bwc.rst).
    """
    for line in (_read(root / "proc/self/cgroup") or "0::/").splitlines():
        _, controllers, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup" / ("cpu" if "cpu" in controllers.split(",") else "")
        if controllers and "cpu" not in controllers.split(","):
            continue
        own = mount / path.lstrip("/")
        for group in [own, *own.parents][: len(Path(path).parts)]:
            quota, period = (_read(group / "cpu.max") or "max 1").split()
            if quota != "max":
                yield int(quota) / int(period)
            quota_us = int(_read(group / "cpu.cfs_quota_us") or -1)
            if quota_us > 0:
                yield quota_us / int(_read(group / "cpu.cfs_period_us") or quota_us)


def describe() -> dict[str, Any]:
    """Return the environment of this installation as plain values."""
    import torch

    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "affinity": _affinity(),
        "cpu_flags": cpu_flags(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": governor(),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "allocator": _allocator(),
    }


def governor() -> str | None:
    """Return what decides the clock of the first core; `None` where the system does not say."""
    return _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))


def digest(root: Path, *names: str) -> str:
    """Return a digest of all Python code of packages or modules, at every depth.

    Args:
        root: the folder that they are in.
        names: theirs.
    """
    code = hashlib.sha256()
    for name in names:
        package = root / name
        files = sorted(package.rglob("*.py")) if package.is_dir() else [root / f"{name}.py"]
        for path in filter(Path.is_file, files):
            code.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes())
    return code.hexdigest()[:16]


def code_digest(root: Path = ROOT) -> str:
    """Return a digest of the code that decides what is measured, whatever git says of it."""
    return digest(root, *MEASURED_CODE)


def git_commit(root: Path = ROOT, *within: str) -> str | None:
    """Return the commit of a checkout, with ``+changes`` if the tree is not clean.

    Args:
        root: a folder of it.
        within: names in that folder; nothing else is looked at, and git must know them.

    Returns:
        `None` where there is no git, no checkout, or nothing of these names in it.
    """
    try:
        if within and not _git(root, "ls-files", "--", *within):
            return None
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain", "--", *within) else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - fixed words


def _allocator() -> str:
    """Return what hands out memory in the workers, as far as the environment decides it."""
    preloaded = os.environ.get("LD_PRELOAD")
    if preloaded:
        return f"LD_PRELOAD={preloaded}"
    if platform.libc_ver()[0] != "glibc":
        return f"the system's ({sys.platform}); its settings are not known to this tool"
    settings = " ".join(f"{name}={value}" for name, value in KEEPS_PAGES.items())
    return f"{'-'.join(platform.libc_ver())} {settings}"


def _accelerator() -> str | None:
    import torch

    if not torch.accelerator.is_available():
        return None
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return f"{', '.join(names)}; CUDA {torch.version.cuda}, cuDNN {cudnn}"
    return str(torch.accelerator.current_accelerator())


def _cpu_model() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def cpu_flags() -> str | None:
    """Return what the processor can, as Linux says it of x86; `None` elsewhere."""
    return _cpu_info("flags")


def _cpu_info(name: str) -> str | None:
    """Return a field of the first core in /proc/cpuinfo."""
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return None


def _affinity() -> list[int] | None:
    allowed = getattr(os, "sched_getaffinity", None)
    return sorted(allowed(0)) if allowed else None


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
