"""The journal survives a kill at any byte."""

import errno
import json
from pathlib import Path

import pytest

from bench.schema import files, journal
from bench.schema.errors import BenchError, storage_faults
from bench.schema.journal import Journal
from tests.support.factories import finding, replicate

HEADER = {"seed": 3}


def written(folder: Path, replicates: int = 2) -> bytes:
    log = Journal.create(folder, HEADER)
    log.add_finding("a", finding())
    for index in range(replicates):
        log.add_replicate("a", replicate(index))
    log.close()
    return (folder / files.JOURNAL).read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "run")
    entries = journal.read(tmp_path / "run")
    assert entries.header["seed"] == 3
    assert entries.findings == {"a": finding()}
    assert entries.replicates == {"a": [replicate(0), replicate(1)]}


def test_cut_at_any_byte_loses_only_the_line_that_was_cut(tmp_path: Path) -> None:
    data = written(tmp_path / "run")
    path = tmp_path / "run" / files.JOURNAL
    header_end = data.index(b"\n") + 1
    for cut in range(header_end, len(data) + 1, 7):
        path.write_bytes(data[:cut])
        entries = journal.read(tmp_path / "run")
        whole_lines = data[:cut].count(b"\n")
        kept = len(entries.findings) + sum(map(len, entries.replicates.values()))
        assert kept == whole_lines - 1


def test_going_on_after_a_cut_writes_over_the_torn_line(tmp_path: Path) -> None:
    data = written(tmp_path / "run")
    path = tmp_path / "run" / files.JOURNAL
    path.write_bytes(data[:-20])
    log = Journal.reopen(tmp_path / "run")
    log.add_replicate("a", replicate(1))
    log.close()
    assert path.read_bytes() == data


def test_it_is_locked_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Journal.create(tmp_path / "run", HEADER)
    monkeypatch.setattr(journal, "read", lambda _: pytest.fail("read beside the one who writes"))
    with pytest.raises(BenchError, match="still going on"):
        Journal.reopen(tmp_path / "run")
    log.close()


def test_folder_is_locked_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    second = journal.locked(folder)
    with journal.locked(folder), pytest.raises(BenchError, match="going on"), second:
        pytest.fail("two in one folder")
    with journal.locked(folder):
        assert list(folder.iterdir()) == []


def test_every_line_is_synced_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    written(tmp_path / "run", replicates=3)
    assert len(synced) == 5


def test_damage_in_the_middle_is_named_with_its_line(tmp_path: Path) -> None:
    data = written(tmp_path / "run")
    lines = data.splitlines(keepends=True)
    (tmp_path / "run" / files.JOURNAL).write_bytes(lines[0] + b"{]\n" + lines[2])
    with pytest.raises(BenchError, match=r"journal.jsonl, line 2 is damaged"):
        journal.read(tmp_path / "run")


WRONG = {
    "status": (1, '"x"'),
    "round_s": (1, '"x"'),
    "facts": (1, "[]"),
    "server": (2, '"x"'),
    "first_round": (2, "1.5"),
    "compile_s": (2, "[1]"),
    "device_rounds_s": (2, '"x"'),
    "load": (2, "{}"),
    "rounds_s": (2, '{"fpn": [1' + 400 * "0" + "]}"),
    "disturbed": (2, 10_000 * "[" + 10_000 * "]"),
}
"""Field -> its line, and what cannot stand in it."""


@pytest.mark.parametrize("field", WRONG)
def test_wrong_value_is_named_with_its_line(field: str, tmp_path: Path) -> None:
    lines = written(tmp_path / "run").decode().splitlines(keepends=True)
    number, value = WRONG[field]
    (kind,) = set(entry := json.loads(lines[number])) - {"case_id"}
    entry[kind][field] = "HERE"
    lines[number] = json.dumps(entry).replace('"HERE"', value) + "\n"
    (tmp_path / "run" / files.JOURNAL).write_text("".join(lines))
    with pytest.raises(BenchError, match=f"line {number + 1} is damaged"):
        journal.read(tmp_path / "run")


def test_no_journal_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no run to resume"):
        journal.read(tmp_path)


def test_journal_cut_in_its_first_line_asks_for_a_new_run(tmp_path: Path) -> None:
    (tmp_path / files.JOURNAL).write_bytes(b'{"header"')
    with pytest.raises(BenchError, match="start a new run"):
        journal.read(tmp_path)


def test_other_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / files.JOURNAL).write_bytes(b'{"header": {"schema": 99}}\n')
    with pytest.raises(BenchError, match="schema 99"):
        journal.read(tmp_path)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="choose --run-dir"):
        Journal.create(tmp_path / "file" / "run", HEADER)


def test_older_schema_is_read(tmp_path: Path) -> None:
    (tmp_path / files.JOURNAL).write_bytes(b'{"header": {"schema": 1}}\n')
    assert journal.read(tmp_path).header == {"schema": 1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_full_disk_ends_the_journal_without_a_second_error() -> None:
    with Path("/dev/full").open("w") as stream:
        log = Journal(stream, journal.Entries({}))
        said = pytest.raises(BenchError, match="No space left on device; free some")
        with said, storage_faults("free some"):
            log.add_finding("a", finding())
        log.close()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_that_there_is_no_memory_is_a_line(error: Exception) -> None:
    with pytest.raises(BenchError, match="no memory left; free some"), storage_faults("free some"):
        raise error


def test_other_errors_of_the_system_are_left_alone() -> None:
    with pytest.raises(BrokenPipeError), storage_faults(""):
        raise BrokenPipeError(32, "Broken pipe")
