"""The rooms: what is at the top level, and in which direction imports point."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

from bench.machine.environment import ROOT

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


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room: str) -> list[Path]:
    """Return the files of a room at every depth; runs are no code."""
    found = sorted((ROOT / room).rglob("*.py"))
    return [path for path in found if not path.is_relative_to(ROOT / "reports" / "runs")]


def test_no_file_is_overlooked_at_any_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    deep = tmp_path / "bench" / "room" / "deep" / "file.py"
    deep.parent.mkdir(parents=True)
    deep.write_text("")
    assert files("bench") == [deep]


def test_every_package_is_in_the_wheel() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    find = asked["packages"]["find"]
    packages = set(find_packages(str(ROOT), include=find["include"], exclude=find["exclude"]))
    lab = ROOT / "bench" / "lab"
    shipped = [p for room in MAY_IMPORT for p in files(room) if not p.is_relative_to(lab)]
    assert {".".join(path.relative_to(ROOT).parent.parts) for path in shipped} == packages


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    for path in files(room):
        rooms = {name.split(".")[0] for name in imports(path)} & ROOMS
        assert rooms <= MAY_IMPORT[room], path


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
