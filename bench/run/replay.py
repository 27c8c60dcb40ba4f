"""Replays measured rounds into pytest-benchmark, round by round.

Its tables, storage, JSON, compare and histogram then show what the engine measured.

It reads its timer before and after every call. The timer here is a clock that stands at zero when
a round begins and that the call advances by the recorded duration: the difference is that duration
to the last bit.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.results_json import extra_info, rounds_s
from bench.schema.records import MEASURED, NOT_POSSIBLE, CaseResult, Status


class ReplayClock:
    """A clock that only the replay moves."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        """Return the time of this clock in seconds."""
        return self._now_s

    def reset(self) -> None:
        """Begin a round."""
        self._now_s = 0.0

    def advance(self, duration_s: float) -> None:
        """Let a recorded duration pass."""
        self._now_s += duration_s


REPLAY_CLOCK = ReplayClock()
"""Given to pytest-benchmark as its timer."""


def replay(benchmark: BenchmarkFixture, durations_s: Sequence[float], info: dict[str, Any]) -> None:
    """Give ``benchmark`` the rounds as if it had timed them."""
    remaining = iter(durations_s)
    benchmark.extra_info.update(info)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: REPLAY_CLOCK.advance(next(remaining)),
        setup=REPLAY_CLOCK.reset,
        rounds=len(durations_s),
        iterations=1,
    )


def replay_arm(benchmark: BenchmarkFixture, result: CaseResult | None, arm: str) -> None:
    """Replay one arm of a measured case; skip or fail, with the reason, where there is nothing.

    Without a result (``--benchmark-disable``) nothing was measured and nothing is claimed.
    """
    if result is None:
        benchmark.pedantic(lambda: None)  # type: ignore[no-untyped-call]
        return
    if result.status in NOT_POSSIBLE or (result.status in MEASURED and not result.used):
        pytest.skip(f"{result.status}: {result.reason}")
    if result.status not in MEASURED:
        pytest.fail(f"{result.status}: {result.reason}", pytrace=False)
    if result.status is not Status.OK:
        benchmark.name += f" ({result.status})"  # seen in every table of pytest-benchmark
    if not any(replicate.round_count for replicate in result.used):
        benchmark.name += " (disturbed)"
    replay(benchmark, rounds_s(result, arm), extra_info(result, arm))
