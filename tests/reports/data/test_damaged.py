"""Damaged, truncated, foreign and older result files: an answer or one line, never a traceback."""

import functools
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.schema.files import COST, COST_SCHEMA
from bench.schema.records import SCHEMA
from reports.__main__ import main
from reports.data import history, run_series
from reports.data.result_files import OnePath
from reports.data.series import RunSeries
from reports.pages import compare_files_page, compare_page, history_page, page
from tests.support.own_files import own_document
from tests.support.result_files import document, measured

WRONG: list[Any] = [None, "x", [], {}, -1, True, [None], {"x": None}]

COMMANDS = {
    "cost": ["cost", "{file}", "--out", "{out}"],
    "compare": ["compare", "{good}", "{file}", "--out", "{out}"],
    "history": ["history", "{file}", "--out", "{out}"],
    "export": ["export", "github", "{file}", "--out", "{out}/github.json"],
}

KINDS = ("ours", "own")
"""Of `pytest bench`, and of `panet-bench cost`."""

ADDED = {2: (), 3: ("graphs", "graph_breaks", "operators")}
"""Schema -> what `extra_info` has since then."""


@pytest.fixture(autouse=True)
def no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page does not need the five megabytes of plotly's script here."""
    monkeypatch.setattr(page, "get_plotlyjs", str)


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, or a file, that was made of the same tables and runs is not made again."""
    for module in (compare_files_page, compare_page, history_page):
        monkeypatch.setattr(module, "write", once_each(module.write))


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound run that `compare` is given is not read again."""
    read, known = run_series.read, dict[bytes, RunSeries]()

    def remembered(path: OnePath) -> RunSeries:
        content = Path(path).read_bytes()
        if content not in known:
            known[content] = read(path)
        return known[content]

    monkeypatch.setattr(run_series, "read", remembered)


def once_each(write: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[bytes, Any] = {}

    def remembered(*arguments: Any) -> Any:
        key = pickle.dumps(arguments)
        if key not in known:
            known[key] = write(*arguments)
        return known[key]

    return remembered


@functools.cache
def good_text(kind: str = "ours") -> str:
    if kind == "own":
        return json.dumps(own_document("exchange"))
    made = {"machine_info": {"cpu": {}}, **document([measured(1.5)])}
    made["datetime"], made["commit_info"] = "2026-11-01T00:00:00+00:00", {"message": "m"}
    return json.dumps(made)


def good(kind: str = "ours") -> Any:
    return json.loads(good_text(kind))


def places(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where something can be damaged: every key, and the first entry of every list."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        inner = list(data.items())
    elif isinstance(data, list) and data:
        inner = [(0, data[0])]
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def damaged(kind: str, path: tuple[str | int, ...], value: object) -> Any:
    made = inside = good(kind)
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return made


def run(command: str, content: str | bytes, folder: Path, kind: str = "ours") -> int:
    """Run a command on a file of this content, beside a good one; return its exit code."""
    folder.mkdir(exist_ok=True)
    sound, file = folder / "good.json", folder / "bad.json"
    sound.write_text(good_text(kind))
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    names = {"good": sound, "file": file, "out": folder}
    return main([word.format(**names) for word in COMMANDS[command]])


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_once", "read_once")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_value_anywhere_is_an_answer_or_one_line(
    command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(places(good(kind)))
    assert len(found) > 80
    refused = 0
    # A page is drawn every time; and what reads an own run is the same for the other three.
    thirds = command == "cost" or kind == "own"
    first, step = (list(COMMANDS).index(command) % 3, 3) if thirds else (0, 1)
    for number, path in list(enumerate(found))[first::step]:
        value = WRONG[number % len(WRONG)]
        code = run(command, json.dumps(damaged(kind, path, value)), tmp_path, kind)
        said = capsys.readouterr().err
        assert code in (0, 1, 2, 3), path
        if code == 2:
            refused += 1
            assert said.startswith("python -m reports: "), path
            assert said.count("\n") == 1, path
    assert refused > 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_truncated_file_is_one_line(
    share: float, command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = good_text(kind)
    assert run(command, text[: int(len(text) * share)], tmp_path, kind) == 2
    told = "damaged JSON" if kind == "own" and share else "no result file, or a damaged one"
    said = capsys.readouterr().err
    assert f"bad.json: {told}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[]", b"17", b'{"benchmarks": 3}', b"\x00"])
def test_file_that_is_something_else_is_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in COMMANDS:
        assert run(command, content, tmp_path) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_arms_with_unequal_rounds_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unequal = good()
    entry = unequal["benchmarks"][0]
    count = sum(entry["extra_info"]["replicates"])
    for replicates in ([count], [count - 1, 1]):
        entry["extra_info"]["replicates"] = replicates
        for command in ("cost", "compare", "history"):
            assert run(command, json.dumps(unequal), tmp_path) == 2, command
            assert "unequal rounds" in capsys.readouterr().err


def test_file_of_pytest_benchmark_alone_is_foreign_where_rounds_of_arms_are_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain: dict[str, Any] = {"machine_info": {"cpu": {}}, "datetime": "2026-11-01T00:00:00+00:00"}
    plain["benchmarks"] = [{"fullname": "test_x", "stats": {"mean": 1.0}}]
    codes = {command: run(command, json.dumps(plain), tmp_path) for command in COMMANDS}
    assert codes == {"cost": 2, "compare": 2, "history": 0, "export": 0}
    assert "not written by `pytest bench`" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("schema", range(1, SCHEMA))
def test_older_file_is_read(schema: int, tmp_path: Path) -> None:
    older = good()
    older["panet"]["schema"] = schema
    for since, names in ADDED.items():
        for entry in older["benchmarks"] if since > schema else ():
            for name in names:
                entry["extra_info"].pop(name, None)
    for command in COMMANDS:
        assert run(command, json.dumps(older), tmp_path) == 0, command


@pytest.mark.parametrize("schema", [1, COST_SCHEMA + 1, None])
def test_cost_of_another_version_is_one_line(
    schema: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where another program's file has the name of ours, or a run has only that."""
    other = json.dumps({"schema": schema, "asked": {}} if schema else {"total": 3})
    (tmp_path / COST).write_text(other)
    names = {"good": tmp_path, "file": tmp_path / COST, "out": tmp_path}
    for words in COMMANDS.values():
        assert main([word.format(**names) for word in words]) == 2
        said = capsys.readouterr().err
        assert f"schema {schema!r}, this version reads {COST_SCHEMA}; measure again" in said
        assert said.count("\n") == 1


def test_newer_file_says_which_version_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = good()
    newer["panet"]["schema"] = SCHEMA + 1
    for command in COMMANDS:
        assert run(command, json.dumps(newer), tmp_path) == 2
        assert f"this version reads up to {SCHEMA}" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(3))
def test_missing_arm_leaves_the_comparison_undecided(number: int, tmp_path: Path) -> None:
    lacking = good()
    lacking["benchmarks"][number]["extra_info"]["arm"] = "x"
    assert run("compare", json.dumps(lacking), tmp_path) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", ["-1", "nan", "0001-01-01", "9999-12-31", 5, None])
def test_impossible_date_is_one_line(
    written: object, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undated = good(kind) | {"datetime": written}
    for command in ("history", "export"):
        assert run(command, json.dumps(undated), tmp_path) == 2
        assert capsys.readouterr().err.count("\n") == 1


ESCAPE = "\x1b]0;title\x07\x9b2J"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_a_file_controls_the_terminal(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = good()
    hostile["panet"]["run_id"] = hostile["panet"]["environment"]["cpu"] = ESCAPE
    hostile["commit_info"]["message"] = ESCAPE
    for entry in hostile["benchmarks"]:
        entry["extra_info"]["reason"] = ESCAPE
    for outcome in hostile["panet"]["outcomes"]:
        outcome["reason"] = ESCAPE
    own = good("own")
    own["run"]["run_id"] = own["run"]["environment"]["cpu"] = own["command"] = ESCAPE
    own["cases"][0]["reason"] = own["asked"]["networks"]["exchanged"] = ESCAPE
    for kind, content in (("ours", hostile), ("own", own)):
        assert run(command, json.dumps(content), tmp_path, kind) in (0, 1, 3)
    said = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
    assert run(command, json.dumps({"benchmarks": [], "panet": {"schema": ESCAPE}}), tmp_path) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_no_text_of_a_store_controls_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(good_text("ours"))
    table = history.collect([tmp_path / "good.json"])
    history.add(table.assign(message=ESCAPE), str(tmp_path / "store"))
    (message,) = set(history.read(str(tmp_path / "store"))["message"])
    assert message == r"\x1b]0;title\x07\x9b2J"


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="no such device")
@pytest.mark.parametrize("command", ["history", "cost", "profile"])
def test_device_without_end_is_no_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "/dev/zero", "--out", str(tmp_path)]) == 2
    assert "a device, and no file" in capsys.readouterr().err
