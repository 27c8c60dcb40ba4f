"""A command on several kinds of machine: once on each, whatever dies, and the worst of its ends."""

import json
from pathlib import Path

import pytest

from bench.fleet import programs
from bench.fleet.commands import COMMANDS
from bench.fleet.scheduling import ATTEMPTS, NODES, WAITS_S
from bench.fleet.whole_commands import WholeCommand, worst
from bench.stats.verdict import EXIT_CODES
from tests.support.command_fleets import COMPARE, LINES, SAID, CommandPlace, command_of, compared
from tests.support.fleets import Killed, environment

OTHER = environment(cpu="another CPU", cores=4)


def test_one_node_of_every_kind_runs_it_and_its_folder_is_here(tmp_path: Path) -> None:
    slower = CommandPlace(environment=OTHER, exit_code=1, answer=compared("regressed"))
    places = {"a": CommandPlace(), "b": CommandPlace(), "c": slower}
    found, sitting = command_of(tmp_path, places)
    assert sorted(node for node, _ in sitting.executor.runs) == ["a", "c"]
    assert [(of.node, of.code) for of in found] == [("a", 0), ("c", 1)]
    assert worst(of.code for of in found) == 1
    (request,) = (r for n, r in sitting.executor.started if n == "a" and r["do"] == "run")
    assert request["arguments"] == ["compare", "HEAD~1", "HEAD", "--budget=9m"]
    for of in found:
        assert of.answer is not None
        folder = tmp_path / "fleet" / of.kind
        assert of.answer.printed == f"the answer\nwrote {folder}/compare.json\n"
        assert COMPARE.beside(of.answer.folder)["a-case"].endswith(", +2.0 % ±1.0 %")
        copied = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.jsonl")}
        assert sum(text.count("\n") for text in copied.values()) == len(LINES)
        assert copied["trial-1/journal.jsonl"] == '{"i": 1}\n{"i": 3}\n{"i": 5}\n'
    assert sitting.seen[-1] == "2 of 2 commands"


@pytest.mark.parametrize("line", [0, 1, 2, 5, len(LINES)])
def test_it_goes_on_where_it_broke_and_repeats_no_line(line: int, tmp_path: Path) -> None:
    places = {"a": CommandPlace(breaks=[line]), "b": CommandPlace(away=True)}
    found, sitting = command_of(tmp_path, places)
    assert [of.code for of in found] == [0]
    assert places["a"].lines == len(LINES)
    wait = f"{WAITS_S[0]:.0f} s"
    assert f"a: connection lost; the command goes on there in {wait}" in sitting.said


def test_node_that_dies_is_left_and_another_of_its_kind_begins_anew(tmp_path: Path) -> None:
    places = {"a": CommandPlace(breaks=[3, 0, 0]), "b": CommandPlace()}
    found, sitting = command_of(tmp_path, places)
    assert [(of.node, of.code) for of in found] == [("b", 0)]
    assert [node for node, _ in sitting.executor.runs] == ["a"] * ATTEMPTS + ["b"]
    last = "a: connection lost; the command begun anew elsewhere; it takes no part any more"
    assert sitting.said[-1] == last
    assert places["b"].lines == len(LINES)


def test_retries_are_bounded_and_the_other_kind_has_its_answer(tmp_path: Path) -> None:
    lost = {str(i): CommandPlace(breaks=[0] * 99) for i in range(5)}
    found, sitting = command_of(tmp_path, {**lost, "b": CommandPlace(environment=OTHER)})
    assert len(sitting.executor.runs) == NODES * ATTEMPTS + 1
    by_code = {of.code: of for of in found}
    assert by_code[3].answer is None
    assert by_code[3].why.endswith("connection lost")
    assert by_code[0].node == "b"
    assert worst(by_code) == 3


def test_what_is_refused_is_tried_elsewhere_and_open_once_it_is_mended(tmp_path: Path) -> None:
    places = {"a": CommandPlace(exit_code=2), "b": CommandPlace(exit_code=2)}
    found, sitting = command_of(tmp_path, places)
    assert [node for node, _ in sitting.executor.runs] == ["a", "b"]
    (of,) = found
    assert of.code == worst([of.code, 0]) == 2
    assert of.answer is not None
    assert of.answer.said == SAID
    assert sitting.said == [f"a: the command crashed ({SAID}); tried elsewhere"]
    places["b"].exit_code = 0
    again, sitting = command_of(tmp_path, places)
    assert [of.code for of in again] == [0]
    assert [of.code for of in command_of(tmp_path, places)[0]] == [0]


@pytest.mark.parametrize("killed_s", [0.5, 3.0, 7.0, 11.0, 15.0, 17.5])
def test_driver_that_is_killed_comes_back_and_measures_nothing_twice(
    killed_s: float, tmp_path: Path
) -> None:
    places = {"a": CommandPlace(), "b": CommandPlace(environment=OTHER)}
    with pytest.raises(Killed):
        command_of(tmp_path, places, killed_s)
    found, _ = command_of(tmp_path, places)
    assert [of.code for of in found] == [0, 0]
    assert {place.lines for place in places.values()} == {len(LINES)}
    again, sitting = command_of(tmp_path, places)
    assert again == found
    assert sitting.executor.runs == []


def test_kind_that_is_away_keeps_its_answer(tmp_path: Path) -> None:
    places = {"a": CommandPlace(), "b": CommandPlace(environment=OTHER)}
    command_of(tmp_path, places)
    places["b"].away = True
    found, sitting = command_of(tmp_path, places)
    assert sitting.executor.runs == []
    assert [(of.node, of.code) for of in found] == [("a", 0), ("b", 0)]


def test_end_without_an_answer_is_none(tmp_path: Path) -> None:
    """As of a Python that could not import anything: its exit code is that of what is slower."""
    found, sitting = command_of(tmp_path, {"a": CommandPlace(exit_code=1, answer=None)})
    assert [of.code for of in found] == [3]
    assert len(sitting.said) == ATTEMPTS
    assert "exit code 1 without a compare.json" in sitting.said[0]


def test_machine_that_is_not_what_it_said_takes_no_part(tmp_path: Path) -> None:
    from tests.support import command_fleets

    first = {"header": {"environments": [OTHER], "code": "the code"}}
    lines = [("journal/journal.jsonl", json.dumps(first)), *LINES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command_fleets, "LINES", lines)
        found, sitting = command_of(tmp_path, {"a": CommandPlace()})
    assert [of.code for of in found] == [3]
    assert "a: this time it is another machine: another-cpu-4-cores-" in sitting.said[0]


def test_users_files_have_to_be_there_as_they_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mynet.py").write_text("1")
    Path("in.pt").write_bytes(b"2")
    words = ("a=mynet.py:make", "b=mynet:other", "torchvision.models:x", "--input=in.pt", "x" * 999)
    named = [*programs.users_files(words)]
    assert named == ["mynet.py", "mynet.py", "in.pt"]
    work = WholeCommand("cost", words)
    before = work.files()
    said = "it does not have mynet.py and in.pt as this machine has; copy that there"
    assert work.other_files() == said
    Path("in.pt").write_bytes(b"3")
    assert before != work.files() != ""
    assert WholeCommand("cost", ("torchvision.models:resnet18",)).files() == ""
    found, sitting = command_of(tmp_path, {"a": CommandPlace(), "b": CommandPlace(files="other")})
    assert [of.node for of in found] == ["a"]
    (line,) = sitting.said
    assert line.startswith("b: it does not have what is named as this machine has")


def test_every_answer_has_its_codes_and_its_command() -> None:
    from bench.__main__ import _parser
    from bench.selftest.document import JSON

    assert frozenset(EXIT_CODES.values()) == programs.ANSWERS
    assert COMMANDS["selftest"].file == JSON
    for name, entry in COMMANDS.items():
        positionals = {"cost": ["m:f"], "compare": ["a", "b"]}.get(name, [])
        options = _parser().parse_args([name, *positionals, *entry.always, "--executor=local"])
        assert options.name == name
        assert all(hasattr(options, option) for option in entry.alone)
