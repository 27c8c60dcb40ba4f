"""Eight cases as a user would time them with the usual tools; for `bench.lab.other_tools` alone.

``pytest bench/lab/other_tools_cells.py --noconftest`` times them with pytest-benchmark, ``python -m
bench.lab.other_tools_cells torch FILE`` with `torch.utils.benchmark`, ``python -m
bench.lab.other_tools_cells pyperf ...`` with pyperf. All with what these tools do by default: one
benchmark after the other, the system's allocator, no fork server.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.schema.case import Case
from bench.schema.recipe import Recipe
from bench.schema.tasks import CheckTask
from bench.workload import axes, presets
from bench.workload.arms import build_arms
from bench.workload.inputs import make_inputs
from bench.workload.networks import Outputs

SCRATCH = "PANET_BENCH_SCRATCH"
"""The environment variable that names the folder with the inputs."""

CELLS = "PANET_BENCH_CELLS"
"""The environment variable with other axes for the cases, as JSON: tests want tiny ones."""

NECKS = ("fpn", "panet")

Call = Callable[[], Outputs]


def cells() -> tuple[Case, ...]:
    """Return the eight cases, on the CPU with as many threads as there are cores."""
    return axes.sweep(presets.PRESETS["cells"], json.loads(os.environ.get(CELLS, "{}")))


def names() -> Iterator[tuple[str, Case, str]]:
    """Yield the name, case and network of every benchmark."""
    for case in cells():
        for neck in NECKS:
            yield f"{case.case_id}-{neck}", case, neck


@cache
def build(case: Case, neck: str) -> Call:
    """Return the call that is timed."""
    torch.set_num_threads(case.threads)
    task = CheckTask(case=case, seed=0, scratch_dir=os.environ[SCRATCH], arms={neck: Recipe(neck)})
    return build_arms(task, make_inputs(task)[0], compiled=False)[neck].call


@pytest.mark.parametrize(("case", "neck"), [pytest.param(c, n, id=i) for i, c, n in names()])
def test_neck(benchmark: Any, case: Case, neck: str) -> None:  # noqa: ANN401 - pytest-benchmark ships no types
    """Time a neck with pytest-benchmark."""
    benchmark(build(case, neck))


def time_with_torch(path: Path) -> None:
    """Time all necks with `torch.utils.benchmark` and write the mean seconds of each."""
    from torch.utils.benchmark import Timer

    seconds = {}
    for name, case, neck in names():
        timer = Timer("call()", globals={"call": build(case, neck)}, num_threads=case.threads)
        seconds[name] = timer.blocked_autorange(min_run_time=1).mean
    path.write_text(json.dumps(seconds))


def time_with_pyperf() -> None:
    """Time all necks with pyperf, whose options are in `sys.argv`."""
    import pyperf

    # A worker knows its benchmark by number: it need not build the others.
    runner = pyperf.Runner(program_args=["-m", "bench.lab.other_tools_cells", "pyperf"])
    runner.parse_args(sys.argv[2:])
    for name, case, neck in names():
        runner.bench_func(name, lambda case=case, neck=neck: build(case, neck)())


if __name__ == "__main__":
    if sys.argv[1] == "torch":
        time_with_torch(Path(sys.argv[2]))
    else:
        time_with_pyperf()
