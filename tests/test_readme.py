"""The README says what the project does: its tables are tested against the code."""

import re
import tomllib

import pytest

from bench.machine.environment import ROOT
from bench.schema.case import AXES
from bench.schema.records import Status
from bench.workload import presets
from reports.analysis.readable import EXPLAINED

README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def rows(heading: str) -> dict[str, str]:
    """Return the table under a header cell, first column -> second."""
    body = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
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
        assert f"`{name}`" in README or f"`--preset {name}`" in README
    default = presets.PRESETS[presets.DEFAULT_PRESET]
    assert (default.half_width, default.budget) == ("2%", "4.3m")
    assert "`--half-width` (2 % of the ratio)" in " ".join(README.split())
    assert "`--budget` (4.3 min" in README


def test_every_dependency_has_its_reason() -> None:
    named = " ".join(rows("package"))
    for name in dependencies():
        if not name.endswith("-stubs") and not name.startswith("types-"):
            assert name in named


def test_table_columns_are_explained() -> None:
    table = README.split("<!-- table -->", 1)[1].split("<!-- /table -->", 1)[0]
    header = next(line for line in table.splitlines() if line.startswith("| case"))
    assert rows("column") == EXPLAINED
    assert {cell.strip() for cell in header.strip("|").split("|")} <= set(EXPLAINED)


@pytest.mark.parametrize("command", ["make bench", "make test"])
def test_both_commands_are_targets_and_shown_with_their_output(command: str) -> None:
    assert f"$ {command}\n" in README
    assert re.search(
        rf"^{command.split()[1]}: setup$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )


def test_statuses_that_are_explained_exist() -> None:
    for word in ("too_wide", "contended", "skipped", "mismatch", "crashed", "compile_error"):
        assert word in README
        assert Status(word)


def test_pins_cover_every_dependency() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert {name.lower().replace("_", "-") for name in dependencies()} <= pinned


@pytest.mark.parametrize("name", ["selftest", "side-by-side"])
def test_measured_table_is_that_of_the_reference_page(name: str) -> None:
    table = README.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    kept = (ROOT / "reports" / "reference" / f"{name}.md").read_text().splitlines()
    assert len(lines) > 3
    assert set(lines) <= set(kept)
