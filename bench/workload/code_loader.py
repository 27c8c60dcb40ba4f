"""Two versions of a package in one process, each under a name of its own.

The sides of a comparison are two folders with the same packages in them. To take turns as arms of
one worker they have to be loaded beside each other: the package ``panet`` of side ``base`` becomes
``panet_base``, and inside the side every ``import panet...`` is an import of ``panet_base...``. So
each side is a whole of its own, whatever it imports when, and the compiler finds its globals.

What a side imports from its folder beside these packages would be one code for both sides, whatever
the revisions say; that is refused.
"""

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from bench.schema.errors import BenchError

WORKLOAD = "panet_bench_workload"
"""The module of a workload that is a file, with the side behind it."""


@dataclass(frozen=True)
class Side:
    """The packages of a side.

    Args:
        package: their names in the folder, with commas between them.
        folder: what would be on the path, or holds ``src`` that would.
        name: becomes part of every package's name.
    """

    package: str
    folder: Path
    name: str

    @property
    def aliases(self) -> dict[str, str]:
        """Name of a package -> its name in this process."""
        return {name: f"{name}_{self.name}" for name in packages(self.package)}

    def owns(self, module: str) -> bool:
        """Whether a module is in one of the packages."""
        return module.partition(".")[0] in self.aliases


def in_own_names(text: str, sides: Iterable[Side]) -> str:
    """Return a text about the code of sides with the names that its author gave it."""
    for side in sides:
        for name, alias in side.aliases.items():
            text = re.sub(rf"\b{re.escape(alias)}\b", name, text)
    return text


def packages(package: str) -> tuple[str, ...]:
    """Return the names of packages that commas separate."""
    return tuple(name.strip() for name in package.split(",") if name.strip())


def load(side: Side) -> ModuleType:
    """Return the first package of a side, loaded under a name that only this side has.

    Raises:
        BenchError: there is no such package in the folder, or it cannot be imported.
    """
    if not any(alias in sys.modules for alias in side.aliases.values()):
        finder = SideFinder(side)
        for name, alias in side.aliases.items():
            if finder.find_spec(alias) is None:
                raise BenchError(
                    f"{side.folder} has no package {name}; name another with --package"
                )
        sys.meta_path.insert(0, finder)
    name, alias = next(iter(side.aliases.items()))
    return _imported(alias, name, side.folder)


def load_module(name: str, side: Side) -> ModuleType:
    """Return a module of a side's packages, by the name that it has in the folder.

    Raises:
        BenchError: it is in none of them, or cannot be imported.
    """
    if not side.owns(name):
        raise BenchError(
            f"{name} is not in the package {side.package}; name its own with --package, or a file "
            "with --workload FILE.py:FACTORY"
        )
    load(side)
    head, dot, rest = name.partition(".")
    return _imported(f"{side.aliases[head]}{dot}{rest}", name, side.folder)


def load_file(path: Path, side: Side) -> ModuleType:
    """Return a module that is in no side, as one of them sees it: with that side's packages.

    Raises:
        BenchError: it is not there, or cannot be imported.
    """
    load(side)
    alias = f"{WORKLOAD}_{side.name}"
    loader = SideLoader(alias, str(path), side)
    return from_file(alias, path, loader, f"{path.name} of {path.parent}")


def source_folder(package: str, folder: Path) -> Path:
    """Return what would be on the path for a package: the folder, or ``src`` in it."""
    return folder / "src" if (folder / "src" / package).exists() else folder


def _imported(alias: str, name: str, folder: Path) -> ModuleType:
    with importing(f"{name} of {folder}"):
        return importlib.import_module(alias)


@contextlib.contextmanager
def importing(told: str) -> Iterator[None]:
    """Let whatever a module of somebody's raises while it is imported be a `BenchError`.

    Args:
        told: what it is called in the message.
    """
    try:
        yield
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BenchError(f"{told} cannot be imported: {reason}") from error


def from_file(alias: str, path: Path, loader: importlib.abc.Loader | None, told: str) -> ModuleType:
    """Return the module of a file, imported once.

    Args:
        alias: its name in this process.
        path: of the file; it ends in ``.py``.
        loader: what reads it; Python's own if `None`.
        told: what it is called in a message.

    Raises:
        BenchError: it cannot be imported.
    """
    if alias not in sys.modules:
        spec = importlib.util.spec_from_file_location(alias, path, loader=loader)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - there is one
        sys.modules[alias] = module = importlib.util.module_from_spec(spec)
        try:
            with importing(told):
                spec.loader.exec_module(module)
        except BenchError:
            del sys.modules[alias]
            raise
    return sys.modules[alias]


class SideFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of one side."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._names = {alias: name for name, alias in side.aliases.items()}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the side knows its folder
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a module of this side is; `None` for everybody else's."""
        head, _, rest = fullname.partition(".")
        if head not in self._names:
            return None
        package = source_folder(self._names[head], self._side.folder) / self._names[head]
        place = package.joinpath(*rest.split(".")) if rest else package
        for file, is_package in ((place / "__init__.py", True), (place.with_suffix(".py"), False)):
            if file.is_file():
                loader = SideLoader(fullname, str(file), self._side)
                spec = importlib.machinery.ModuleSpec(
                    fullname, loader, origin=str(file), is_package=is_package
                )
                spec.has_location = True
                if is_package:
                    spec.submodule_search_locations = [str(place)]
                return spec
        return None


class SideLoader(importlib.machinery.SourceFileLoader):
    """Loads a module whose imports of its side's packages are those of its side."""

    def __init__(self, fullname: str, path: str, side: Side) -> None:
        super().__init__(fullname, path)
        self._side = side

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the loader is of one module
        """Return the code, never from the bytecode beside it: that is of another name."""
        tree = ast.parse(self.get_data(self.path), self.path)
        _refuse_shared(tree, Path(self.path), self._side)
        renamed = ast.fix_missing_locations(_Renamed(self._side.aliases).visit(tree))
        return compile(renamed, self.path, "exec", dont_inherit=True)


def _refuse_shared(tree: ast.AST, path: Path, side: Side) -> None:
    """Raise `BenchError` where a module imports code of its folder that is in none of the packages.

    It would come from wherever Python finds it first, and be the same code for both sides.
    """
    for name in _imported_names(tree):
        if side.owns(name) or name in sys.stdlib_module_names or name.startswith(WORKLOAD):
            continue
        root = source_folder(name, side.folder)
        if (root / name / "__init__.py").is_file() or (root / f"{name}.py").is_file():
            raise BenchError(
                f"{path.name} imports {name}, which is in the repository, too, and would be the "
                f"same code for both sides; name both: --package {side.package},{name}"
            )


def _imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level names of everything that code imports, those only for types apart."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.partition(".")[0]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            yield from _imported_names(node)


class _Renamed(ast.NodeTransformer):
    """Imports of packages become imports of their aliases, bound to the same names as before."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._aliases = aliases

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module is not None:
            node.module = self._name(node.module)
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for name in node.names:
            renamed = self._name(name.name)
            statements.append(ast.Import([ast.alias(renamed, name.asname)]))
            if renamed != name.name and name.asname is None:
                # ``import panet.fpn`` binds ``panet``
                package = name.name.partition(".")[0]
                statements.append(ast.Import([ast.alias(self._aliases[package], package)]))
        return [ast.copy_location(statement, node) for statement in statements]

    def _name(self, name: str) -> str:
        head, dot, rest = name.partition(".")
        return f"{self._aliases.get(head, head)}{dot}{rest}"
