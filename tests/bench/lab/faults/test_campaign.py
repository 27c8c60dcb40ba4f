"""The campaign of faults: it goes on, repeats what failed, and in small all of it holds."""

import contextlib
import importlib
import io
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from bench.lab.choosing import choose
from bench.lab.faults import attempt, campaign, flat, mutations, names, page
from bench.lab.faults.attempt import Call, Kind, Place, Tried
from bench.lab.faults.campaign import Record
from bench.lab.faults.kinds import KINDS
from bench.schema.errors import BenchError
from bench.schema.files import RESULTS
from bench.schema.journal import Journal
from tests.support import profiles
from tests.support.factories import finding
from tests.support.result_files import measured

QUIET = Console(quiet=True)

LONG = (
    *("networks", "memory", "kills", "signals", "disks", "names", "loop"),
    *("fleet drivers", "ray drivers", "ray nodes"),
)
"""Kinds whose tries are real runs or a browser's: tests elsewhere have some of each."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign's folder with a sample that was not measured."""
    run = tmp_path / "sample" / "a-b"
    run.mkdir(parents=True)
    profiles.run_dir(run)
    document = json.loads((run / RESULTS).read_text())
    document |= {"machine_info": {"cpu": {}}, "datetime": "2026-11-01T00:00:00+00:00"}
    (run / RESULTS).write_text(json.dumps(document))
    made = measured(1.5)
    journal = Journal.create(run, {"cases": [made.case.case_id]})
    journal.add_finding(made.case.case_id, finding())
    for replicate in made.replicates:
        journal.add_replicate(made.case.case_id, replicate)
    journal.close()
    return tmp_path


def kind(name: str, problems: dict[int, str], count: int = 3) -> Kind:
    seen: list[float] = []

    def tried(_: Place, random: Random) -> Tried:
        seen.append(random.random())
        return Tried("a fault", problems.get(len(seen) - 1, ""))

    return Kind(name, "what is done", "what must hold", count, tried)


def test_campaign_goes_on_where_it_was_and_repeats_what_failed_with_other_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = kind("one", {1: "planted"}), kind("two", {}, count=1)
    monkeypatch.setattr(campaign, "code_of", lambda: "a")
    first = campaign.run(folder, [one, two], 1000, QUIET)
    assert [(r.kind, r.number) for r in first] == [("one", 0), ("two", 0), ("one", 1), ("one", 2)]
    assert [r.problem for r in first] == ["", "", "planted", ""]
    assert campaign.run(folder, [one, two], 1000, QUIET) == first, (
        "with the same code nothing is due"
    )
    monkeypatch.setattr(campaign, "code_of", lambda: "b")
    again = campaign.run(folder, [one, two], 1000, QUIET)
    assert [(r.kind, r.number, r.problem) for r in again[4:]] == [("one", 1, "")]
    assert not any(record.problem for record in campaign.latest(again))


def test_kind_whose_package_is_not_there_is_left_out_and_that_is_told(folder: Path) -> None:
    said = io.StringIO()
    without = replace(kind("one", {}), package="no_such_package")
    done = campaign.run(folder, [without, kind("two", {}, count=1)], 1000, Console(file=said))
    assert [record.kind for record in done] == ["two"]
    assert said.getvalue() == "one: left out, as it needs no_such_package\n"


def test_campaign_stops_when_its_time_is_up(folder: Path) -> None:
    assert campaign.run(folder, [kind("one", {})], 0, QUIET) == []


def test_unknown_kind_is_named() -> None:
    with pytest.raises(BenchError, match="--only nothing: choose from results"):
        choose(KINDS, "results,nothing")


def test_page_counts_what_failed_once_and_what_fails_now() -> None:
    records = [
        Record("results", 0, "x", "", "a"),
        Record("results", 1, "`<b>`", "a traceback", "a"),
        Record("results", 1, "`<b>`", "", "b"),
        Record("journals", 0, "x", "hangs", "b"),
    ]
    text = page.render(records)
    cells = {
        line.split("|")[1].strip(): line.split("|")[3:6]
        for line in text.splitlines()
        if "|" in line
    }
    (results,) = (row for name, row in cells.items() if name.startswith("result files"))
    assert [cell.strip() for cell in results] == ["2", "1", "0"]
    assert "- journals 0: `x`: `hangs`" in text
    assert "Nothing fails now" in page.render(records[:3])


def test_what_grows_is_seen(tmp_path: Path) -> None:
    held = flat.Held(0, 3, 1, 0, 1)
    with pytest.raises(BenchError, match="files: 3, and then 4"):
        flat._refuse_growth(held, replace(held, files=4))
    with pytest.raises(BenchError, match="memory grew from 0 to"):
        flat._refuse_growth(held, replace(held, resident_bytes=2**30))
    assert flat._many_runs(tmp_path, 6) == 0


def test_damage_has_a_seed() -> None:
    document = {"schema": 6, "cases": [{"case_id": "a", "rounds": [1.0, 2.0]}] * 3, "none": None}
    kept = json.dumps(document)
    made = [mutations.damaged(document, Random(number)) for number in range(300)]
    assert made == [mutations.damaged(document, Random(number)) for number in range(300)]
    assert len({content for _, content in made}) > 200
    assert json.dumps(document) == kept


@pytest.mark.process
@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda: 0, ""),
        (lambda: 70, "exit code 70"),
        (lambda: 1 // 0, "traceback, exit code 70: ZeroDivisionError"),
        (lambda: os.kill(os.getpid(), 9), "ended by signal 9"),
        (lambda: os.kill(os.getpid(), 14), "hangs"),
        (lambda: os.write(1, b"\x1b[31m") * 0, "control character '\\x1b'"),
        (lambda: os.write(2, b"a\nb\n") // 2, "2 lines with exit code 2"),
        (lambda: 0 * len(b"x" * (attempt.MOST_BYTES + 2**28)), "MiB"),
        (lambda: 0 * len(bytearray(2**40)), "traceback, exit code 70: MemoryError"),
    ],
    ids=("right", "code", "error", "killed", "late", "escape", "lines", "memory", "limit"),
)
def test_what_must_hold_is_looked_at(work: object, problem: str, tmp_path: Path) -> None:
    found = attempt.problem_of(Call(work), Place(tmp_path, tmp_path))  # type: ignore[arg-type]
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.process
@pytest.mark.parametrize("fresh", [False, True])
def test_some_processes_begin_from_nothing(fresh: bool, tmp_path: Path) -> None:
    call = Call(lambda: 0, python=("-c", "import sys; sys.exit(2 * ('torch' in sys.modules) + 1)"))
    place = Place(tmp_path, tmp_path, fresh=fresh)
    assert attempt.run(call, place).exit_code == fresh


@pytest.mark.process
def test_what_a_try_has_imported_the_next_one_finds(tmp_path: Path) -> None:
    sys.modules.pop("colorsys", None)
    call = Call(lambda: 0 * len(vars(importlib.import_module("colorsys"))))
    assert attempt.at_once([call, call], Place(tmp_path, tmp_path)) == ["", ""]
    assert "colorsys" in sys.modules


@pytest.mark.process
@pytest.mark.parametrize("one", [k for k in KINDS if k.name not in LONG], ids=lambda k: k.name)
def test_in_small_everything_holds(one: Kind, folder: Path) -> None:
    sample = folder / "sample" / "a-b"
    for number in range(2):
        tried = campaign.attempt(one, number, folder, sample)
        assert not tried.problem, f"{one.name} {number}: {tried.fault}"
    with contextlib.suppress(FileNotFoundError):
        assert list((folder / campaign.TRIES).iterdir()) == []


@pytest.mark.process
def test_browser_that_does_not_start_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(names.CHROMIUM, "/not/there")
    with pytest.raises(BenchError, match=r"/not/there does not start .* name another in CHROM"):
        names._browser()


def test_line_that_was_cut_before_another_was_written_is_left_out(folder: Path) -> None:
    whole = json.dumps(asdict(Record("a", 1, "a fault", "", "code")))
    (folder / campaign.RECORDS).write_text(f"{whole}\n{whole[:9]}{whole}\n{whole}\n{whole[:9]}")
    assert len(campaign.read(folder)) == 2
