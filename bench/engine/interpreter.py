"""The Python that a worker server runs with: this one, or that of another environment.

Another environment has torch and its libraries of its own, and none of ours. It gets a folder that
holds the measured code alone: installed, that lies beside everything else of this environment.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from bench.machine.allocator import KEEPS_PAGES
from bench.machine.environment import MEASURED_CODE, ROOT, describe
from bench.schema.errors import BenchError


def variables(
    python: str, scratch_dir: Path, *, allocator: bool = True, compilers: int = 1
) -> dict[str, str]:
    """Return the environment variables of a process that measures, or says what it measures with.

    Args:
        python: its interpreter.
        scratch_dir: where another environment finds the measured code.
        allocator: whether malloc is to keep its pages.
        compilers: processes in which `torch.compile` compiles; one is the worker itself, since a
            pool would go on beside the rounds.
    """
    compiler = {"TORCHINDUCTOR_COMPILE_THREADS": str(compilers)}
    found = os.environ | (KEEPS_PAGES if allocator else {}) | compiler
    if python != sys.executable:
        found["PYTHONPATH"] = str(_hand_over(scratch_dir / "measured-code"))
    elif Path(sysconfig.get_path("purelib")).resolve() != ROOT:  # a checkout, perhaps not installed
        paths = (str(ROOT), os.environ.get("PYTHONPATH"))
        found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return found


def _hand_over(folder: Path) -> Path:
    """Return the folder, with the measured code in it and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MEASURED_CODE:
        if not (folder / name).exists():
            try:
                (folder / name).symlink_to(ROOT / name, target_is_directory=True)
            except (OSError, NotImplementedError):  # a system without links, or without the right
                _copy(ROOT / name, folder / name)
    return folder


def _copy(package: Path, to: Path) -> None:
    """Copy a package in one step, as a killed run may come back to the folder."""
    half = to.with_name(f".{to.name}-{os.getpid()}")
    shutil.copytree(package, half, ignore=shutil.ignore_patterns("__pycache__"))
    with contextlib.suppress(OSError):  # another process of the run was faster
        half.replace(to)


@functools.cache
def environment_of(python: str) -> dict[str, Any]:
    """Return the environment of an interpreter, asked as it is measured with.

    Raises:
        BenchError: it does not run, or lacks what a worker needs.
    """
    if python == sys.executable:
        return describe()
    code = (
        "import json, skimage.data, bench.engine.worker\n"
        "from bench.machine.environment import describe\n"
        "print(json.dumps(describe()))"
    )
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own interpreter
                [python, "-P", "-c", code],
                env=variables(python, Path(scratch)),
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise BenchError(f"{python}: {error.strerror}; name an interpreter") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise BenchError(
            f"{python}: {reason}; it needs torch, numpy, psutil, pillow and scikit-image"
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
