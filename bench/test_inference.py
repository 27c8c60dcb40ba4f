"""``eval()`` under `torch.inference_mode`: one test per case and arm."""

from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.replay import replay_arm
from bench.run.session import Session


def test_inference(
    benchmark: BenchmarkFixture, bench_session: Session, case_id: str, arm: str
) -> None:
    """Show the latency of one arm; fails where the arms do not do the same work, or cannot run."""
    replay_arm(benchmark, bench_session.results.get(case_id), arm)
