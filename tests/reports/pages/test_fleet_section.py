"""Several machines side by side, and the nodes of a fleet."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.schema import files
from bench.schema.records import CaseResult
from reports.analysis import machines
from reports.analysis.names import run_letters
from reports.command import run
from reports.data import fleets, frames, result_files
from reports.data.costs import cost
from reports.data.errors import ReportError
from reports.pages import fleet_section
from tests.support.factories import case, replicate, result, rounds
from tests.support.result_files import RUN, document


def machine(cpu: str, cores: int) -> dict[str, Any]:
    return {**RUN["environment"], "cpu": cpu, "cores": cores}


def found(ratio: float, sd: float = 0.01, **axes: Any) -> CaseResult:
    spread = (rounds(ratio + sd * (-1) ** i) for i in range(8))
    replicates = tuple(replicate(i, rounds_s=each) for i, each in enumerate(spread))
    return result(case=case(**axes), replicates=replicates)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Two machines: they agree on one case, differ in another, and one has a case alone."""
    small = [found(1.5), found(1.5, batch_size=2), found(1.5, batch_size=8)]
    large = [found(1.505, threads=8), found(1.3, batch_size=2, threads=8)]
    folder = tmp_path / "fleet-1"
    _write(folder / "small", small, environment=machine("small", 2))
    _write(folder / "large", large, environment=machine("large", 8))
    nodes = [
        {"node": "a", "kind": "small", "cases": 3, "failures": []},
        {"node": "b", "kind": "large", "cases": 2, "failures": ["lost; goes on", "lost; out"]},
        {"node": "c", "kind": None, "cases": 0, "failures": ["no <route>; it takes no part"]},
    ]
    stored = {"schema": 1, "run_id": "fleet-1", "executor": "ssh", "kinds": ["small", "large"]}
    (folder / files.FLEET).write_text(json.dumps(stored | {"nodes": nodes}))
    return folder


def _write(folder: Path, results: Sequence[CaseResult], **run: Any) -> None:
    folder.mkdir(parents=True)
    (folder / files.RESULTS).write_text(json.dumps(document(results, run_id=folder.name, **run)))


def test_cases_are_the_same_whatever_threads_machines_give_them(fleet: Path) -> None:
    read = result_files.read_all(fleet)
    table = cost(frames.frame_of(read))
    one, two = machines.beside(table)
    assert (one.name, two.name) == ("neck cnn b1 224 nchw", "neck cnn b2 224 nchw")
    assert one.alike
    assert not two.alike
    apart, own = math.log(1.5 / 1.3) / math.sqrt(2), math.hypot(0.01 / 3, 0.0129) / math.sqrt(2)
    assert two.between == pytest.approx(math.sqrt(apart**2 - own**2), abs=2e-3)
    assert one.between == 0, "no farther apart than runs of one machine"
    said = list(machines.sentences(table, run_letters(table["run_id"])))
    assert said == [
        "Over 2 cases that all machines have, PANet costs A +39.9 % and B +50.0 % of FPN "
        "(geometric mean).",
        "Machines differ by more than their intervals in 1 of 2 cases, most in neck cnn b2 224 "
        "nchw (±10.1 % between machines).",
    ]


def test_of_several_runs_of_a_machine_the_newest_stands_for_it(fleet: Path) -> None:
    _write(fleet / "older", [found(2.0), found(2.0, batch_size=2)], environment=machine("small", 2))
    read = [result_files.read(fleet / name) for name in ("small", "large", "older")]
    table = cost(frames.frame_of(read))
    beside, _nodes = fleet_section.sections(read, table)
    assert beside.blocks[0].tables[0].columns[:3] == ("case", "A", "C")
    two_of_one = [each for each in read if each.run["run_id"] != "large"]
    table = cost(frames.frame_of(two_of_one))
    assert [each.id for each in fleet_section.sections(two_of_one, table)] == ["nodes"]


def test_contended_cases_have_no_cost_to_set_beside(fleet: Path) -> None:
    path = fleet / "large" / files.RESULTS
    stored = json.loads(path.read_text())
    for entry in stored["benchmarks"]:
        entry["extra_info"]["status"] = "contended"
    path.write_text(json.dumps(stored))
    assert machines.beside(cost(frames.frame_of(result_files.read_all(fleet)))) == []


def test_page_has_machines_and_nodes(fleet: Path) -> None:
    read = result_files.read_all(fleet)
    table = cost(frames.frame_of(read))
    beside, nodes = fleet_section.sections(read, table)
    assert beside.blocks[0].tables[0].columns[:3] == ("case", "A", "B")
    assert [row[-1] for row in beside.blocks[0].tables[0].rows] == ["no", "yes"]
    assert nodes.sentences == ["3 failures on 2 nodes: b, c."]
    assert nodes.blocks[0].tables[0].rows[1] == ["b", "large", "2", "lost; goes on | lost; out"]


def test_report_of_a_fleet_is_one_and_lies_in_its_folder(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cost", str(fleet)]) == 0
    shown = capsys.readouterr().out
    assert "B: run small; small, 2 cores" in shown
    assert "differ by more than their intervals in 1 of 2 cases" in " ".join(shown.split())
    page = (fleet / "report.html").read_text()
    assert "Machine beside machine" in page
    assert "no &lt;route&gt;; it takes no part" in page


def test_one_machine_has_nothing_beside_it(fleet: Path) -> None:
    one = result_files.read_all(fleet / "small")
    table = cost(frames.frame_of(one))
    assert [section.id for section in fleet_section.sections(one, table)] == ["nodes"]


def test_what_asks_for_one_run_names_those_of_a_fleet(fleet: Path) -> None:
    with pytest.raises(ReportError, match=r"of 2 kinds of machine; name .*small.results.json"):
        result_files.read(fleet)


@pytest.mark.parametrize(
    "content",
    [
        *('{"schema": 1}', '{"schema": 2}', "[]"),
        '{"schema": 1, "executor": "ssh", "kinds": ["../x"], "nodes": []}',
        '{"schema": 1, "executor": "ssh", "kinds": [".."], "nodes": []}',
        '{"schema": 1, "executor": "ssh", "kinds": [], "nodes": []}',
    ],
)
def test_damaged_fleet_is_a_line(content: str, fleet: Path) -> None:
    (fleet / files.FLEET).write_text(content)
    with pytest.raises(ReportError, match=r"fleet\.json: .*measure again"):
        fleets.read(fleet)
