"""Two versions of a package beside each other."""

import contextlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.workload import code_loader
from bench.workload.arms import build_arms
from tests.support.factories import case, check_task


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


def load(folder: Path, side: str, package: str = "thing") -> Any:
    return code_loader.load(code_loader.Side(package, folder, side))


def test_sides_have_code_of_their_own(tmp_path: Path) -> None:
    old = package(
        tmp_path / "a", __init__="from thing.core import answer", core="def answer(): return 1"
    )
    new = package(
        tmp_path / "b", __init__="from thing.core import answer", core="def answer(): return 2"
    )
    base, head = load(old, "base"), load(new, "head")
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
    assert load(folder, "base").answer() == 3
    assert "thing" not in sys.modules


def test_an_import_inside_a_function_stays_on_its_side(tmp_path: Path) -> None:
    late = "def answer():\n    from thing.core import value\n    return value"
    old = package(tmp_path / "a", __init__=late, core="value = 1")
    new = package(tmp_path / "b", __init__=late, core="value = 2")
    base, head = load(old, "base"), load(new, "head")
    assert (base.answer(), head.answer()) == (1, 2)


def test_bytecode_of_the_package_under_its_own_name_is_not_taken(tmp_path: Path) -> None:
    folder = package(tmp_path, __init__="from thing.core import value", core="value = 1")
    sys.path.insert(0, str(folder))
    try:
        import thing  # type: ignore[import-not-found]  # written above; leaves its bytecode

        assert thing.value == 1
    finally:
        sys.path.remove(str(folder))
    loaded = load(folder, "base")
    assert loaded.__name__ == "thing_base"
    assert "thing_base.core" in sys.modules


def test_a_folder_without_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no package thing"):
        load(tmp_path, "base")


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    folder = package(tmp_path, __init__="1 / 0")
    with pytest.raises(BenchError, match="ZeroDivisionError"):
        load(folder, "base")


def test_package_below_src_is_found(tmp_path: Path) -> None:
    package(tmp_path / "src", __init__="from thing.core import value", core="value = 7")
    assert load(tmp_path, "base").value == 7


FACTORY = """
    import torch
    {}
    def make(batch, height, width):
        return torch.nn.Conv2d(3, 4, 1), (torch.zeros(batch, 3, height, width),)
"""


@pytest.mark.parametrize("sides_of", [("base", "head"), ("head",)])
def test_side_that_sets_what_is_the_other_ones_too_is_sent_to_processes_of_its_own(
    sides_of: tuple[str, ...], tmp_path: Path
) -> None:
    old = package(tmp_path / "a", __init__=FACTORY.format(""))
    new = package(tmp_path / "b", __init__=FACTORY.format("torch.set_num_threads(1)"))
    task = check_task(
        tmp_path,
        case(scope="own", backbone="", network="thing:make"),
        arms={side: Recipe("own", side) for side in sides_of},
        sides={"base": str(old), "head": str(new)},
        package="thing",
    )
    inputs = (torch.zeros(1, 3, 8, 8),)
    torch.set_num_threads(2)
    expects = pytest.raises(BenchError, match=r"threads \(2 -> 1\); .* --apart")
    with expects if len(sides_of) > 1 else contextlib.nullcontext():
        build_arms(task, inputs, compiled=False)


def written(folder: Path, **files: str) -> Path:
    """Write modules by their dotted names with two underscores for a dot."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def test_several_packages_are_all_of_their_side(tmp_path: Path) -> None:
    sides = [
        written(
            tmp_path / side,
            net__core="import ops\nfrom ops.fast import twice\nanswer = twice(ops.one)",
            ops__fast=f"def twice(x): return {factor} * x",
        )
        for side, factor in (("base", 2), ("head", 3))
    ]
    for folder in sides:
        (folder / "net" / "__init__.py").write_text("from net.core import answer")
        (folder / "ops" / "__init__.py").write_text("one = 1")
    base, head = (load(f, side, "net,ops") for f, side in zip(sides, ("base", "head"), strict=True))
    assert (base.answer, head.answer) == (2, 3)
    assert "ops" not in sys.modules


@pytest.mark.parametrize("how", ["import ops", "from ops.fast import x", "def f():\n  import ops"])
def test_code_beside_the_package_would_be_the_same_for_both_sides(how: str, tmp_path: Path) -> None:
    folder = written(package(tmp_path, __init__=how), ops="x = 1")
    with pytest.raises(BenchError, match=r"imports ops.*--package thing,ops"):
        load(folder, "base")


@pytest.mark.parametrize(
    "how",
    ["import types", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ops"],
)
def test_what_does_not_come_from_the_folder_is_let_in(how: str, tmp_path: Path) -> None:
    folder = written(package(tmp_path, __init__=f"{how}\nanswer = 1"), ops="x = 1", types="x = 1")
    assert load(folder, "base").answer == 1


def test_a_file_outside_the_sides_sees_the_packages_of_each(tmp_path: Path) -> None:
    workload = written(tmp_path, bench="import thing.core\ndef make(): return thing.core.value")
    for side, value in (("base", 1), ("head", 2)):
        folder = package(tmp_path / side, __init__="", core=f"value = {value}")
        own = code_loader.Side("thing", folder, side)
        assert code_loader.load_file(workload / "bench.py", own).make() == value


def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    folder = package(written(tmp_path, bench="1 / 0"), __init__="")
    with pytest.raises(BenchError, match=r"bench\.py .* cannot be imported: ZeroDivisionError"):
        code_loader.load_file(tmp_path / "bench.py", code_loader.Side("thing", folder, "base"))


def test_what_is_said_of_a_side_has_the_names_of_its_author(tmp_path: Path) -> None:
    sides = [code_loader.Side("panet,ops", tmp_path, side) for side in ("base", "head")]
    said = "No module named 'panet_base.nosuch'; ops_head.conv, panet_based, panet_head"
    own = "No module named 'panet.nosuch'; ops.conv, panet_based, panet"
    assert code_loader.in_own_names(said, sides) == own
