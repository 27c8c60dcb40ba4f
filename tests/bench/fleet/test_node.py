"""What a node does: it measures in a process, tells lines as they come, and stops when told."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import node
from bench.fleet.asked import Asked
from bench.fleet.programs import PROGRAMS, SWEEP
from bench.schema import files
from tests.support.fleets import VALUES

FAKE = """
import json, pathlib, signal, sys
options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
folder = pathlib.Path(options["run-dir"]) / options.get("resume", "run-1")
folder.mkdir(parents=True, exist_ok=True)
journal = folder / "journal.jsonl"
known = journal.read_text().count("\\n") if journal.exists() else 0
with journal.open("a") as stream:
    for line in range(known, int(options["lines"])):
        print(f"line {line}", file=stream, flush=True)
if "hang" in options:
    signal.pause()
(folder / "scratch").mkdir(exist_ok=True)
(folder / "traces").mkdir(exist_ok=True)
(folder / "traces" / "x.json").write_text("{}")
outcome = {"case": {}, "case_id": "a", "status": "crashed", "reason": "killed by signal 9"}
panet = {"hints": ["calm"], "outcomes": [outcome]}
results = {"machine_info": 1, "benchmarks": [], "panet": panet}
(folder / "results.json").write_text(json.dumps(results))
print("last words")
sys.exit(int(options["code"]))
"""


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    program = replace(PROGRAMS[SWEEP], command=(str(script),))
    monkeypatch.setitem(PROGRAMS, SWEEP, program)
    monkeypatch.setattr(node, "POLL_S", 0.02)

    def go(lines: int, *more: str, code: int = 0, have: int = 0, stop: bool = False) -> list[Any]:
        told: list[node.Message] = []
        arguments = [f"--lines={lines}", f"--code={code}", *more]
        request: node.Message = {"do": "run", "program": SWEEP, "arguments": arguments}
        request["folder"] = str(tmp_path / "shard")

        def go_on(seconds: float) -> bool:
            threading.Event().wait(seconds)
            return not (stop and any("line" in message for message in told))

        known = {files.JOURNAL: have} if have else {}
        for message in node.serve(request | {"have": known}, go_on):
            told.append(message)  # noqa: PERF402 - `go_on` looks at it
        return told

    return go


@pytest.mark.process
def test_lines_files_and_the_end_are_told(
    measure: Callable[..., list[Any]], tmp_path: Path
) -> None:
    told = measure(3)
    assert [m["line"] for m in told if "line" in m] == ["line 0", "line 1", "line 2"]
    (sent,) = (message for message in told if "file" in message)
    assert sent == {"file": "traces/x.json", "data": "e30="}
    ended = told[-1]["ended"]
    assert (ended["code"], ended["said"]) == (0, "last words")
    assert ended["document"] == {
        "machine_info": 1,
        "hints": ["calm"],
        "outcomes": {"a": ("crashed", "killed by signal 9")},
    }
    assert not list(tmp_path.rglob(files.RESULTS))
    assert not list(tmp_path.rglob("scratch"))


@pytest.mark.process
def test_what_is_known_is_not_told_again_and_what_was_begun_goes_on(
    measure: Callable[..., list[Any]],
) -> None:
    measure(2, code=3)
    told = measure(4, have=1)
    assert [m["line"] for m in told if "line" in m] == ["line 1", "line 2", "line 3"]
    assert told[-1]["ended"]["document"]


@pytest.mark.process
def test_measurement_stops_when_nobody_listens(measure: Callable[..., list[Any]]) -> None:
    told = measure(2, "--hang=yes", stop=True)
    assert told[-1]["ended"]["code"] == -15
    assert told[-1]["ended"]["document"] is None


def test_series_that_was_begun_elsewhere_is_not_begun_here(
    measure: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """On a disk that several machines share, each has a folder of its own."""
    other = tmp_path / "shard" / "another-host" / "run-1"
    other.mkdir(parents=True)
    (other / files.JOURNAL).write_text("line 0\n")
    (told,) = measure(4, have=1)
    assert "has no journal of it" in told["gone"]


def test_failure_is_told_in_a_line() -> None:
    told = list(node.serve({"do": "run"}, lambda _: True))
    assert told == [{"error": "KeyError: 'folder'"}]


def test_probe_says_what_the_machine_is_and_its_cases() -> None:
    values = VALUES | {"batch_sizes": "1,2", "threads": "auto"}
    about = {"do": "probe", "program": SWEEP}
    (told,) = node.serve(about | {"asked": Asked(values).to_json()}, lambda _: True)
    probe = json.loads(json.dumps(told))["probe"]
    assert len(probe["cases"]) == 2
    assert probe["cases"][0]["threads"] == probe["environment"]["cores"]
    wrong = Asked(VALUES | {"batch_sizes": "none"}).to_json()
    (told,) = node.serve(about | {"asked": wrong}, lambda _: True)
    assert "--batch-sizes 'none'" in told["error"]


def test_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    tail = node.Tail(["x", "*/y"], {"x": 1})
    assert list(tail.fresh(None)) == []
    (tmp_path / "x").write_bytes(b"known\nfresh\ncu")
    assert list(tail.fresh(tmp_path)) == [{"line": "fresh", "of": "x"}]
    (tmp_path / "x").write_bytes("known\nfresh\ncut \u00fc\u2028\n".encode())
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "y").write_bytes(b"1\n2\n")
    came = [{"line": "cut \u00fc\u2028", "of": "x"}]
    assert list(tail.fresh(tmp_path)) == [*came, *({"line": n, "of": "z/y"} for n in "12")]
    assert list(tail.fresh(tmp_path)) == []
