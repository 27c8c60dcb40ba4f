"""What each piece is worth, from journals of a machine whose noise is known."""

from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import main
from bench.lab import ablations
from bench.schema.journal import Journal
from tests.support.factories import replicate

CASES = [f"case-{number}" for number in range(6)]


def stored(folder: Path, seed: int) -> Path:
    """Write a run: calls differ by 2 % from process to process, the part's share by 1 %."""
    generator = np.random.default_rng(seed)
    journal = Journal.create(folder, {})
    for case_id in CASES:
        for index in range(4):
            speeds = np.exp(generator.normal(0, [0.02, 0.02, 0.02, 0.01]))
            fpn, again, rest, part = (speeds * [1.0, 1.0, 1.0, 0.4]).tolist()
            part *= rest  # the machine's speed of a call is in all of it
            rounds_s = {"fpn": [fpn] * 3, "panet": [rest + part] * 3, "fpn_again": [again] * 3}
            spans_s = {"panet": {"fpn p2 smooth": [rest] * 3, "panet n3 fuse": [part] * 3}}
            journal.add_replicate(
                case_id, replicate(index, rounds_s=rounds_s, spans_s=spans_s, elapsed_s=2.0)
            )
    journal.close()
    return folder


def test_marks_and_stopping_are_worth_replicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ablations, "DRAWN", 40)
    runs = [stored(tmp_path / name, seed) for seed, name in enumerate(("a", "b", "c"))]
    assert main(["lab", "ablations", *map(str, runs), "--half-width", "1.5%"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("3 runs, 6 cases, 72 replicates")
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in page.splitlines()[4:] if "|" in line)
    }
    assert list(rows) == list(ablations.WAYS)
    needed = {name: int(cells[0].split()[0]) for name, cells in rows.items()}
    usual = needed["as it is"]
    assert usual < needed["each case by itself: five replicates first"]
    assert 1.5 * usual < needed["without marks: whole calls by turns"]
    for name, (replicates, seconds, sure, held) in rows.items():
        assert float(seconds) == pytest.approx(2 * needed[name], abs=1), replicates
        assert float(held.split()[0]) > 88, name  # of 240: sd 1.4 %
        if ablations.WAYS[name].stops:
            assert sure == "100 %", name
    assert float(rows["as many replicates for every case"][2].split()[0]) < 100


def test_runs_without_replicates_in_common_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "ablations", str(stored(tmp_path / "a", 0))]) == 2
    assert "name more runs" in capsys.readouterr().err
    assert main(["lab", "ablations", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
