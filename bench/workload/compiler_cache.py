"""Where the compiler keeps what it made, and where the files are that runtimes read."""

import os
from pathlib import Path
from typing import Any

from bench.schema.tasks import Task


class CompileError(Exception):
    """The compiler, or a runtime, failed on what runs eagerly."""


def compiler_cache(task: Task[Any], arm: str) -> Path:
    """Return the folder of what is compiled or exported: private to run, case and network."""
    return Path(task.scratch_dir) / "compiled" / task.case.case_id / str(task.arms.get(arm, arm))


def use_compiler_cache(folder: Path) -> None:
    """Point the compiler's disk caches to a folder."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
