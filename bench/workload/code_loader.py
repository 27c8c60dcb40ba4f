"""Two versions of a package in one process, each under a name of its own.

The sides of a comparison are two folders with the same package in them. To take turns as arms of
one worker they have to be loaded beside each other: the package of side ``base`` becomes
``panet_base``, and inside it every ``import panet...`` is an import of ``panet_base...``. So each
side is a whole package of its own, whatever it imports when, and the compiler finds its globals.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from bench.schema.errors import BenchError


def load(package: str, folder: Path, side: str) -> ModuleType:
    """Return the package of a folder, loaded under a name that only this side has.

    Args:
        package: its name in the folder.
        folder: what would be on the path: it holds the package, or its only module.
        side: becomes part of the name.

    Raises:
        BenchError: there is no such package in the folder, or it cannot be imported.
    """
    alias = f"{package}_{side}"
    if alias not in sys.modules:
        finder = SideFinder(package, alias, folder)
        if finder.find_spec(alias) is None:
            raise BenchError(f"{folder} has no package {package}; name another with --package")
        sys.meta_path.insert(0, finder)
    return _imported(alias, package, folder)


def load_module(package: str, name: str, folder: Path, side: str) -> ModuleType:
    """Return a module of a side's package, by the name that it has in the folder.

    Raises:
        BenchError: it is none of the package's, or cannot be imported.
    """
    if name.partition(".")[0] != package:
        raise BenchError(f"{name} is not in the package {package}; name its own with --package")
    load(package, folder, side)
    return _imported(f"{package}_{side}{name.removeprefix(package)}", name, folder)


def source_folder(package: str, folder: Path) -> Path:
    """Return what would be on the path: the folder, or ``src`` in it."""
    return folder / "src" if (folder / "src" / package).exists() else folder


def _imported(alias: str, name: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(alias)
    except Exception as error:  # whatever the module raises while it is imported
        raise BenchError(
            f"{name} of {folder} cannot be imported: {type(error).__name__}: {error}"
        ) from error


class SideFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of one side."""

    def __init__(self, package: str, alias: str, folder: Path) -> None:
        self._package, self._alias = package, alias
        self._folder = source_folder(package, folder)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the side knows its folder
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a module of this side is; `None` for everybody else's."""
        head, _, rest = fullname.partition(".")
        if head != self._alias:
            return None
        place = self._folder.joinpath(self._package, *rest.split(".")) if rest else None
        place = place or self._folder / self._package
        for file, is_package in ((place / "__init__.py", True), (place.with_suffix(".py"), False)):
            if file.is_file():
                loader = SideLoader(fullname, str(file), self._package, self._alias)
                spec = importlib.machinery.ModuleSpec(
                    fullname, loader, origin=str(file), is_package=is_package
                )
                spec.has_location = True
                if is_package:
                    spec.submodule_search_locations = [str(place)]
                return spec
        return None


class SideLoader(importlib.machinery.SourceFileLoader):
    """Loads a module whose imports of its own package are those of its side."""

    def __init__(self, fullname: str, path: str, package: str, alias: str) -> None:
        super().__init__(fullname, path)
        self._package, self._alias = package, alias

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the loader is of one module
        """Return the code, never from the bytecode beside it: that is of another name."""
        tree = ast.parse(self.get_data(self.path), self.path)
        renamed = ast.fix_missing_locations(_Renamed(self._package, self._alias).visit(tree))
        return compile(renamed, self.path, "exec", dont_inherit=True)


class _Renamed(ast.NodeTransformer):
    """Imports of a package become imports of its alias, bound to the same names as before."""

    def __init__(self, package: str, alias: str) -> None:
        self._package, self._alias = package, alias

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
                statements.append(ast.Import([ast.alias(self._alias, self._package)]))
        return [ast.copy_location(statement, node) for statement in statements]

    def _name(self, name: str) -> str:
        head, dot, rest = name.partition(".")
        return f"{self._alias}{dot}{rest}" if head == self._package else name
