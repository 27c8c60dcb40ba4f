"""README and docs say what the project does: their tables are tested against the code."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import reports
from bench.machine.environment import ROOT
from bench.run.results_json import EXTRA_INFO, OF_RUNTIMES, PANET_KEY
from bench.schema.case import AXES
from bench.schema.records import FACTS, Status
from bench.workload import presets
from docs import generate
from reports.analysis.readable import EXPLAINED, brief
from tests.support import printed

README = (ROOT / "README.md").read_text()
PAGES = {
    path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
ALL = "\n\n".join(PAGES.values())
EVERY_PAGE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""Those of the examples, too."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def rows(heading: str) -> dict[str, str]:
    """Return the table under a header cell, first column -> second."""
    body = ALL.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in body]
    return {first.strip("`*"): second for first, second, *_ in cells}


def dependencies() -> list[str]:
    """Return the names of all that is asked for, extras included."""
    asked = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [re.split(r"[<>=~ ]", requirement)[0] for group in asked for requirement in group]


def test_axes_are_those_of_the_command_line() -> None:
    assert rows("axis") == {axis.flag: axis.help for axis in AXES}


def test_presets_and_defaults_are_named_as_they_are() -> None:
    for name in presets.PRESETS:
        assert f"`{name}`" in ALL or f"`--preset {name}`" in ALL
    default = presets.PRESETS[presets.DEFAULT_PRESET]
    assert (default.half_width, default.budget) == ("2%", "4.3m")
    assert "`--half-width` (2 % of the ratio)" in " ".join(ALL.split())
    assert "(4.3 min for the whole run)" in " ".join(ALL.split())


def test_every_dependency_has_its_reason() -> None:
    named = " ".join(rows("package"))
    for name in dependencies():
        if not name.endswith("-stubs") and not name.startswith("types-"):
            assert name in named


def test_table_columns_are_explained() -> None:
    table = README.split("<!-- table -->", 1)[1].split("<!-- /table -->", 1)[0]
    header = next(line for line in table.splitlines() if line.startswith("| case"))
    assert rows("column | says") == EXPLAINED
    assert {cell.strip() for cell in header.strip("|").split("|")} <= set(EXPLAINED)


def test_pictures_are_shown_small_and_ask_nobody() -> None:
    pictures = [*(ROOT / "docs" / "pictures").iterdir()]
    assert len(pictures) == len(set(re.findall(r"\(pictures/([^)]+)\)", ALL)))
    for path in pictures:
        assert f"(pictures/{path.name})" in ALL
        if path.suffix == ".svg":
            assert not re.search(r"url\(\W?http|href=.http", path.read_text())
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


@pytest.mark.parametrize("command", ["make bench", "make test"])
def test_both_commands_are_targets_and_shown_with_their_output(command: str) -> None:
    assert f"$ {command}\n" in README
    assert re.search(
        rf"^{command.split()[1]}: setup\b", (ROOT / "Makefile").read_text(), re.MULTILINE
    )


def test_statuses_that_are_explained_exist() -> None:
    for word in ("too_wide", "contended", "skipped", "mismatch", "crashed", "compile_error"):
        assert word in ALL
        assert Status(word)


def test_pins_cover_every_dependency() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert {name.lower().replace("_", "-") for name in dependencies()} <= pinned


@pytest.mark.parametrize("name", ["selftest", "side-by-side"])
def test_measured_table_is_that_of_the_reference_page(name: str) -> None:
    table = ALL.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    kept = (ROOT / "reports" / "reference" / f"{name}.md").read_text().splitlines()
    assert len(lines) > 3
    assert set(lines) <= set(kept)


@pytest.mark.parametrize("name", generate.PAGES)
def test_page_is_what_the_code_says(name: str) -> None:
    stands, made = (ROOT / "docs" / name).read_text(), generate.PAGES[name]()
    assert stands == made, f"make it again: {generate.COMMAND}"


def test_every_key_of_a_result_file_is_described() -> None:
    document = json.loads((ROOT / "reports" / "reference" / "results.json").read_text())
    assert set(document["panet"]) == set(PANET_KEY) - {"energy"}  # it has none
    for benchmark in document["benchmarks"]:
        assert set(benchmark["extra_info"]) <= {*EXTRA_INFO, *FACTS}
    split = next(b for b in document["benchmarks"] if "spans_s" in b["extra_info"])
    assert set(split["extra_info"]) == {*EXTRA_INFO, *FACTS} - set(OF_RUNTIMES)


def test_readme_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 150


@pytest.fixture(scope="module")
def reader_s_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    printed.reader_s_folder(folder)
    (folder / "bench").symlink_to(ROOT / "bench")  # he stands in a checkout
    return folder


PRINTED = list(dict.fromkeys(c for path in EVERY_PAGE for c in printed.commands(path.read_text())))


def as_parameter(command: str) -> Any:
    """Mark what needs pytest: pytest-benchmark asks git for the name of the project."""
    marks = [pytest.mark.process] if command.startswith("pytest ") else []
    return pytest.param(command, marks=marks, id=command)


def printed_one(command: str) -> Any:
    """Mark what draws every page of the reference run, too."""
    draws = command.startswith("python -m reports ")
    return (
        pytest.param(command, marks=pytest.mark.slow, id=command)
        if draws
        else as_parameter(command)
    )


@pytest.mark.parametrize("command", [printed_one(command) for command in PRINTED])
def test_printed_command_is_accepted(
    command: str, reader_s_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader_s_folder)
    printed.try_out(command, monkeypatch)


WRONG = (
    "make beer",
    "make bench PRESETS=smoke",
    "pytest bench --no-such-option",
    "pytest bench --batch-sizes none",
    "python -m bench compare main HEAD --tolerance much",
    "panet-bench selftest --load heavy",
    "panet-bench cost mynet:make --part",
    "panet-bench cost mynet --part neck",
    "python -m reports cost reports/runs/latest --within 3furlongs",
    "python -m panet --resolution 1",
    "tensorboard --logdirectory reports",
    "rm everything",
)


@pytest.mark.parametrize("command", [as_parameter(command) for command in WRONG])
def test_wrong_command_is_not_accepted(
    command: str, reader_s_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reader_s_folder)
    with pytest.raises((AssertionError, pytest.fail.Exception, SystemExit)):
        printed.try_out(command, monkeypatch)


@pytest.mark.parametrize("path", EVERY_PAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, heading = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in titles}, link


def test_every_page_is_linked_from_the_readme() -> None:
    for path in PAGES:
        assert path.name == "README.md" or f"(docs/{path.name}" in README, path.name


def test_table_is_that_of_the_reference_run() -> None:
    table = README.split("<!-- table -->", 1)[1].split("<!-- /table -->", 1)[0]
    frame = reports.load(ROOT / "reports" / "reference" / "results.json")
    columns = brief(reports.cost(frame))
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    shown = [line for line in lines if len(line) == len(columns.columns) > 1]
    assert shown[0] == list(columns.columns)
    assert shown[2:] == [list(map(str, row)) for row in columns.itertuples(index=False)]
