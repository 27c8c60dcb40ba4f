"""The section on energy: of what ``--energy`` left in the result file."""

from pathlib import Path

from bench.schema.energy import CaseEnergy
from reports.data.result_files import read_all
from reports.pages import run_sections
from reports.pages.page import Section
from tests.bench.run.test_energy import CALM_ONE
from tests.support.factories import result
from tests.support.result_files import result_file


def section(folder: Path, *stored: object) -> Section:
    (found,) = run_sections.energy(read_all([result_file(folder, [result()], energy=stored)]))
    return found


def test_measured_skipped_and_damaged_cases_are_shown(tmp_path: Path) -> None:
    skipped = CaseEnergy("other", "skipped", "no counter", ()).to_json()
    found = section(tmp_path, CaseEnergy("a", "ok", "", (CALM_ONE,) * 4).to_json(), skipped)
    assert found.sentences == ["1 case skipped: no counter."]
    (block,) = found.blocks
    assert block.note.startswith("a by rapl_package: processes 4 of 4; idle 40.0 W before")
    rows = [row[:3] for row in block.tables[0].rows]
    assert rows == [["fpn", "10 ±0.0 %", ""], ["panet", "15 ±0.0 %", "1.500 ±0.0 %"]]
    assert section(tmp_path).empty
    assert "damaged result file" in section(tmp_path, {"case_id": 1}).warnings[0]
