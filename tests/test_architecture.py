"""The rooms: what is at the top level, in which direction imports point, and what may be imported.

Files are looked for at every depth, so that no rule stops applying where a folder is added.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

import bench
from bench.machine.environment import ROOT

HOUSES = ("panet", "bench", "reports")
TOP_LEVEL = {
    *HOUSES,
    *("tests", "docs"),
    *(".ci", ".github", ".gitignore", ".pre-commit-config.yaml"),
    *("LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"),
}

ROOMS = {
    "panet": ("panet",),
    "bench": (
        *("schema", "stats", "machine", "workload", "engine", "profiling"),
        *("run", "fleet", "compare", "selftest", "lab"),
    ),
    "reports": ("data", "analysis", "pages", "exports"),
}
"""House -> its rooms. A room imports itself and those before it; the face, which is the files
beside the rooms, imports all of them, and nobody imports the face."""

APART = {("compare", "run"), ("compare", "fleet"), ("exports", "pages")}
"""Neighbours that do not know each other."""

MAY_ENTER = {"panet": (), "bench": ("panet",), "reports": ("bench.schema", "bench.stats")}
"""House -> what it may import of the others."""

LIGHT = {
    "bench.schema": set[str](),
    "bench.stats": {"numpy", "scipy"},
    "reports": {
        *("numpy", "scipy", "pandas", "orjson", "pyarrow", "fsspec", "ruptures", "filelock"),
        *("plotly", "jinja2", "rich", "matplotlib", "tensorboard", "PIL"),
    },
}
"""Room or house -> the third parties that it may import; elsewhere torch is at home."""


def files(house: str) -> list[Path]:
    """Return the Python files of a house, at every depth; runs are no code."""
    found = sorted((ROOT / house).rglob("*.py"))
    return [path for path in found if not path.is_relative_to(ROOT / "reports" / "runs")]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room of a module: of the face, an empty name."""
    house, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    return house if house == "panet" else room if room in ROOMS[house] else ""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if _is_module(whole) else str(node.module)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def tracked(*patterns: str) -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run([*command, *patterns], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


EVERY_FILE = [path for house in HOUSES for path in files(house)]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.process
def test_no_file_is_overlooked_at_any_depth() -> None:
    seen = {named(path) for path in EVERY_FILE}
    assert seen == {name for house in HOUSES for name in tracked(f"{house}/*.py")}
    assert any(len(Path(name).parts) > 2 for name in seen)


def test_every_file_but_the_lab_s_is_in_the_wheel() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    find = setuptools["packages"]["find"]
    packages = {
        ROOT.joinpath(where, *name.split("."))
        for where in find["where"]
        for name in find_packages(str(ROOT / where), find["exclude"], find["include"])
    }
    lab = ROOT / "bench" / "lab"
    assert {path.parent for path in EVERY_FILE if not path.is_relative_to(lab)} == packages


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    house, room = module.partition(".")[0], room_of(module)
    rooms = ROOMS[house]
    for name in imports(path):
        other = name.partition(".")[0]
        if other == "tests" or (other in HOUSES and other != house):
            assert name.startswith(MAY_ENTER[house]), f"{module} imports {name}"
        elif other == house and house != "panet":
            there = room_of(name)
            if not room and path.parent == ROOT / house:
                continue  # the face
            assert there, f"{module} imports the face: {name}"
            assert rooms.index(there) <= rooms.index(room), f"{module} imports {name}"
            assert (room, there) not in APART, f"{module} imports {name}"


@pytest.mark.parametrize("room", LIGHT)
def test_room_imports_only_the_third_parties_that_it_may(room: str) -> None:
    light = [path for path in EVERY_FILE if f"{module_of(path)}.".startswith(f"{room}.")]
    for path in light:
        heads = {name.partition(".")[0] for name in imports(path)}
        foreign = heads - set(sys.stdlib_module_names) - set(HOUSES)
        assert foreign <= LIGHT[room], path


def test_map_of_the_house_has_every_room() -> None:
    assert re.findall(r"^- `(\w+)`:", bench.__doc__ or "", re.MULTILINE) == list(ROOMS["bench"])


def test_only_the_entry_points_and_the_terminal_print() -> None:
    for path in EVERY_FILE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                prints = called == "print" or called.startswith(("sys.stdout.w", "sys.stderr.w"))
                assert not prints or path.name in PRINTING, f"{named(path)}: {called}"


PRINTING = {"__main__.py", "conftest.py", "command.py", "core_speed.py"}
"""The last is a process of its own, which hands over what it measured."""


@pytest.mark.process
def test_top_level_stays_at_its_names() -> None:
    assert {name.split("/")[0] for name in tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("path", EVERY_FILE, ids=named)
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), path
