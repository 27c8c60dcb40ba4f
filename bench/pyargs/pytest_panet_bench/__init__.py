"""What every run of pytest gets from an installed harness: the fixture `cost`, ``--pyargs bench``.

It is loaded into every run, so it has a name of its own and imports nothing of ours before that is
used: a user's own package ``bench`` stays his.
"""

import importlib
import importlib.util
import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Let the harness be called by its name: ``pytest --pyargs bench --preset smoke``.

    pytest looks for the options of a conftest only below paths. Where a package is named, this hook
    names its folder as well, before the options are parsed.
    """
    known = early_config.known_args_namespace
    if known.pyargs and "bench" in known.file_or_dir:
        spec = importlib.util.find_spec("bench")
        known.file_or_dir.extend(spec.submodule_search_locations or () if spec else ())


class Clock:
    """The clock of pytest-benchmark in a test that uses `cost`: a real one, but in a replay."""

    def __init__(self) -> None:
        self.source: Callable[[], float] = time.perf_counter

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.source()


@pytest.fixture
def _cost_clock(request: pytest.FixtureRequest) -> Clock:
    """Return the clock that `benchmark` gets, which is made after this."""
    clock = Clock()
    given = request.node.get_closest_marker("benchmark")
    settings = {"timer": clock, **(given.kwargs if given else {})}
    request.node.add_marker(pytest.mark.benchmark(**settings), append=False)
    return clock


@pytest.fixture
def cost(
    _cost_clock: Clock,
    benchmark: Any,  # noqa: ANN401 - of pytest-benchmark
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:  # noqa: ANN401 - of `bench.run.own.fixture`, which is not imported before it is used
    """Measure what a part costs inside a network: `bench.cost`, with the same arguments.

    Where the machine was busy with something else the test is skipped, and never passes. It counts
    as a benchmark: the call is in pytest-benchmark's table, and all numbers are in its JSON.
    """
    his = "benchmark" in inspect.signature(request.function).parameters
    made = _ours("bench.run.own.fixture").CostFixture
    return made(benchmark, None if his else _cost_clock, tmp_path_factory.mktemp("cost"))


def _ours(name: str) -> Any:  # noqa: ANN401 - a module
    bench = importlib.import_module("bench")
    if "cost" not in getattr(bench, "__all__", ()):
        pytest.fail(
            f"cost: the package bench is {bench.__file__}, and hides panet-bench's", pytrace=False
        )
    return importlib.import_module(name)
