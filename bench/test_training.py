"""``train()``, forward, sum of the outputs' means, backward: one test per case and arm."""

from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.replay import replay_arm
from bench.run.session import Session


def test_training(
    benchmark: BenchmarkFixture, bench_session: Session, case_id: str, arm: str
) -> None:
    """Show the time of one step; fails where the arms do not do the same work, or cannot run."""
    replay_arm(benchmark, bench_session.results.get(case_id), arm)
