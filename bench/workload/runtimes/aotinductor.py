"""AOTInductor: torch's compiler ahead of time, in a package that needs no Python to run."""

import os
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.schema.case import Case
from bench.workload.compiler_cache import use_compiler_cache
from bench.workload.runtimes.runtime import Loaded, Maps, Runtime, same_settings

CHECKS_INPUTS = "AOTI_RUNTIME_CHECK_INPUTS"
"""Of the environment; a package reads it at its first call (torch, cpp_wrapper_cpu.py)."""

CALL = re.compile(r"aoti_torch_cpu_(\w+)\(")
KERNEL = re.compile(r'extern "C"\s+void\s+(cpp_fused_\w+)\(')
THREADS = re.compile(r"#pragma omp parallel num_threads\((\d+)\)")
"""Compiled in unless all cores of the machine were to be used (torch, codegen/cpp.py)."""


def _build(network: nn.Module, maps: Maps, file: Path) -> None:
    use_compiler_cache(file.parent / "inductor")  # an empty one: building is timed
    with torch.no_grad():
        write_package(torch.export.export(network, tuple(maps)), file)


def write_package(program: torch.export.ExportedProgram, file: Path) -> None:
    """Compile an exported network, with its weights as constants that are packed now."""
    with torch._inductor.config.patch(freezing=True):
        torch._inductor.aoti_compile_and_package(program, package_path=str(file))


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    read_back = {"version": torch.__version__, "threads": _threads(_sources(file))}
    same_settings("aotinductor", {"threads": str(case.threads)}, read_back)
    # Its `__call__` parses a description of the inputs in JSON every time.
    run = torch._inductor.aoti_load_package(str(file)).loader.boxed_run

    def call() -> tuple[Tensor, ...]:
        return tuple(run(list(maps)))

    return Loaded(torch.inference_mode()(call), read_back)


def _sources(file: Path) -> str:
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(".cpp")]
        return "\n".join(archive.read(name).decode() for name in names)


def _threads(sources: str) -> str:
    """Return how many threads were compiled in; those of torch where none were."""
    baked = {found for found in THREADS.findall(sources) if found}
    return ", ".join(sorted(baked)) or str(torch.get_num_threads())


def _executed(file: Path, maps: Maps, _case: Case) -> Mapping[str, int]:
    """Count the operators that its source calls, and the kernels that it has written itself."""
    # Wrong strides would give wrong maps: it looks at its inputs only when it is told to.
    os.environ[CHECKS_INPUTS] = "1"
    torch._inductor.aoti_load_package(str(file)).loader.boxed_run(list(maps))
    del os.environ[CHECKS_INPUTS]
    sources = _sources(file)
    kernels = len(set(KERNEL.findall(sources)))
    return Counter(CALL.findall(sources)) + Counter({"fused kernels": kernels})


AOTINDUCTOR = Runtime(
    packages=("torch",),
    file="network.pt2",
    dtypes=("float32", "bfloat16", "float16"),
    own_layout=False,
    build=_build,
    load=_load,
    executed=_executed,
)
