"""`bench.compare`: what it asks is what the command asks."""

from pathlib import Path
from typing import Any

import pytest

import bench.compare.run  # the room is bound to its name, and is called all the same
from bench import BenchError, compare
from bench.__main__ import main
from bench.compare import run
from bench.compare.request import Request


def test_request_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request, folder: Path, _: object) -> str:
        asked.append(request)
        raise BenchError(f"enough in {folder.parent.name}")

    monkeypatch.setattr(run, "run", answer)
    options: dict[str, Any] = {"preset": "smoke", "threads": (1, 2), "no_traces": True}
    with pytest.raises(BenchError, match="enough in runs"):
        compare("HEAD~1", tmp_path, tolerance=0.01, **options, run_dir=tmp_path / "runs")
    words = ["--preset", "smoke", "--threads", "1,2", "--no-traces", "--tolerance", "0.01"]
    folder = ["--run-dir", str(tmp_path / "runs")]
    assert main(["compare", "HEAD~1", str(tmp_path), *words, *folder]) == 2
    here, there = (vars(request) for request in asked)
    assert here | {"command": ""} == there | {"command": ""}
    assert here["command"].startswith(f"python -m bench compare 'HEAD~1' {tmp_path} --")


def test_answer_is_the_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = object()
    monkeypatch.setattr(run, "run", lambda *_: result)
    assert bench.compare("a", "b", run_dir=tmp_path) is result
    (written,) = tmp_path.glob("compare-*/comment.md")
    assert written.read_text() == str(result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"half_width": 0.1}, r"compare\(\) takes no half_width; there are scopes, "),
        ({"budgets": "1m"}, "takes no budgets; did you mean budget"),
        ({"budget": "soon"}, "budget='soon': give a duration"),
        ({"case": "nothing-*"}, r"case= nothing-\*: matches none of"),
        ({"preset": "smok"}, "preset='smok': did you mean smoke"),
        ({"workload": "mynet"}, "workload='mynet': give module:factory"),
    ],
)
def test_wrong_use_is_one_line_with_keywords(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=said) as error:
        compare("HEAD", "HEAD", **options, run_dir=tmp_path / "runs")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "runs").exists()
