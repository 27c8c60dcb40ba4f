"""Real connections to nodes that only behave as if they measured; each is broken once."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.fleet import processes
from bench.machine.environment import ROOT
from tests.support.real_fleets import Breaker, counted, quick, sit_for_real

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_waiting")]

EVERY_CASE = dict.fromkeys(range(1, 7), 1)


def journals(folder: Path) -> list[list[str]]:
    return [path.read_text().splitlines() for path in folder.rglob("journal.jsonl")]


def test_killed_measurement_of_a_process_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in quick(tmp_path, 0.05).items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    breaker = Breaker()
    kept = sit_for_real(tmp_path / "fleet", processes.local(["a"], tmp_path), breaker, said)
    assert counted(kept) == EVERY_CASE
    assert breaker.killed
    assert [line.split(";")[0] for line in said] == ["a: killed by signal 9"]
    copied = journals(tmp_path / "fleet" / "shards")
    assert journals(tmp_path / "fleet" / "nodes") == copied
    assert len(set(copied[0])) == len(copied[0])


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A server on this machine alone, with keys of its own."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if server is None or os.geteuid() != 0:
        pytest.skip("needs sshd, and to be root, as it is in CI's container")
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(key, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = " ".join(f'"{name}={value}"' for name, value in quick(tmp_path).items())
    config = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "SetEnv": settings,
    }
    (tmp_path / "config").write_text("\n".join(f"{name} {what}" for name, what in config.items()))
    command = [server, "-D", "-e", "-f", str(tmp_path / "config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        more = ("-p", str(port), "-i", str(tmp_path / "user"), "-o", "IdentitiesOnly=yes")
        known = ("-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "StrictHostKeyChecking=no")
        yield SimpleNamespace(options=(*processes.SSH, *more, *known))
        process.terminate()


def test_ssh_to_this_machine(
    sshd: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SSH", sshd.options)
    hosts = [f"127.0.0.1:{ROOT}", f"127.0.0.1:{tmp_path / 'none'}"]
    said: list[str] = []
    kept = sit_for_real(tmp_path / "fleet", processes.ssh(hosts, tmp_path), said=said)
    assert counted(kept) == EVERY_CASE
    assert {node for _, node in kept.measured} == {hosts[0]}
    (line,) = said
    assert "none: No such file" in line or "can't cd to" in line
    assert line.endswith("it takes no part yet")


def test_jobs_of_submitit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="an extra: pip install 'panet-bench[slurm]'")
    from bench.fleet.slurm_jobs import Partitions

    for name, value in quick(tmp_path, 0.05).items():
        monkeypatch.setenv(name, value)
    made = Partitions({"p-1": "p", "p-2": "p"}, tmp_path / "jobs", cluster="local")
    breaker = Breaker()
    kept = sit_for_real(tmp_path / "fleet", made, breaker)
    assert counted(kept) == EVERY_CASE
    assert breaker.killed


def test_partitions_are_said_with_their_jobs(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="an extra: pip install 'panet-bench[slurm]'")
    from bench.fleet import slurm_jobs
    from bench.schema.errors import BenchError

    assert slurm_jobs.slurm(["gpu:2", "cpu"], tmp_path).nodes() == ("gpu-1", "gpu-2", "cpu-1")
    for wrong in ("gpu:none", "gpu:0", ":3"):
        with pytest.raises(BenchError, match="--hosts"):
            slurm_jobs.slurm([wrong], tmp_path)


@pytest.mark.filterwarnings("ignore")  # of Ray, whose own they are
def test_ray_loses_a_node_and_no_case(cluster: Any, tmp_path: Path) -> None:
    from bench.fleet import ray_tasks

    said: list[str] = []

    def heard() -> None:
        if cluster.measuring and list((tmp_path / "fleet").glob("shards/*/journal.jsonl")):
            cluster.remove_node(cluster.measuring.pop(0))
            cluster.measuring.clear()

    made = ray_tasks.cluster([cluster.address], tmp_path)
    assert len(made.nodes()) == 3
    kept = sit_for_real(tmp_path / "fleet", made, heard, said)
    assert counted(kept) == EVERY_CASE
    assert cluster.measuring == []


def test_measurement_sees_nothing_of_ray() -> None:
    pytest.importorskip("ray", reason="an extra: pip install 'panet-bench[ray]'")
    from bench.fleet.ray_tasks import clean

    there = {"RAY_RAYLET_PID": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HOME": "/"}
    assert clean(there) == {"HOME": "/"}
    assert clean({"CUDA_VISIBLE_DEVICES": "0"}) == {"CUDA_VISIBLE_DEVICES": "0"}
