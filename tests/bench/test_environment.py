"""What makes two runs comparable."""

from pathlib import Path

import pytest

from bench import environment, runs
from bench.errors import BenchError


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 4), ("150000 100000", 1), ("250000 100000", 2), (None, 4)]
)
def test_cores_respect_affinity_and_quota(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    assert environment.usable_cores(tmp_path) == cores


def test_environment_holds_nothing_instantaneous() -> None:
    assert environment.describe() == environment.describe()
    assert environment.describe()["libraries"]["torch"]


def test_digest_changes_with_the_measured_code_alone(tmp_path: Path) -> None:
    for package in ("panet", "bench", "reports"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1\n")
    before = environment.code_digest(tmp_path)
    (tmp_path / "reports" / "a.py").write_text("x = 2\n")
    assert environment.code_digest(tmp_path) == before
    (tmp_path / "panet" / "a.py").write_text("x = 2\n")
    assert environment.code_digest(tmp_path) != before


def test_resume_is_refused_naming_what_differs() -> None:
    header = dict.fromkeys(runs.MUST_MATCH, "same") | {"commit": "a"}
    runs.refuse_other("run", header, header | {"commit": "b"})
    with pytest.raises(BenchError, match="the environment and the axes differ"):
        runs.refuse_other("run", header, header | {"environment": "x", "cases": "y"})


def test_runs_are_found_by_their_name_and_latest(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is none yet"):
        runs.find_run_dir(tmp_path, "latest")
    run_dir = runs.new_run_dir(tmp_path)
    run_dir.mkdir()
    (run_dir / "journal.jsonl").write_text("")
    runs.point_latest_at(run_dir)
    assert runs.find_run_dir(tmp_path, "latest") == run_dir
    with pytest.raises(BenchError, match=f"runs here: .*{run_dir.name}"):
        runs.find_run_dir(tmp_path, "other")
