"""A command on real nodes, which only behave as if they measured; something is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.fleet import processes
from bench.fleet.commands import COMMANDS
from bench.fleet.whole_commands import WholeCommand
from bench.machine.environment import ROOT
from bench.schema import files, json_lines
from tests.support import quick_command
from tests.support.command_fleets import compared
from tests.support.own_files import own_document
from tests.support.real_fleets import Breaker, quick, ray_nodes, sit_for_real

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_waiting")]

SELFTEST = {
    "setups": {"none-t2": {"gates": [{"false_alarms": {"count": 0, "total": 12, "high": 0.24}}]}}
}

ANSWERS = {
    "cost": own_document(),
    "compare": compared("regressed") | {"exits": 1},
    "selftest": SELFTEST,
}


@pytest.fixture(autouse=True)
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes have a command that knows its answer."""
    for name, document in ANSWERS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    for name, value in (quick(tmp_path, 0.05) | {"QUICK_ANSWERS": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("bench.fleet.driver.POLL_S", 0.05)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command take seconds, as a node tells its lines once a second."""
    monkeypatch.setenv("QUICK_SHARDS", "0.2")


def numbers(folder: Path, name: str) -> list[list[int]]:
    """Return what is in the files of a command that grow."""
    paths = [folder / grows for grows in quick_command.GROWS[name]]
    return [[line["line"] for line in json_lines.read(path)] for path in paths]


def whole(name: str) -> list[list[int]]:
    return [list(range(quick_command.LINES)) for _ in quick_command.GROWS[name]]


def test_a_command_is_run_by_one_of_two_equal_nodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["cost", "torchvision.models:resnet18", "--part", "layer1", "--run-dir", str(tmp_path)]
    assert main([*typed, "--executor", "local", "--hosts=a,b"]) == 0
    (folder,) = tmp_path.glob(f"cost-fleet-*/*/{files.COST}")
    assert numbers(folder.parent, "cost") == whole("cost")
    kind, fleet = folder.parent.name, folder.parent.parent
    said = capsys.readouterr().out
    (node,) = (path.name for path in (fleet / "nodes").iterdir())
    assert node in {"a", "b"}
    assert said == f"{kind}: {node}, exit code 0\n\nthe answer\nwrote {folder}\n\n"
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "--help"])
    assert main([*typed, "--executor=local", "--resume", fleet.name]) == 0
    assert capsys.readouterr().out.endswith(said)
    # What is gone on with by hand is what was measured by hand.
    assert main([*typed, "--resume"]) == 2
    assert "no such cost in" in capsys.readouterr().err


@pytest.mark.usefixtures("slow")
def test_killed_driver_goes_on_with_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["compare", "HEAD", "HEAD", f"--run-dir={tmp_path}", "--executor=local", "--budget=9m"]
    with subprocess.Popen([sys.executable, "-m", "bench", *typed], cwd=ROOT) as driver:
        while not [*tmp_path.glob(f"compare-fleet-*/shards/*/journal/{files.JOURNAL}")]:
            assert driver.poll() is None
            threading.Event().wait(0.02)
        driver.send_signal(signal.SIGKILL)
    assert main([*typed, "--resume"]) == 1
    (folder,) = tmp_path.glob(f"compare-fleet-*/*/{files.COMPARE}")
    assert numbers(folder.parent, "compare") == whole("compare")
    (there,) = tmp_path.glob("compare-fleet-*/nodes/local/*/*/compare-*/")
    assert numbers(there, "compare") == whole("compare")
    assert ": local, exit code 1\n\nthe answer\n" in capsys.readouterr().out
    other = [word for word in typed if word != "--budget=9m"]
    assert main([*other, "--resume"]) == 2
    assert "the options (words) differ from those of that run" in capsys.readouterr().err


def selftest(folder: Path, executor: Any, killed: str = "quick_command") -> list[str]:
    """Let nodes run a self-test of which the first try is killed; return what was said.

    Args:
        folder: of the fleet.
        executor: reaches the nodes.
        killed: a part of the command line of the process that is.
    """
    said: list[str] = []
    breaker = Breaker(killed)

    def heard() -> None:
        if [*folder.glob("shards/*/trial-0/*")]:
            breaker()

    kept = sit_for_real(folder, executor, heard, said, WholeCommand("selftest", ("--quick",)))
    assert breaker.killed
    ((answer,),) = kept.parts.values()
    assert answer.code == 0
    assert numbers(answer.folder, "selftest") == whole("selftest")
    return said


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("killed", "told"),
    [
        ("quick_command", "a: killed by signal 9; its last words: nothing; the command goes on"),
        ("bench.fleet", "a: exit -9; the command goes on there in 0 s"),
    ],
)
def test_killed_command_or_node_goes_on(killed: str, told: str, tmp_path: Path) -> None:
    said = selftest(tmp_path / "fleet", processes.local(["a"], tmp_path), killed)
    assert said[0].startswith(told)
    # Behind a node that is gone the command may still be about to stop: that is no attempt.
    assert all("is still going on" in line for line in said[1:])
    assert COMMANDS["selftest"].always == ("--in-all",)


@pytest.mark.usefixtures("slow")
def test_killed_command_of_submitit_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="an extra: pip install 'panet-bench[slurm]'")
    from bench.fleet.slurm_jobs import Partitions

    selftest(tmp_path / "fleet", Partitions({"p-1": "p"}, tmp_path / "jobs", cluster="local"))


@pytest.mark.usefixtures("slow")
@pytest.mark.filterwarnings("ignore")  # of Ray, whose own they are
def test_command_of_a_node_of_ray_that_is_lost_is_begun_anew(tmp_path: Path) -> None:
    with ray_nodes(2) as cluster:
        from bench.fleet import ray_tasks

        def heard() -> None:
            if cluster.measuring and [*(tmp_path / "fleet").glob("shards/*/trial-0/*")]:
                (used,) = (tmp_path / "fleet" / "nodes").iterdir()
                lost = [n for n in cluster.measuring if n.node_id[:8] in used.name]
                cluster.remove_node(lost[0])
                cluster.measuring.clear()

        made = ray_tasks.cluster([cluster.address], tmp_path)
        work = WholeCommand("selftest", ("--quick",))
        kept = sit_for_real(tmp_path / "fleet", made, heard, work=work)
    ((answer,),) = kept.parts.values()
    assert answer.code == 0
    assert numbers(answer.folder, "selftest") == whole("selftest")
    assert cluster.measuring == []
    assert len({node for _, node in kept.measured} | kept.failures.keys()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cost", "m:f", "--part=x", "--hosts=a"], "--hosts: say how they are reached with --exec"),
        (["cost", "m:f", "--part=x", "--executor=locl"], "--executor 'locl': did you mean local?"),
        (["cost", "m:f", "--part=x", "--half-width=z", "--executor=local"], "--half-width 'z'"),
        (["compare", "a", "b", "--junit=x.xml", "--executor=local"], "--junit: measure each machi"),
        (["selftest", "--trials=none", "--executor=local"], "--trials 'none'"),
        (["selftest", "--executor=local", "--resume=x"], "--resume x: no such selftest-fleet in"),
        (["bisect", "a", "b", "--executor=local"], "unrecognized arguments: --executor=local"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, f"--run-dir={tmp_path / 'runs'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not os.path.lexists(tmp_path / "runs")
