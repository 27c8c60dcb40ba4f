"""What makes two runs comparable."""

import os
from pathlib import Path

import pytest

from bench.machine import environment
from bench.run.header import MUST_MATCH
from bench.schema import records, run_folders
from bench.schema.errors import BenchError
from tests.support.repositories import commit, new_repository


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "250000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/job\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
    ],
)
def test_cores_respect_affinity_and_quota(
    files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert environment.usable_cores(tmp_path) == cores


@pytest.mark.process
def test_commit_is_of_what_git_knows_and_says_where_that_was_edited(tmp_path: Path) -> None:
    assert environment.git_commit(tmp_path) is None
    repository = new_repository(tmp_path / "repository")
    made = commit(repository, {"mynet/__init__.py": "", "other.py": ""}, "first")
    mine = (repository, "mynet", "mynet.py")
    (repository / "other.py").write_text("edited = True")
    assert environment.git_commit(repository) == f"{made}+changes"
    assert environment.git_commit(*mine) == made
    (repository / "mynet" / "neck.py").touch()
    assert environment.git_commit(*mine) == f"{made}+changes"
    assert environment.git_commit(repository, "site", "site.py") is None


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


def test_digest_changes_with_a_file_of_a_folder_below(tmp_path: Path) -> None:
    room = tmp_path / "bench" / "room"
    room.mkdir(parents=True)
    before = environment.code_digest(tmp_path)
    (room / "a.py").write_text("x = 1\n")
    added = environment.code_digest(tmp_path)
    (room / "a.py").rename(tmp_path / "bench" / "a.py")
    assert len({before, added, environment.code_digest(tmp_path)}) == 3


def test_digest_has_files_whose_names_are_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    before = environment.code_digest(tmp_path)
    (tmp_path / "bench" / os.fsdecode(b"\xe9.py")).write_text("x = 1\n")
    assert environment.code_digest(tmp_path) != before


def test_resume_is_refused_naming_what_differs() -> None:
    header = dict.fromkeys(MUST_MATCH, "same") | {"commit": "a"}
    run_folders.refuse_other("run", header, header | {"commit": "b"}, MUST_MATCH)
    with pytest.raises(BenchError, match="the environment and the axes differ"):
        run_folders.refuse_other(
            "run", header, header | {"environment": "x", "cases": "y"}, MUST_MATCH
        )
    before = header | {"environment": {"cpu": 1, "os": 2}}
    now = header | {"environment": {"cpu": 3, "os": 2, "torch": 4}}
    with pytest.raises(BenchError, match=r"the environment \(cpu, torch\) differ"):
        run_folders.refuse_other("run", before, now, MUST_MATCH)


def test_folder_of_a_kind_is_new_or_that_of_an_earlier_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no such selftest in .*; there is: none"):
        run_folders.new_or_known(tmp_path, "selftest", "latest")
    first = run_folders.new_or_known(tmp_path, "selftest", None)
    run_folders.make(tmp_path, "compare")
    assert run_folders.new_or_known(tmp_path, "selftest", "latest") == first
    assert run_folders.new_or_known(tmp_path, "selftest", first.name) == first
    with pytest.raises(BenchError, match=f"--resume x: no such selftest .*{first.name}"):
        run_folders.find(tmp_path, "selftest", "x")


def test_runs_are_found_by_their_name_and_latest(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is none yet"):
        run_folders.find_run_dir(tmp_path, "latest")
    run_dir = run_folders.new_run_dir(tmp_path)
    run_dir.mkdir()
    (run_dir / "journal.jsonl").write_text("")
    run_folders.point_latest_at(run_dir)
    assert run_folders.find_run_dir(tmp_path, "latest") == run_dir
    with pytest.raises(BenchError, match=f"runs here: .*{run_dir.name}"):
        run_folders.find_run_dir(tmp_path, "other")


def test_two_runs_are_comparable_where_what_must_match_does() -> None:
    here = environment.describe()
    assert set(records.MUST_MATCH) <= set(here)
    assert records.differences(here, here | {"system": "another kernel"}) == []
    assert records.differences(here, here | {"cpu": "x", "cores": 99}) == ["cpu", "cores"]


def test_field_that_an_older_file_does_not_have_is_not_judged() -> None:
    here = environment.describe()
    older = {name: value for name, value in here.items() if name != "affinity"}
    assert records.differences(older, here) == []
