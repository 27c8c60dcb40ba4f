"""What is asked for, and how it reaches a node."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.fleet import executors, processes
from bench.fleet.asked import Asked
from bench.fleet.executors import EXECUTORS, check
from bench.run.request import parse_request
from bench.schema.errors import BenchError
from tests.support.fleets import VALUES


@pytest.mark.parametrize(
    ("name", "hosts", "sentence"),
    [
        ("sssh", None, "--executor 'sssh': did you mean ssh"),
        ("ssh", None, "--executor ssh: say where with --hosts, \\[user@]host"),
        ("ssh", " , ", "say where with --hosts"),
        (
            "ssh",
            "a,-oProxyCommand=x",
            "--hosts '-oProxyCommand=x': no name of a host; give \\[user",
        ),
    ],
)
def test_executor_that_cannot_be_is_refused(name: str, hosts: str | None, sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence):
        check(name, hosts)


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EXECUTORS["local"]
    monkeypatch.setitem(EXECUTORS, "ray", replace(entry, package="no_such", extra="x"))
    with pytest.raises(BenchError, match=r"ray needs no_such: pip install 'panet-bench\[x\]'"):
        check("ray", None)
    assert check("local", None) == ()


def test_hosts_are_a_list_and_each_is_there_once() -> None:
    assert check("ssh", "a, b:/x ,a,") == ("a", "b:/x")


def test_every_executor_has_its_module() -> None:
    for name, entry in EXECUTORS.items():
        assert importlib.util.find_spec(entry.made_by.partition(":")[0]) is not None, name


def test_ssh_stands_in_the_checkout_that_a_host_names(tmp_path: Path) -> None:
    made = processes.ssh(["me@a:/x y", "b"], tmp_path)
    assert made.nodes() == ("me@a:/x y", "b")
    named, here = made._commands["me@a:/x y"], made._commands["b"]
    assert named[-2] == "me@a"
    assert named[-1].startswith("cd '/x y' && { if [ -x .venv/bin/python ]")
    assert here[-1].startswith(f"cd {Path.cwd()} && ")
    at_home = processes.ssh(["a:~/pa net", "b:~me", "c:~/"], tmp_path)._commands
    starts = [command[-1].partition(" && ")[0] for command in at_home.values()]
    assert starts == ["cd ~/'pa net'", "cd ~me", "cd ~/"]


@pytest.mark.process
def test_command_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("ssh") is None
    made = executors.open_executor("ssh", ["a"], tmp_path)
    with pytest.raises(BenchError, match="ssh: No such file"):
        made.start("a", {"do": "probe"})


def test_shard_is_the_request_that_somebody_would_type() -> None:
    values = VALUES | {"preset": "smoke", "batch_sizes": "1,2", "only": "*", "half_width": "5%"}
    asked = Asked(values, traces=True, extra=("parts",), neck_names="bifpn")
    line = asked.command_line(["a-b", "c"], 12.5)
    assert line == [
        *("--batch-sizes=1,2", "--preset=smoke", "--half-width=5%", "--necks=bifpn"),
        *("--budget=12.500s", "--only=a-b,c", "--traces", "--parts"),
    ]
    again = Asked.from_json(asked.to_json())
    assert again.request().plan.cases == asked.request().plan.cases
    assert {extra.name for extra in asked.request().extra_arms} == {"parts", "necks"}


def test_only_takes_ids_and_patterns_and_refuses_what_is_none() -> None:
    values = VALUES | {"batch_sizes": "1,2,4", "devices": "cpu", "threads": "1"}
    every = [each.case_id for each in parse_request(values, None, traces=False).plan.cases]
    for only, chosen in ((every[1], every[1:2]), ("*-b1-*, *-b4-*", [every[0], every[2]])):
        request = parse_request(values | {"only": only}, None, traces=False)
        assert [each.case_id for each in request.plan.cases] == chosen
    with pytest.raises(BenchError, match=r"--only '.*-b8-.*': no case has such an id"):
        parse_request(values | {"only": f"{every[0]},*-b8-*"}, None, traces=False)
