"""The fixture ``cost``: a measurement inside a test, and its place in pytest-benchmark's files.

``pytest_panet_bench`` registers it, in every test of whoever has installed us.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.own.api import cost
from bench.run.own.cost import Cost
from bench.run.own.document import document
from bench.run.own.result import CaseAnswer
from bench.run.replay import REPLAY_CLOCK, replay
from bench.run.results_json import rounds_s
from bench.schema.errors import BenchError
from bench.schema.files import IN_EXTRA_INFO
from bench.schema.records import MEASURED, NOT_POSSIBLE

DISABLED = "benchmarks are disabled (--benchmark-disable, or workers of xdist): nothing is measured"


class Clock(Protocol):
    """Of ``pytest_panet_bench``."""

    source: Callable[[], float]


class CostFixture:
    """Measures as `bench.cost` does, and lets no test pass that has no answer.

    Args:
        benchmark: sees the first call in a test.
        clock: that it reads; `None` where the test has another use for it.
        folder: where runs are kept, if the test does not say.
    """

    def __init__(self, benchmark: BenchmarkFixture, clock: Clock | None, folder: Path) -> None:
        self._benchmark = benchmark
        self._clock = clock
        self._folder = folder

    def __call__(self, *arguments: Any, **options: Any) -> Cost:  # noqa: ANN401 - of `bench.cost`
        """Return the `Cost`; skip the test where nothing sure was measured, fail where it fails."""
        if self._benchmark.disabled:
            pytest.skip(DISABLED)
        wrong = ""
        try:
            found = cost(*arguments, **{"run_dir": self._folder, **options})
        except BenchError as error:
            wrong = str(error)
        if wrong:  # behind the handler, or pytest would tell of both
            pytest.fail(f"cost: {wrong}", pytrace=False)
        for case in found.answer.cases:
            _require_answer(case)
        self._note(found)
        return found

    def _note(self, found: Cost) -> None:
        first = IN_EXTRA_INFO not in self._benchmark.extra_info
        self._benchmark.extra_info.setdefault(IN_EXTRA_INFO, []).append(document(found.answer))
        if first and self._clock is not None:
            base = found.answer.request.base
            durations_s = [s for case in found.answer.cases for s in rounds_s(case.result, base)]
            self._clock.source, real = REPLAY_CLOCK, self._clock.source
            replay(self._benchmark, durations_s, {})
            self._clock.source = real


def _require_answer(case: CaseAnswer) -> None:
    result = case.result
    if result.status not in MEASURED | NOT_POSSIBLE:
        pytest.fail(f"{result.status}: {result.reason}", pytrace=False)
    if not case.said:
        pytest.skip(f"{result.status}: {result.reason}")
