"""The rooms: what is at the top level, and in which direction imports point."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.environment import ROOT

ROOMS = {"bench", "panet", "reports", "tests"}
TOP_LEVEL = ROOMS | {
    *(".ci", ".github", ".gitignore", "LICENSE", "Makefile", "README.md"),
    *("constraints.txt", "pyproject.toml"),
}
MAY_IMPORT = {
    "panet": {"panet"},
    "bench": {"panet", "bench"},
    "reports": {"bench", "reports"},
}
READ_BY_REPORTS = {"bench.records", "bench.stats", "bench.verdict"}
WITHOUT_TORCH = (
    *("records", "task", "journal", "orders", "stats", "sweep", "engine", "document"),
    *("timeline", "plugin_trace", "parts"),
)
STANDARD_LIBRARY_ONLY = ("records", "task", "orders", "timeline", "plugin_trace")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).glob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    for path in files(room):
        rooms = {name.split(".")[0] for name in imports(path)} & ROOMS
        assert rooms <= MAY_IMPORT[room], path


def test_reports_read_the_schema_the_statistics_and_the_verdict_alone() -> None:
    for path in files("reports"):
        for name in imports(path):
            if name.startswith("bench."):
                assert any(name == room or name.startswith(f"{room}.") for room in READ_BY_REPORTS)


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_what_needs_no_torch_imports_none(name: str) -> None:
    heads = {found.split(".")[0] for found in imports(ROOT / "bench" / f"{name}.py")}
    assert heads.isdisjoint({"torch", "pandas", "timm", "panet"})


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_schema_needs_the_standard_library_alone(name: str) -> None:
    heads = {found.split(".")[0] for found in imports(ROOT / "bench" / f"{name}.py")}
    assert heads.isdisjoint({"numpy", "scipy", "psutil", "pytest", "rich"})


def test_only_the_entry_points_and_the_terminal_print() -> None:
    for room in MAY_IMPORT:
        for path in files(room):
            calls = [
                node
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
            ]
            assert not calls or path.name in {"__main__.py", "conftest.py", "render.py"}, path


def test_top_level_stays_at_its_names() -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    )
    assert {line.split("/")[0] for line in tracked.stdout.splitlines()} <= TOP_LEVEL


def test_every_public_function_has_a_docstring_and_every_module_too() -> None:
    for room in MAY_IMPORT:
        for path in files(room):
            assert ast.get_docstring(ast.parse(path.read_text())), path
