"""The page of the long run, on a simulated machine whose costs are known."""

from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as command
from bench.engine import opened
from bench.lab import inside_calls
from bench.lab.inside_calls import ESTIMATORS, PAGE
from tests.support.machines import TRUE_S, Machine, Noise, Stages

REST = TRUE_S["fpn"] / TRUE_S["panet"]

NOISE = Noise(round_sd=0.01, process_sd=0.02)
STAGES = Stages({"fpn p2 smooth": REST, "panet n3 fuse": 1 - REST}, sd=0.002)


def table(page: str, start: str) -> list[list[str]]:
    lines = page[page.index(f"| {start}") :].split("\n\n", maxsplit=1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def number(cell: str) -> float:
    return float(cell.split(maxsplit=1)[0])


def test_readings_and_what_they_need_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        opened, "ServerLauncher", lambda *_, **__: Machine(noise=NOISE, stages=STAGES)
    )
    arguments = ["lab", "inside", "--replicates", "12", "--run-dir", str(tmp_path)]
    assert command.main(arguments) == 0
    (page,) = (path.read_text() for path in tmp_path.glob(f"inside-*/{PAGE}"))
    assert page in capsys.readouterr().out
    for name, replicates, inside, residual, whole, apart, marks, noise in table(page, "case "):
        assert name.startswith("neck cnn b1")
        assert replicates == "12"
        assert number(inside) == pytest.approx(1 / REST, rel=0.01)
        assert number(residual) == pytest.approx(1, abs=0.03)
        assert number(whole) == pytest.approx(1 / REST, rel=0.03)
        assert abs(number(apart)) < 1
        assert abs(number(marks)) < 4
        assert abs(number(noise)) < 4
    for row in table(page, "sd between"):
        of_inside, whole = row[1 : 1 + len(ESTIMATORS)], row[1 + len(ESTIMATORS)]
        assert max(map(number, of_inside)) < number(whole) / 3
        processes, of_whole = map(int, row[-2:])
        assert processes < of_whole / 9


@pytest.mark.process
def test_network_without_marks_is_the_same_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"batch_sizes": "1", "resolutions": "64", "channels_last": "off"}
    monkeypatch.setattr(inside_calls, "CASES", small)
    inside_calls.measure(tmp_path, 0, Console(quiet=True))
