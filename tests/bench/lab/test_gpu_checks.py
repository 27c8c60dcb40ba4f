"""Every command of the list is one that there is."""

import argparse
from pathlib import Path

import pytest

from bench import __main__ as commands
from bench import conftest
from bench.lab.gpu_checks import CARD, REHEARSAL, checks
from bench.run import request as requests
from bench.workload import axes, presets
from reports import command as reports_commands

COMMANDS = [
    (each, command)
    for target in (CARD, REHEARSAL)
    for each in checks(target)
    for command in each.commands
]


@pytest.mark.parametrize("module", ["bench", "reports"])
def test_every_command_is_understood(module: str) -> None:
    parser = {"bench": commands._parser, "reports": reports_commands._parser}[module]()
    own = [(each, words) for each, (_, name, *words) in COMMANDS if name == module]
    assert own
    for each, words in own:
        parser.parse_args([*words, *(["--resume"] if each.resumes and module == "bench" else [])])


class HarnessParser(argparse.ArgumentParser):
    """Takes the harness's own options as pytest's parser does, and the few others of these runs."""

    def __init__(self) -> None:
        super().__init__(allow_abbrev=False, exit_on_error=False)
        self.add_argument("folder", choices=["bench"])
        self.add_argument("-q", action="store_true")
        self.add_argument("--benchmark-quiet", action="store_true")
        self.add_argument("--benchmark-json")

    def getgroup(self, *_: str) -> "HarnessParser":
        return self

    addoption = argparse.ArgumentParser.add_argument


def test_every_run_is_understood(tmp_path: Path) -> None:
    parser = HarnessParser()
    conftest.pytest_addoption(parser)  # type: ignore[arg-type]  # stands in for pytest's
    runs = {tuple(words) for _, (_, name, *words) in COMMANDS if name == "pytest"}
    assert len(runs) > 8
    for words in sorted(runs):
        found = vars(parser.parse_args([word.replace("{out}", str(tmp_path)) for word in words]))
        request = requests.parse_request(found, None, traces=found["traces"])
        assert request.plan.cases


def test_a_rehearsal_has_the_same_checks() -> None:
    assert [c.name for c in checks(REHEARSAL)] == [c.name for c in checks(CARD)]
    runs = [" ".join(words) for check in checks(REHEARSAL) for words in check.commands]
    assert not any("cuda" in words for words in runs)


def test_preset_has_the_cases_that_the_list_promises() -> None:
    assert len(axes.sweep(presets.PRESETS["gpu"], {})) == 24
