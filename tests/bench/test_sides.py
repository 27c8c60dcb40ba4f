"""Two versions of a package beside each other."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import sides
from bench.errors import BenchError


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    modules, finders = set(sys.modules), list(sys.meta_path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.meta_path[:] = finders


def package(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / "thing" / f"{name.replace('__', '/') if name != '__init__' else name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def test_sides_have_code_of_their_own(tmp_path: Path) -> None:
    old = package(
        tmp_path / "a", __init__="from thing.core import answer", core="def answer(): return 1"
    )
    new = package(
        tmp_path / "b", __init__="from thing.core import answer", core="def answer(): return 2"
    )
    base, head = sides.load("thing", old, "base"), sides.load("thing", new, "head")
    assert (base.answer(), head.answer()) == (1, 2)
    assert base.answer.__module__ == "thing_base.core"
    assert "thing" not in sys.modules


@pytest.mark.parametrize(
    "init",
    [
        "import thing.core\nanswer = thing.core.answer",
        "import thing.core as c\nanswer = c.answer",
        "from thing import core\nanswer = core.answer",
        "from .core import answer",
        "import math, thing.core\nanswer = thing.core.answer\nmath.pi",
    ],
)
def test_every_form_of_import_stays_on_its_side(init: str, tmp_path: Path) -> None:
    folder = package(tmp_path, __init__=init, core="def answer(): return 3")
    assert sides.load("thing", folder, "base").answer() == 3
    assert "thing" not in sys.modules


def test_an_import_inside_a_function_stays_on_its_side(tmp_path: Path) -> None:
    late = "def answer():\n    from thing.core import value\n    return value"
    old = package(tmp_path / "a", __init__=late, core="value = 1")
    new = package(tmp_path / "b", __init__=late, core="value = 2")
    base, head = sides.load("thing", old, "base"), sides.load("thing", new, "head")
    assert (base.answer(), head.answer()) == (1, 2)


def test_bytecode_of_the_package_under_its_own_name_is_not_taken(tmp_path: Path) -> None:
    folder = package(tmp_path, __init__="from thing.core import value", core="value = 1")
    sys.path.insert(0, str(folder))
    try:
        import thing  # type: ignore[import-not-found]  # written above; leaves its bytecode

        assert thing.value == 1
    finally:
        sys.path.remove(str(folder))
    loaded = sides.load("thing", folder, "base")
    assert loaded.__name__ == "thing_base"
    assert "thing_base.core" in sys.modules


def test_a_folder_without_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no package thing"):
        sides.load("thing", tmp_path, "base")


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    folder = package(tmp_path, __init__="1 / 0")
    with pytest.raises(BenchError, match="ZeroDivisionError"):
        sides.load("thing", folder, "base")


def test_package_below_src_is_found(tmp_path: Path) -> None:
    package(tmp_path / "src", __init__="from thing.core import value", core="value = 7")
    assert sides.load("thing", tmp_path, "base").value == 7
