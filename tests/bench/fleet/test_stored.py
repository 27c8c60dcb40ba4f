"""A kind's result file is what one run on one machine would have written."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

import reports
from bench.fleet.scheduling import BUDGET_SPENT
from bench.fleet.stored import Kind, Part, complete, results, write
from bench.schema import files
from bench.schema.case import Case
from bench.schema.journal import Entries
from bench.schema.records import CaseResult, Finding, Replicate, Status
from tests.support.factories import case, finding, replicate, result, rounds
from tests.support.result_files import RUN, result_file

ONE, TWO = case(), case(batch_size=2, pass_name="training")  # noqa: S106


def replicates(count: int, ratio: float = 1.5, sd: float = 0.0) -> tuple[Replicate, ...]:
    return tuple(replicate(i, rounds_s=rounds(ratio + sd * (-1) ** i)) for i in range(count))


def entries(known: dict[Case, tuple[Finding, tuple[Replicate, ...]]]) -> Entries:
    return Entries(
        {name: RUN[name] for name in ("environment", "half_width")} | {"schema": 8},
        {of.case_id: found for of, (found, _) in known.items()},
        {of.case_id: list(measured) for of, (_, measured) in known.items()},
    )


def part(folder: Path, known: Any, document: dict[str, Any] | None = None) -> Part:
    folder.mkdir(parents=True, exist_ok=True)
    return Part(folder, entries(known), tuple(known), document)


def test_file_of_two_shards_reads_as_that_of_one_run(tmp_path: Path) -> None:
    found = finding()
    around = {"machine_info": {"node": "n"}, "datetime": "2026-11-29", "hints": ["busy"]}
    parts = [
        part(tmp_path / "1", {ONE: (found, replicates(12))}, around),
        part(tmp_path / "2", {TWO: (found, replicates(12, 1.6))}),
    ]
    written = write(Kind("kind", "run-1", parts), tmp_path / "kind")
    same = [
        result(case=ONE, finding=found, replicates=replicates(12)),
        result(case=TWO, finding=found, replicates=replicates(12, 1.6)),
    ]
    assert [each.status for each in written] == [Status.OK, Status.OK]
    expected = reports.load(result_file(tmp_path, same))
    pd.testing.assert_frame_equal(reports.load(tmp_path / "kind"), expected)
    document = json.loads((tmp_path / "kind" / files.RESULTS).read_text())
    assert document["machine_info"] == {"node": "n"}
    assert document["panet"]["hints"] == ["busy"]
    assert document["panet"]["cases"] == [ONE.case_id, TWO.case_id]
    entry = document["benchmarks"][-1]
    assert entry["fullname"] == f"bench/test_training.py::test_training[{TWO.case_id}-fpn_again]"
    assert entry["stats"]["min"] == min(entry["stats"]["data"])


def test_cases_that_nobody_measured_are_in_the_file_with_their_reason(tmp_path: Path) -> None:
    kind = Kind("kind", "run-1", [], {ONE.case_id: (ONE, "its kind has no node left")})
    kind.parts.append(part(tmp_path / "1", {TWO: (finding(), replicates(12))}))
    write(kind, tmp_path / "kind")
    frame = reports.load(tmp_path / "kind").set_index("case_id")
    assert frame.loc[ONE.case_id, "status"] == "crashed"
    assert frame.loc[ONE.case_id, "reason"] == "no node measured it: its kind has no node left"
    kind.missing[ONE.case_id] = ONE, BUDGET_SPENT
    write(kind, tmp_path / "kind")
    frame = reports.load(tmp_path / "kind").set_index("case_id")
    assert frame.loc[ONE.case_id, "status"] == "too_wide"


def test_further_arms_and_traces_of_all_shards_are_joined(tmp_path: Path) -> None:
    parts = [part(tmp_path / name, {of: (finding(), replicates(12))}) for name, of in NAMED.items()]
    for each in parts:
        ids = [of.case_id for of in each.cases]
        (each.folder / files.PARTS).write_text(json.dumps({"schema": 1, "cases": ids}))
        (each.folder / files.CEILINGS).write_text("{}")
        profile = files.profile_folder(each.folder, ids[0], "fpn")
        profile.mkdir(parents=True)
        (profile / files.PROFILE).write_text("{}")
    write(Kind("kind", "run-1", parts), tmp_path / "kind")
    joined = json.loads((tmp_path / "kind" / files.PARTS).read_text())
    assert joined == {"schema": 1, "cases": [ONE.case_id, TWO.case_id]}
    profiles = list((tmp_path / "kind" / files.TRACES).glob(f"*/fpn/{files.PROFILE}"))
    assert len(profiles) == 2
    assert (tmp_path / "kind" / files.CEILINGS).exists()


NAMED = {"1": ONE, "2": TWO}


def test_complete_is_what_needs_nothing_more() -> None:
    wide = case(batch_size=3)
    skipped = case(batch_size=4)
    unchecked = case(batch_size=5)
    known = entries(
        {
            ONE: (finding(), replicates(12)),
            TWO: (finding(), replicates(3)),
            wide: (finding(), replicates(12, sd=0.2)),
            skipped: (finding(Status.SKIPPED, "cannot"), ()),
        }
    )
    asked = (ONE, TWO, wide, skipped, unchecked)
    assert complete(known, asked) == {ONE.case_id, skipped.case_id}
    assert complete(None, asked) == set()


def test_statuses_are_those_of_the_shard() -> None:
    known = entries({ONE: (finding(), replicates(12)), TWO: (finding(), replicates(3))})
    found: list[CaseResult] = results(Part(Path(), known, (ONE, TWO)))
    assert [each.status for each in found] == [Status.OK, Status.TOO_WIDE]
    assert "raise --budget" in found[1].reason


def test_that_somebody_killed_a_process_is_in_no_journal_but_in_the_results(tmp_path: Path) -> None:
    """The engine tries such a case again when it is resumed, and so keeps nothing of it."""
    around = {"outcomes": {ONE.case_id: ("crashed", "killed by signal 9")}}
    shard = part(tmp_path / "1", {TWO: (finding(), replicates(12))}, around)
    shard.cases = (ONE, TWO)
    killed, fine = write(Kind("kind", "run-1", [shard]), tmp_path / "kind")
    assert (killed.status, killed.reason) == (Status.CRASHED, "killed by signal 9")
    assert fine.status is Status.OK
    document = json.loads((tmp_path / "kind" / files.RESULTS).read_text())
    assert "outcomes" not in document
    assert document["panet"]["outcomes"][0]["status"] == "crashed"
